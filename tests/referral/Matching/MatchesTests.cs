using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using Referrals.Contracts;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Matching;

/// <summary>Matching through the front door: asked, heard from scheduling, chosen and kept with the referral.</summary>
[Collection("referral")]
public sealed class MatchesTests(ReferralHost host)
{
    private DateOnly Today => ChinaTime.DayOf(host.Clock.GetUtcNow());

    [Fact]
    public async Task A_diagnosis_alone_finds_the_department_and_every_candidate_says_why_in_Chinese()
    {
        var matches = await Find(new { diagnosis = "I63.900" });
        matches.GetProperty("departments")[0].GetString().Should().Be("03.03");
        var candidates = matches.GetProperty("candidates").EnumerateArray().ToArray();
        candidates.Should().HaveCount(2).And.OnlyContain(c => c.GetProperty("reasons").GetArrayLength() >= 4);
        candidates[0].GetProperty("sentence").GetString().Should().Contain("专科对口").And.EndWith("。");
        candidates[0].GetProperty("clinician").GetProperty("name").GetString().Should().NotBeNullOrEmpty();
        (await Find(new { diagnosis = "I63.900" })).GetProperty("candidates").GetRawText().Should().Be(matches.GetProperty("candidates").GetRawText());
    }

    [Fact]
    public async Task What_scheduling_says_is_free_decides_and_late_or_repeated_news_changes_nothing()
    {
        // a department that no other test speaks of
        var (department, now) = ("10", host.Clock.GetUtcNow());
        await Says(ReferralHost.County, department, now, Guid.NewGuid(), (2, 3), (5, 1));
        var id = Guid.NewGuid();
        await Says(ReferralHost.Tertiary, department, now.AddSeconds(2), id, (9, 1));
        await Eventually.Is(async () => await Waits(department) == (2, 9), "both are known");

        // overtaken, and repeated with other content under the same id
        await Says(ReferralHost.Tertiary, department, now.AddSeconds(1), Guid.NewGuid(), (0, 7));
        await Says(ReferralHost.Tertiary, department, now.AddSeconds(3), id, (1, 7));
        await Says(ReferralHost.County, department, now.AddSeconds(4), Guid.NewGuid());
        await Eventually.Is(async () => await Waits(department) == (null, 9), "the county hospital is full");
        var ranked = (await Find(new { department })).GetProperty("candidates").EnumerateArray().ToArray();
        var county = ranked.Single(c => c.GetProperty("institution").GetProperty("code").GetString() == ReferralHost.County);
        county.GetProperty("reasons").EnumerateArray().Select(r => r.GetProperty("code").GetString()).Should().Contain("FULL");
        (await host.Database.Query<int>("select count(*)::int from inbox where consumer = 'referral-capacity-events' and message_id = @id", new { id })).Should().Equal(1);
    }

    [Fact]
    public async Task A_contract_brings_its_hospital_forward_and_the_number_is_kept_nowhere()
    {
        // ct-001 names the tertiary hospital
        var without = await Find(new { department = "03.04" });
        var with = await Find(new { department = "03.04", patient = new { idNo = "210699195803141111" } });
        Codes(with, ReferralHost.Tertiary).Should().Contain("CONTRACT_PARTNER");
        Codes(without, ReferralHost.Tertiary).Should().NotContain("CONTRACT_PARTNER");
        Score(with, ReferralHost.Tertiary).Should().Be(Score(without, ReferralHost.Tertiary) + 30);
    }

    [Fact]
    public async Task The_chosen_candidate_and_its_place_stay_with_the_referral()
    {
        var matches = await Find(new { diagnosis = "I10.x00", indications = new[] { "HTN_UP_STROKE_SIGNS" } });
        var first = matches.GetProperty("candidates")[0].GetProperty("institution").GetProperty("code").GetString()!;
        var referral = await A.Submitted(host, Chosen(matches, first), first);
        var kept = await Kept(referral.Id);
        kept.GetProperty("rank").GetInt32().Should().Be(1);
        (await Flags(referral.Id)).Should().NotContain("MATCH_OVERRIDDEN");
    }

    [Fact]
    public async Task Another_than_the_first_needs_a_reason_and_is_counted()
    {
        var matches = await Find(new { diagnosis = "I10.x00", indications = new[] { "HTN_UP_STROKE_SIGNS" } });
        var second = matches.GetProperty("candidates")[1].GetProperty("institution").GetProperty("code").GetString()!;
        var refused = await host.As(ReferralHost.Township).Command("/v1/referrals?submit=true", A.UpwardSlip(second, Chosen(matches, second)));
        refused.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        var problem = await refused.Json();
        problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/match/reason");
        problem.GetProperty("allowed").EnumerateArray().Select(r => r.GetString()).Should().Contain("PATIENT_CHOICE");

        var referral = await A.Submitted(host, Chosen(matches, second, "PATIENT_CHOICE"), second);
        var kept = await Kept(referral.Id);
        (kept.GetProperty("rank").GetInt32(), kept.GetProperty("reason").GetString()).Should().Be((2, "PATIENT_CHOICE"));
        (await Flags(referral.Id)).Should().Contain("MATCH_OVERRIDDEN");
    }

    [Fact]
    public async Task An_offer_that_was_tampered_with_of_somebody_else_or_too_old_is_refused()
    {
        var matches = await Find(new { department = "03.03" });
        var (first, offer) = (matches.GetProperty("candidates")[0].GetProperty("institution").GetProperty("code").GetString()!, matches.GetProperty("offer").GetString()!);
        async Task Refused(string sender, string text)
        {
            var slip = A.UpwardSlip(first, s => s["match"] = new JsonObject { ["offer"] = text });
            slip["referrer"] = new JsonObject { ["doctor"] = "dr-0116" };
            var answer = await host.As(sender).Command("/v1/referrals", slip);
            answer.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
            (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/match/offer");
        }
        await Refused(ReferralHost.Township, (offer[0] == 'A' ? 'B' : 'A') + offer[1..]);
        await Refused(ReferralHost.Township, "nonsense");
        await Refused(ReferralHost.OtherTownship, offer);
    }

    [Fact]
    public async Task A_draft_is_matched_by_what_it_says_and_the_reading_is_audited()
    {
        var draft = await A.Drafted(host);
        var matches = await (await host.As(draft.Sender).Command($"/v1/referrals/{draft.Id}/match", new { limit = 1 })).Json();
        matches.GetProperty("departments")[0].GetString().Should().Be("03.03", "the slip's indication says so");
        matches.GetProperty("candidates").GetArrayLength().Should().Be(1);
        matches.GetProperty("count").GetInt32().Should().BeGreaterThan(1);
        (await host.Database.Query<string>("select verdict from audit where referral_id = @Id and action = 'match'", new { draft.Id })).Should().Equal("allowed");
        var receiver = await host.As(ReferralHost.Tertiary).Command($"/v1/referrals/{draft.Id}/match", new { });
        receiver.StatusCode.Should().Be(HttpStatusCode.NotFound, "a draft is the sender's alone");
    }

    [Fact]
    public async Task Whoever_had_it_is_not_offered_again()
    {
        var referral = await A.Submitted(host);
        var matches = await (await host.As(ReferralHost.Tertiary).Command($"/v1/referrals/{referral.Id}/match", new { })).Json();
        matches.GetProperty("candidates").EnumerateArray().Select(c => c.GetProperty("institution").GetProperty("code").GetString())
            .Should().Contain(ReferralHost.County).And.NotContain(ReferralHost.Tertiary);
    }

    [Fact]
    public async Task The_way_back_leads_to_who_sent_the_patient()
    {
        var child = await (await A.Treated(host)).Returned();
        var matches = await (await host.As(ReferralHost.Tertiary).Command($"/v1/referrals/{child.Id}/match", new { limit = 3 })).Json();
        // who had it is left out: the other places of the town's alliance follow
        matches.GetProperty("candidates").EnumerateArray().Should().OnlyContain(c => c.GetProperty("level").GetString() != "TertiaryHospital");
        var asked = await Find(new { kind = "RehabReturn", patientClass = "Rehab", diagnosis = "I63.900", limit = 50 }, ReferralHost.Tertiary);
        Codes(asked, ReferralHost.Township).Should().Contain("REHAB_JOINT_WARD").And.Contain("SERVICE_FITS");
    }

    [Theory]
    [InlineData("{}", 422, "/department")]
    [InlineData("""{"diagnosis":"Q00.000"}""", 422, "/department")]
    [InlineData("""{"department":"03.03","limit":0}""", 400, "/limit")]
    [InlineData("""{"department":"03.03","limit":51}""", 400, "/limit")]
    [InlineData("""{"department":"0"}""", 400, "/department")]
    [InlineData("""{"department":"03.03","patient":{}}""", 400, "/patient/idNo")]
    [InlineData("""{"department":"03.03","greenChannel":"Stroke"}""", 400, "/greenChannel")]
    [InlineData("""{"department":"03.03","indications":["NO_SUCH"]}""", 422, "/indications/0")]
    public async Task A_question_that_makes_no_sense_is_refused_by_pointer(string body, int status, string pointer)
    {
        var answer = await host.As(ReferralHost.Township).PostAsync("/v1/matches", new StringContent(body, System.Text.Encoding.UTF8, "application/json"));
        ((int)answer.StatusCode).Should().Be(status);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
    }

    private static Action<JsonObject> Chosen(JsonElement matches, string institution, string? reason = null) => slip =>
    {
        slip["to"] = new JsonObject { ["institution"] = institution, ["department"] = "03.03" };
        slip["match"] = new JsonObject { ["offer"] = matches.GetProperty("offer").GetString(), ["reason"] = reason };
    };

    private async Task<JsonElement> Find(object question, string by = ReferralHost.Township)
    {
        var answer = await host.As(by).Command("/v1/matches", question);
        answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        return await answer.Json();
    }

    private Task Says(string institution, string department, DateTimeOffset at, Guid id, params (int InDays, int Count)[] free) =>
        host.SchedulingSays(SchedulingEvents.CapacityChanged, new()
        {
            Institution = institution, Department = department, Resource = "Slot", Free = [.. free.Select(f => new FreePlaces(Today.AddDays(f.InDays), f.Count))],
        }, id, at);

    private async Task<(int? County, int? Tertiary)> Waits(string department)
    {
        var found = (await Find(new { department })).GetProperty("candidates").EnumerateArray().ToDictionary(
            c => c.GetProperty("institution").GetProperty("code").GetString()!, c => c.TryGetProperty("waitingDays", out var days) ? days.GetInt32() : (int?)null);
        return (found[ReferralHost.County], found[ReferralHost.Tertiary]);
    }

    private static JsonElement Of(JsonElement matches, string institution) =>
        matches.GetProperty("candidates").EnumerateArray().First(c => c.GetProperty("institution").GetProperty("code").GetString() == institution);

    private static IEnumerable<string> Codes(JsonElement matches, string institution) =>
        Of(matches, institution).GetProperty("reasons").EnumerateArray().Select(r => r.GetProperty("code").GetString()!);

    private static int Score(JsonElement matches, string institution) => Of(matches, institution).GetProperty("score").GetInt32();

    private async Task<JsonElement> Kept(Guid id) => JsonDocument.Parse((await host.Database.Query<string>(
        "select detail::text from history where referral_id = @id and event = 'submitted'", new { id })).Single()).RootElement.GetProperty("match").Clone();

    private async Task<string[]> Flags(Guid id) => (await host.Database.Query<string[]>("select flags from referral where id = @id", new { id })).Single();
}
