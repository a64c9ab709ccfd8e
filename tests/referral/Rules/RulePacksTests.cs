using System.Net;
using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Rules;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Rules;

/// <summary>Rules as data: read as checklists, asked before a slip is written, published in versions.</summary>
[Collection("referral")]
public sealed class RulePacksTests(ReferralHost host)
{
    [Fact]
    public async Task The_checklist_of_a_diagnosis_holds_its_criteria_up_and_down()
    {
        var packs = await host.As(ReferralHost.Township).GetAsync("/v1/rules?diagnosis=E11.900").Json();
        var pack = packs.GetProperty("items").EnumerateArray().Should().ContainSingle().Subject;
        pack.GetProperty("id").GetString().Should().Be("diabetes");
        pack.GetProperty("firstContact").GetBoolean().Should().BeTrue();
        pack.GetProperty("criteria").EnumerateArray().Select(c => c.GetProperty("direction").GetString()).Distinct().Should().Equal("Up", "Down");
    }

    [Fact]
    public async Task An_evaluation_explains_itself_and_offers_the_reasons_to_override()
    {
        var answer = await Evaluate(new { diagnosis = "J06.900", to = ReferralHost.County });
        answer.GetProperty("verdict").GetString().Should().Be("Warning");
        answer.GetProperty("findings")[0].GetProperty("sentence").GetString().Should().StartWith("「急性上呼吸道感染」属基层首诊病种");
        answer.GetProperty("overrideReasons").EnumerateArray().Select(r => r.GetString()).Should().Contain("PATIENT_REQUEST");
        answer.GetProperty("departments")[0].GetString().Should().Be("03.01");

        var fits = await Evaluate(new { diagnosis = "I10.x00", measures = new { systolic = 190 }, to = ReferralHost.County });
        fits.GetProperty("verdict").GetString().Should().Be("Fits");
        fits.GetProperty("overrideReasons").GetArrayLength().Should().Be(0);
    }

    [Theory]
    [InlineData("""{}""", 400, "/diagnosis")]
    [InlineData("""{"diagnosis":"I1"}""", 400, "/diagnosis")]
    [InlineData("""{"diagnosis":"I10","measures":{"systolic":"high"}}""", 400, "/measures/systolic")]
    [InlineData("""{"diagnosis":"I10","kind":"Walk"}""", 400, "/kind")]
    [InlineData("""{"diagnosis":"I10","indications":["NOBODY_KNOWS"]}""", 422, "/indications/0")]
    [InlineData("""{"diagnosis":"I10","to":"nowhere"}""", 422, "/to")]
    public async Task A_question_that_makes_no_sense_is_refused_by_pointer(string body, int status, string pointer)
    {
        var answer = await host.As(ReferralHost.Township).PostAsync("/v1/rules/evaluate", new StringContent(body, System.Text.Encoding.UTF8, "application/json"));
        ((int)answer.StatusCode).Should().Be(status);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
    }

    [Fact]
    public async Task A_new_version_holds_from_its_day_and_leaves_what_was_before()
    {
        var id = "pack-" + Guid.NewGuid().ToString("n")[..8];
        var tomorrow = ChinaTime.DayOf(host.Clock.GetUtcNow()).AddDays(1);
        var code = "QX" + Random.Shared.Next(100000, 999999);
        (await Publish(id, Version(tomorrow, code: code))).StatusCode.Should().Be(HttpStatusCode.Created);
        (await Publish(id, Version(tomorrow.AddDays(10), firstContact: false, code))).StatusCode.Should().Be(HttpStatusCode.Created);

        (await Evaluate(new { diagnosis = code })).GetProperty("findings")[0].GetProperty("code").GetString().Should().Be("NOT_COVERED");
        (await Evaluate(new { diagnosis = code, on = tomorrow })).GetProperty("findings")[0].GetProperty("code").GetString().Should().Be("IN_CATALOGUE_NO_INDICATION");
        (await Evaluate(new { diagnosis = code, on = tomorrow.AddDays(9) })).GetProperty("findings")[0].GetProperty("code").GetString().Should().Be("IN_CATALOGUE_NO_INDICATION");
        var second = await Evaluate(new { diagnosis = code, on = tomorrow.AddDays(10) });
        second.GetProperty("findings")[0].GetProperty("code").GetString().Should().Be("NO_INDICATION");
        second.GetProperty("findings")[0].GetProperty("packVersion").GetInt32().Should().Be(2);
        (await host.As(ReferralHost.Township).GetAsync($"/v1/rules/{id}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await host.As(ReferralHost.Township).GetAsync($"/v1/rules/{id}?on={tomorrow:yyyy-MM-dd}").Json()).GetProperty("version").GetInt32().Should().Be(1);
    }

    [Fact]
    public async Task Nothing_is_published_into_the_past_or_before_a_version_that_stands()
    {
        var id = "pack-" + Guid.NewGuid().ToString("n")[..8];
        var today = ChinaTime.DayOf(host.Clock.GetUtcNow());
        (await Publish(id, Version(today))).StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await Publish(id, Version(today.AddDays(5)))).StatusCode.Should().Be(HttpStatusCode.Created);
        (await Publish(id, Version(today.AddDays(5)))).StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await Publish(id, Version(today.AddDays(4)))).StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
    }

    [Fact]
    public async Task Two_who_publish_at_once_get_two_versions_or_one_refusal_and_a_repetition_its_first_answer()
    {
        var id = "pack-" + Guid.NewGuid().ToString("n")[..8];
        var day = ChinaTime.DayOf(host.Clock.GetUtcNow()).AddDays(3);
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Publish(id, Version(day))));
        answers.Count(a => a.StatusCode == HttpStatusCode.Created).Should().Be(1);
        answers.Count(a => a.StatusCode == HttpStatusCode.UnprocessableEntity).Should().Be(5);

        var key = Guid.NewGuid().ToString();
        var first = await (await Publish(id, Version(day.AddDays(1)), key)).Content.ReadAsStringAsync();
        var again = await Publish(id, Version(day.AddDays(1)), key);
        (await again.Content.ReadAsStringAsync()).Should().Be(first);
        again.Headers.GetValues("Idempotency-Replayed").Should().Equal("true");
    }

    [Theory]
    [InlineData("Clinician", "ok-name", 403)]
    [InlineData("AllianceOffice", "Not-A-Name", 422)]
    [InlineData("AllianceOffice", "x", 422)]
    public async Task Only_the_keepers_of_the_rules_publish_and_only_under_a_plain_name(string role, string id, int status) =>
        ((int)(await host.As(ReferralHost.County, role).Command($"/v1/rules/{id}", Version(ChinaTime.DayOf(host.Clock.GetUtcNow()).AddDays(1)))).StatusCode).Should().Be(status);

    [Fact]
    public async Task A_folder_that_was_loaded_before_changes_nothing()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "demo", "rules");
        (await host.Services.GetRequiredService<ImportRules>().Run(folder)).Should().Be(0);
    }

    private static object Version(DateOnly since, bool firstContact = true, string code = "Q99") => new
    {
        nameZh = "样例", nameEn = "Sample", since, firstContact, codes = new[] { code },
        criteria = new[] { new { code = "SAMPLE_UP", direction = "Up", textZh = "样例指征", textEn = "A sample" } },
    };

    private Task<HttpResponseMessage> Publish(string id, object body, string? key = null) =>
        host.As(ReferralHost.County, "AllianceOffice", "office").Command($"/v1/rules/{id}", body, key: key);

    private async Task<JsonElement> Evaluate(object body)
    {
        var answer = await host.As(ReferralHost.Township).Command("/v1/rules/evaluate", body);
        var text = await answer.Content.ReadAsStringAsync();
        answer.StatusCode.Should().Be(HttpStatusCode.OK, text);
        return JsonDocument.Parse(text).RootElement.Clone();
    }
}
