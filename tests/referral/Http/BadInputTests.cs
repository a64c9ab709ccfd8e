using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Http;

[Collection("referral")]
public sealed class BadInputTests(ReferralHost host)
{
    public static TheoryData<string, string, int, string> Slips => new()
    {
        // what is wrong, the change, the status, the pointer that names it
        { "check digit", """{"patient":{"name":"李演示","sex":"1","birthDate":"1949-12-31","idNo":"110105194912310021"}}""", 400, "/patient/idNo" },
        { "impossible date in the number", """{"patient":{"name":"李演示","sex":"1","age":70,"idNo":"110105194902300020"}}""", 400, "/patient/idNo" },
        { "impossible birth date", """{"patient":{"name":"李演示","sex":"1","birthDate":"1990-02-30"}}""", 400, "/patient/birthDate" },
        { "birth date and number differ", """{"patient":{"name":"李演示","sex":"2","birthDate":"1950-01-01","idNo":"11010519491231002X"}}""", 400, "/patient/birthDate" },
        { "sex and number differ", """{"patient":{"name":"李演示","sex":"1","birthDate":"1949-12-31","idNo":"11010519491231002X"}}""", 400, "/patient/sex" },
        { "no name", """{"patient":{"sex":"1","age":70}}""", 400, "/patient/name" },
        { "no impression", """{"impression":null}""", 400, "/impression" },
        { "blank present illness", """{"presentIllness":"   "}""", 400, "/presentIllness" },
        { "unknown institution", """{"to":{"institution":"999999999999999999"}}""", 422, "/to/institution" },
        { "unknown department", """{"to":{"institution":"12210600DEM0000149","department":"99"}}""", 422, "/to/department" },
        { "oneself", """{"to":{"institution":"12210681DEM0001022"}}""", 422, "/to/institution" },
        { "unknown purpose", """{"purposes":["BECAUSE"]}""", 422, "/purposes/0" },
        { "unknown enum", """{"priority":"Sometimes"}""", 400, "/priority" },
        { "enum by number", """{"priority":1}""", 400, "/priority" },
        { "unknown member", """{"status":"Completed"}""", 400, "/status" },
        { "unknown member deep inside", """{"patient":{"name":"李演示","sex":"1","age":70,"weight":80}}""", 400, "/patient/weight" },
        { "a value where a name belongs", """{"patient":{"name":"李演示","sex":"1","age":70,"李演示之妻":1}}""", 400, "/patient" },
        { "words for a diagnosis code", """{"diagnosis":{"code":"李演示头痛"}}""", 400, "/diagnosis/code" },
        { "a sign no code has", """{"diagnosis":{"code":"A18.0‡"}}""", 400, "/diagnosis/code" },
        { "age as text", """{"patient":{"name":"李演示","sex":"1","age":"seventy"}}""", 400, "/patient/age" },
        { "age of 1e999", """{"patient":{"name":"李演示","sex":"1","age":1e999}}""", 400, "/patient/age" },
        { "time without offset", """{"expectedArrival":"2026-12-01T09:00:00"}""", 400, "/expectedArrival" },
        { "control character", """{"impression":"a\u0000b"}""", 400, "/impression" },
        { "too long", """{"impression":"LONG"}""", 400, "/impression" },
        { "another institution's referrer", """{"referrer":{"doctor":"dr-0001","institution":"12210600DEM0000149"}}""", 422, "/referrer/institution" },
    };

    [Theory]
    [MemberData(nameof(Slips))]
    public async Task A_slip_that_is_wrong_is_refused_where_it_is_wrong(string what, string change, int status, string pointer)
    {
        var slip = A.UpwardSlip();
        foreach (var (name, value) in JsonNode.Parse(change.Replace("LONG", new string('长', 2001)), documentOptions: default)!.AsObject())
            slip[name] = value?.DeepClone();
        var before = await Stored();

        var answer = await host.As(ReferralHost.Township).SendAsync(Post(slip.ToJsonString()));
        var body = await answer.Json();

        ((int)answer.StatusCode).Should().Be(status, "{0}: {1}", what, body);
        body.GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("pointer").GetString()).Should().Contain(pointer, what);
        body.GetRawText().Should().NotContain("李演示").And.NotContain("1101051949");
        (await Stored()).Should().Be(before, "nothing is stored half-way");
    }

    public static TheoryData<string, string, string, int> Bodies => new()
    {
        { "not JSON", "patient=1", "application/json", 400 },
        { "an array", "[]", "application/json", 400 },
        { "null", "null", "application/json", 400 },
        { "nothing", "", "application/json", 400 },
        { "trailing comma", "{\"kind\":\"Advice\",}", "application/json", 400 },
        { "a member twice", "{\"impression\":\"a\",\"impression\":\"b\"}", "application/json", 400 },
        { "half a surrogate pair", "{\"impression\":\"\\ud83d\"}", "application/json", 400 },
        { "a hundred levels", "{\"plan\":" + string.Concat(Enumerable.Repeat("[", 100)) + string.Concat(Enumerable.Repeat("]", 100)) + "}", "application/json", 400 },
        { "GBK", "{}", "application/json; charset=gbk", 415 },
        { "form data", "a=1", "application/x-www-form-urlencoded", 415 },
        { "XML", "<slip/>", "application/xml", 415 },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_body_that_is_no_slip_is_refused(string what, string body, string type, int status)
    {
        var request = Post(body);
        request.Content!.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        var answer = await host.As(ReferralHost.Township).SendAsync(request);
        ((int)answer.StatusCode).Should().Be(status, "{0}: {1}", what, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Bytes_that_are_no_UTF8_are_refused()
    {
        var request = Post("{}");
        request.Content = new ByteArrayContent([.. "{\"impression\":\""u8, 0xB8, 0xDF, .. "\"}"u8]);
        request.Content.Headers.ContentType = new("application/json");
        (await host.As(ReferralHost.Township).SendAsync(request)).StatusCode.Should().Be(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Ten_megabytes_are_refused_with_413_and_the_limit()
    {
        var answer = await host.As(ReferralHost.Township).SendAsync(Post("{\"impression\":\"" + new string('x', 10_000_000) + "\"}"));
        answer.StatusCode.Should().Be(HttpStatusCode.RequestEntityTooLarge);
        (await answer.Json()).GetProperty("limit").GetInt32().Should().Be(256 * 1024);
    }

    [Theory]
    [InlineData("as=nobody")]
    [InlineData("state=Gone")]
    [InlineData("priority=1")]
    [InlineData("limit=0")]
    [InlineData("limit=1000000")]
    [InlineData("limit=x")]
    [InlineData("cursor=AAAA")]
    [InlineData("cursor='%20OR%201=1--")]
    [InlineData("changedSince=yesterday")]
    [InlineData("department=%00")]
    public async Task A_list_refuses_what_it_does_not_know(string query)
    {
        var answer = await host.As(ReferralHost.Tertiary).GetAsync("/v1/referrals?" + query);
        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest, await answer.Content.ReadAsStringAsync());
        answer.Content.Headers.ContentType!.MediaType.Should().Be("application/problem+json");
    }

    [Fact]
    public async Task An_ID_that_is_no_ID_is_404_and_never_500()
    {
        foreach (var id in new[] { "x", "'--", "%25", "%5C", "..%2f..", new string('9', 500), "U261122000001239😀" })
            (await host.As(ReferralHost.Tertiary).GetAsync("/v1/referrals/" + Uri.EscapeDataString(Uri.UnescapeDataString(id))))
                .StatusCode.Should().Be(HttpStatusCode.NotFound, id);
    }

    private static HttpRequestMessage Post(string body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/referrals?submit=true") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        return request;
    }

    private async Task<long> Stored() => (await host.Database.Query<long>(
        "select (select count(*) from referral) + (select count(*) from patient) + (select count(*) from outbox) + (select count(*) from idempotency_key)")).Single();
}
