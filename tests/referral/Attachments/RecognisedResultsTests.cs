using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Attachments;

/// <summary>Mutual recognition (互认): what was examined below is not done again above without a reason, and that is counted.</summary>
[Collection("referral")]
public sealed class RecognisedResultsTests(ReferralHost host)
{
    private string Day(int days) => ChinaTime.DayOf(host.Clock.GetUtcNow()).AddDays(days).ToString("yyyy-MM-dd");

    private object Marked(int goodFor = 30) => new
    {
        title = "头颅CT", itemCode = "CT-HEAD", laboratory = "前阳镇影像室", recognised = true, mark = "全国HR",
        examinedOn = Day(-10), qualityUntil = Day(goodFor), reference = "urn:ct:1",
    };

    private static object Again(string? reason = null, string? text = null, string item = "CT-HEAD") => new
    {
        title = "头颅CT复查", itemCode = item, laboratory = "丹东影像科", recognised = false, reference = "urn:ct:2", repeatReason = reason, repeatText = text,
    };

    private async Task<A> WithMark(int goodFor = 30, Action<JsonObject>? change = null)
    {
        var referral = await A.Submitted(host, change);
        (await referral.Tries("attach", Marked(goodFor), by: referral.Sender)).StatusCode.Should().Be(HttpStatusCode.OK);
        return referral;
    }

    [Fact]
    public async Task The_same_examination_again_is_refused_without_a_reason_and_names_what_is_on_file()
    {
        var referral = await WithMark();
        var problem = await referral.IsRefused("attach", HttpStatusCode.UnprocessableEntity, "recognised-result-on-file", Again());
        problem.GetProperty("onFile").GetProperty("laboratory").GetString().Should().Be("前阳镇影像室");
        problem.GetProperty("allowed").EnumerateArray().Select(r => r.GetString()).Should().Contain("BEFORE_PROCEDURE");
        problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/repeatReason");
    }

    [Fact]
    public async Task With_a_reason_it_is_kept_and_counted_by_its_event()
    {
        var referral = await WithMark();
        await referral.Does("attach", Again("CONDITION_CHANGED"));
        var rows = await host.Database.Query<(string? Reason, string Detail)>(
            "select reason, detail::text from history where referral_id = @Id and event = 'attachment-added' order by version", new { referral.Id });
        rows[1].Reason.Should().Be("CONDITION_CHANGED");
        (await Listed(referral))[1].GetProperty("repeatReason").GetString().Should().Be("CONDITION_CHANGED");
    }

    [Theory]
    [InlineData("NOT_A_CODE", null, "/repeatReason")]
    [InlineData("OTHER", null, "/repeatText")]
    public async Task The_reason_is_of_the_list_and_explained_where_the_list_says_so(string reason, string? text, string pointer)
    {
        var referral = await WithMark();
        var problem = await referral.IsRefused("attach", HttpStatusCode.UnprocessableEntity, null, Again(reason, text));
        problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
    }

    [Fact]
    public async Task Another_examination_or_one_whose_mark_has_run_out_repeats_nothing()
    {
        await (await WithMark()).Does("attach", Again(item: "CT-CHEST"));
        var referral = await WithMark(goodFor: -1);
        await referral.Does("attach", Again());
        (await Listed(referral)).Count(r => r.TryGetProperty("repeatReason", out _)).Should().Be(0);
    }

    [Fact]
    public async Task Whoever_made_the_result_may_follow_it_up()
    {
        var referral = await WithMark();
        (await referral.Tries("attach", Marked(), by: referral.Sender)).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_result_of_the_same_person_in_another_referral_counts_as_well()
    {
        var name = NewName();
        await WithMark(change: Person(name, "I63.900"));
        var second = await A.Submitted(host, Person(name, "S06.000"));
        await second.IsRefused("attach", HttpStatusCode.UnprocessableEntity, "recognised-result-on-file", Again());
        await (await A.Submitted(host, Person(name + "0", "S06.000"))).Does("attach", Again());
    }

    [Fact]
    public async Task Of_a_sensitive_illness_it_is_named_to_its_own_parties_alone()
    {
        var name = NewName();
        await WithMark(change: Person(name, "A15.000"));
        await (await A.Submitted(host, Person(name, "S06.000"), receiver: ReferralHost.County)).Does("attach", Again());
        await (await A.Submitted(host, Person(name, "S07.000"))).IsRefused("attach", HttpStatusCode.UnprocessableEntity, "recognised-result-on-file", Again());
    }

    [Fact]
    public async Task What_was_never_submitted_and_what_is_the_sandbox_s_repeats_nothing()
    {
        var (drafted, tried) = (NewName(), NewName());
        var draft = await A.Drafted(host, Person(drafted, "I63.900"));
        (await draft.Tries("attach", Marked(), by: draft.Sender)).StatusCode.Should().Be(HttpStatusCode.OK);
        await (await A.Submitted(host, Person(drafted, "S06.000"))).Does("attach", Again());
        var other = await WithMark(change: Person(tried, "I63.900"));
        await host.Database.Execute("update referral set synthetic = not synthetic where id = @Id", new { other.Id });
        await (await A.Submitted(host, Person(tried, "S06.000"))).Does("attach", Again());
    }

    private static string NewName() => "P" + Random.Shared.Next(1_000_000, 9_999_999);

    private static Action<JsonObject> Person(string name, string diagnosis) => s =>
    {
        s["patient"] = new JsonObject { ["name"] = name, ["sex"] = "1", ["birthDate"] = "1949-12-31", ["idType"] = "Passport", ["idNo"] = "E" + name };
        s["diagnosis"] = new JsonObject { ["code"] = diagnosis };
        s.Remove("indications");
    };

    [Theory]
    [InlineData(-11, "qualityUntil", "/qualityUntil")]
    [InlineData(1, "examinedOn", "/examinedOn")]
    public async Task A_mark_that_had_run_out_and_an_examination_of_tomorrow_are_refused(int days, string member, string pointer)
    {
        var referral = await A.Submitted(host);
        var body = JsonSerializer.SerializeToNode(Marked())!.AsObject();
        body[member] = Day(days);
        var problem = await referral.IsRefused("attach", HttpStatusCode.UnprocessableEntity, "rule-broken", body);
        problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
    }

    [Fact]
    public async Task A_mark_without_item_laboratory_or_expiry_is_no_mark()
    {
        var referral = await A.Submitted(host);
        var problem = await referral.IsRefused("attach", HttpStatusCode.BadRequest, null, new { title = "CT", recognised = true, reference = "urn:x" });
        problem.GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("pointer").GetString()).Should().BeEquivalentTo("/itemCode", "/laboratory", "/qualityUntil");
    }

    private async Task<IReadOnlyList<JsonElement>> Listed(A referral) =>
        [.. (await host.As(referral.Sender).GetAsync($"/v1/referrals/{referral.Id}/attachments").Json()).GetProperty("items").EnumerateArray()];
}
