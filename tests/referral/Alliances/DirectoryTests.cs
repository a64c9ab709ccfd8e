using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Alliances;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Alliances;

/// <summary>The directory through the front door: who reads, who writes, and what is refused.</summary>
[Collection("referral")]
public sealed class DirectoryTests(ReferralHost host)
{
    private HttpClient Office => host.As(ReferralHost.County, "AllianceOffice");
    private HttpClient Operator => host.As(ReferralHost.County, "Operator");

    private static object Clinic(string code, string name = "测试卫生室", string? parent = ReferralHost.Township, string level = "VillageClinic") =>
        new { code, name, level, type = "PrimaryCare", ownership = "Private", region = "210681", parent, services = new[] { "HomeVisit" }, synthetic = true };

    private static Task<HttpResponseMessage> Put(HttpClient client, string path, object body, string? ifMatch = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Put, path) { Content = JsonContent.Create(body, options: ServiceDefaults.Json.Lenient) };
        if (ifMatch is not null)
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        return client.SendAsync(request);
    }

    private static async Task<JsonElement> Is(Task<HttpResponseMessage> asked, HttpStatusCode status, string? code = null)
    {
        var answer = await asked;
        var body = await answer.Content.ReadAsStringAsync();
        answer.StatusCode.Should().Be(status, body);
        var json = JsonDocument.Parse(body).RootElement;
        if (code is not null)
            json.GetProperty("code").GetString().Should().Be(code);
        return json;
    }

    [Fact]
    public async Task A_new_institution_is_there_at_once_and_the_same_again_changes_nothing()
    {
        var code = Codes.New();
        (await Put(Office, $"/v1/institutions/{code}", Clinic(code))).StatusCode.Should().Be(HttpStatusCode.Created);
        host.Services.GetRequiredService<AllianceDirectory>().Current.NameOf(code).Should().Be("测试卫生室");
        var again = await Put(Operator, $"/v1/institutions/{code}", Clinic(code));
        again.StatusCode.Should().Be(HttpStatusCode.OK);
        again.Headers.ETag!.ToString().Should().Be("\"1\"");
    }

    [Fact]
    public async Task A_change_names_the_version_it_saw()
    {
        var code = Codes.New();
        await Put(Operator, $"/v1/institutions/{code}", Clinic(code));
        await Is(Put(Operator, $"/v1/institutions/{code}", Clinic(code, "改名")), HttpStatusCode.PreconditionRequired);
        await Is(Put(Operator, $"/v1/institutions/{code}", Clinic(code, "改名"), "\"7\""), HttpStatusCode.PreconditionFailed);
        (await Put(Operator, $"/v1/institutions/{code}", Clinic(code, "改名"), "\"1\"")).Headers.ETag!.ToString().Should().Be("\"2\"");
        (await host.As(ReferralHost.Township).GetAsync($"/v1/institutions/{code}").Json()).GetProperty("name").GetString().Should().Be("改名");
    }

    [Fact]
    public async Task Of_two_who_change_it_at_once_one_wins()
    {
        var code = Codes.New();
        await Put(Operator, $"/v1/institutions/{code}", Clinic(code));
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Put(Operator, $"/v1/institutions/{code}", Clinic(code, "名" + i), "\"1\"")));
        answers.Count(a => a.StatusCode == HttpStatusCode.OK).Should().Be(1);
        answers.Where(a => a.StatusCode != HttpStatusCode.OK).Should().OnlyContain(a => a.StatusCode == HttpStatusCode.PreconditionFailed);
    }

    public static TheoryData<string, object, string> BadInstitutions => new()
    {
        { "a check character that does not fit", new { name = "x", level = "VillageClinic", type = "PrimaryCare", ownership = "Public", region = "210681" }, "/code" },
        { "a region of five digits", new { name = "x", level = "VillageClinic", type = "PrimaryCare", ownership = "Public", region = "21068" }, "/region" },
        { "a latitude off the earth", new { name = "x", level = "VillageClinic", type = "PrimaryCare", ownership = "Public", region = "210681", latitude = 91 }, "/latitude" },
        { "no name", new { level = "VillageClinic", type = "PrimaryCare", ownership = "Public", region = "210681" }, "/name" },
        { "a level nobody knows", new { name = "x", level = "Palace", type = "PrimaryCare", ownership = "Public", region = "210681" }, "/level" },
        { "an unknown member", new { name = "x", rank = 1 }, "/rank" },
    };

    [Theory, MemberData(nameof(BadInstitutions))]
    public async Task A_bad_institution_is_refused_and_its_member_named(string what, object body, string pointer)
    {
        var code = pointer == "/code" ? "12210681DEM0001023" : Codes.New();
        var problem = await Is(Put(Operator, $"/v1/institutions/{code}", body), HttpStatusCode.BadRequest, "malformed-request");
        problem.GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("pointer").GetString()).Should().Contain(pointer, what);
    }

    [Fact]
    public async Task A_parent_that_is_not_there_or_stands_below_or_in_a_circle_is_refused_with_422()
    {
        var (a, b) = (Codes.New(), Codes.New());
        await Is(Put(Operator, $"/v1/institutions/{a}", Clinic(a, parent: Codes.New())), HttpStatusCode.UnprocessableEntity, "rule-broken");
        await Put(Operator, $"/v1/institutions/{a}", Clinic(a));
        await Is(Put(Operator, $"/v1/institutions/{b}", Clinic(b, parent: a, level: "TownshipHealthCentre")), HttpStatusCode.UnprocessableEntity, "rule-broken");
        await Put(Operator, $"/v1/institutions/{b}", Clinic(b, parent: a));
        var circle = await Is(Put(Operator, $"/v1/institutions/{a}", Clinic(a, parent: b), "*"), HttpStatusCode.UnprocessableEntity, "rule-broken");
        circle.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/parent");
    }

    [Fact]
    public async Task An_office_writes_in_its_own_alliance_only_and_a_refusal_leaves_a_row()
    {
        await Is(Put(Office, $"/v1/institutions/{ReferralHost.Stranger}", Clinic(ReferralHost.Stranger), "*"), HttpStatusCode.Forbidden, "forbidden");
        (await host.Database.Query<long>("select count(*) from audit where verdict = 'denied' and action = 'write-institutions' and target = @Stranger", new { ReferralHost.Stranger }))
            .Single().Should().BePositive();
        await Is(Put(host.As(ReferralHost.Stranger, "AllianceOffice"), "/v1/clinicians/dr-0001",
            new { institution = ReferralHost.Stranger, name = "夺走" }, "*"), HttpStatusCode.Forbidden, "forbidden");
        await Is(Put(Office, "/v1/alliances/al-stroke", new { name = "x", form = "TelemedicineNetwork", tightness = "Loose", lead = ReferralHost.County }, "*"),
            HttpStatusCode.Forbidden, "forbidden");
    }

    [Fact]
    public async Task A_second_tight_parent_is_refused_with_a_code_and_the_authority_may_decide_otherwise_with_a_reason()
    {
        var clinic = Codes.New();
        await Put(Operator, $"/v1/institutions/{clinic}", Clinic(clinic));
        await Is(Put(Office, $"/v1/alliances/al-county/members/{clinic}/2025-01-01", new { }), HttpStatusCode.Created);
        var id = "t-" + Guid.NewGuid().ToString("n")[..10];
        await Is(Put(host.As(ReferralHost.Tertiary, "AllianceOffice"), $"/v1/alliances/{id}",
            new { name = "第二医共体", form = "UrbanMedicalGroup", tightness = "Tight", lead = ReferralHost.Tertiary }), HttpStatusCode.Created);
        var second = $"/v1/alliances/{id}/members/{clinic}/2026-01-01";
        await Is(Put(host.As(ReferralHost.Tertiary, "AllianceOffice"), second, new { }), HttpStatusCode.Conflict, "second-tight-parent");
        await Is(Put(host.As(ReferralHost.Tertiary, "AllianceOffice"), second, new { overrideReason = "自行决定" }), HttpStatusCode.Forbidden);
        await Is(Put(host.As(ReferralHost.Township, "Regulator", "bureau-1"), second, new { overrideReason = "省卫健委批复" }), HttpStatusCode.Created);
        (await host.Database.Query<string>("select subject from audit where action = 'override-tight-parent' and target like @like", new { like = id + "/%" }))
            .Should().Equal("bureau-1");
        await Is(host.As(ReferralHost.Township).GetAsync(second), HttpStatusCode.OK);
    }

    [Fact]
    public async Task Everybody_in_the_directory_reads_it_and_who_is_in_none_does_not()
    {
        await Is(host.As(ReferralHost.Stranger).GetAsync("/v1/institutions?level=TertiaryHospital"), HttpStatusCode.OK);
        await Is(host.As(Codes.New()).GetAsync("/v1/institutions"), HttpStatusCode.Forbidden);
        var clinicians = $"/v1/institutions/{ReferralHost.Township}/clinicians";
        (await Is(host.As(ReferralHost.County).GetAsync(clinicians), HttpStatusCode.OK)).GetRawText().Should().Contain("phone");
        (await Is(host.As(ReferralHost.Stranger).GetAsync(clinicians), HttpStatusCode.OK)).GetRawText().Should().NotContain("phone", "a phone is for those who work together");
    }

    [Fact]
    public async Task Pages_of_the_directory_show_every_institution_once()
    {
        var seen = new List<string>();
        string? cursor = null;
        do
        {
            var page = await Is(host.As(ReferralHost.Township).GetAsync("/v1/institutions?region=210681&limit=47" + (cursor is null ? "" : "&cursor=" + cursor)), HttpStatusCode.OK);
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("code").GetString()!));
            cursor = page.TryGetProperty("next", out var next) ? next.GetString() : null;
        } while (cursor is not null);
        seen.Should().OnlyHaveUniqueItems().And.HaveCountGreaterThan(330).And.BeInAscendingOrder(StringComparer.Ordinal);
        await Is(host.As(ReferralHost.Township).GetAsync("/v1/institutions?region=210600&limit=47&cursor=" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"), HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task A_reason_holds_from_its_first_to_its_last_day_and_for_its_roles()
    {
        var today = ChinaTime.DayOf(host.Clock.GetUtcNow());
        object Reason(DateOnly from, DateOnly? until, string[]? roles = null) => new
        {
            side = "Receiver", textRequired = false, nameZh = "测试原因", nameEn = "A test reason", from, until, roles,
        };
        await Is(Put(Office, "/v1/reason-codes/DeclineUp/TEST_DATED", Reason(today, null)), HttpStatusCode.Forbidden, "forbidden");
        await Is(Put(Operator, "/v1/reason-codes/DeclineUp/TEST_DATED", Reason(today.AddDays(1), null)), HttpStatusCode.Created);
        var referral = await A.Submitted(host);
        (await referral.IsRefused("decline", HttpStatusCode.UnprocessableEntity, "rule-broken", new { reason = "TEST_DATED" })).GetRawText().Should().NotContain("\"TEST_DATED\"");
        await Is(Put(Operator, "/v1/reason-codes/DeclineUp/TEST_DATED", Reason(today, null, ["Head"]), "*"), HttpStatusCode.OK);
        await referral.IsRefused("decline", HttpStatusCode.UnprocessableEntity, "rule-broken", new { reason = "TEST_DATED" });
        (await referral.Tries("decline", new { reason = "TEST_DATED" }, role: "Head")).StatusCode.Should().Be(HttpStatusCode.OK);
        await Is(Put(Operator, "/v1/reason-codes/DeclineUp/TEST_DATED", Reason(today.AddDays(-9), today.AddDays(-1)), "*"), HttpStatusCode.OK);
        await (await A.Submitted(host)).IsRefused("decline", HttpStatusCode.UnprocessableEntity, "rule-broken", new { reason = "TEST_DATED" }, role: "Head");
    }

    [Fact]
    public async Task A_reason_of_the_receiver_is_not_the_senders()
    {
        await Put(Operator, "/v1/reason-codes/Redirect/TEST_RECEIVER", new { side = "Receiver", textRequired = false, nameZh = "仅接收方", nameEn = "Receiver only" });
        var referral = await A.Submitted(host);
        var body = new { institution = ReferralHost.County, department = "03.03", reason = "TEST_RECEIVER", patientAgrees = true };
        await referral.IsRefused("redirect", HttpStatusCode.UnprocessableEntity, "rule-broken", body, by: ReferralHost.Township);
        (await referral.Tries("redirect", body)).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task What_one_instance_changes_every_instance_knows_within_two_seconds()
    {
        await using var second = new ServiceHost<Program>(host.Database.App, host.RabbitMq, host.Clock);
        var elsewhere = second.Services.GetRequiredService<AllianceDirectory>();
        var code = Codes.New();
        await Put(Operator, $"/v1/institutions/{code}", Clinic(code, "新来的"));
        await Eventually.Is(() => Task.FromResult(elsewhere.Current.NameOf(code) == "新来的"), "the other instance reads the change", seconds: 4);
    }
}
