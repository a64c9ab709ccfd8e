using System.Net;
using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Accountability;
using ReferralService.Indicators;
using ReferralService.Tests.Indicators;
using TestKit;
using Xunit;

namespace ReferralService.Tests;

/// <summary>Who refused, who kept silent, who was held over, who complained, and what is entered for good.</summary>
public sealed class AccountabilityTests(ReferralHost host) : IClassFixture<ReferralHost>
{
    private HttpClient Head => host.As(ReferralHost.Tertiary, "Head", "head-1");
    private HttpClient Clinic => host.As(ReferralHost.Township);
    private HttpClient OtherOffice => host.As(ReferralHost.OtherTownship, "AllianceOffice", "office-2");
    private HttpClient Office => host.As(ReferralHost.County, "AllianceOffice", "office-1");

    [Fact]
    public async Task A_refusal_stands_under_the_hospital_and_under_the_clinician_who_refused()
    {
        await Counted();
        var before = await Row("", null);
        var plain = await A.Submitted(host);
        await plain.Tries("decline", new { reason = "NO_CAPACITY" }, subject: "dr-refuses", ifMatch: "*");
        var suspect = await A.Submitted(host);
        await suspect.Tries("claim", subject: "dr-holds", ifMatch: "*");
        await suspect.Tries("decline", new { reason = "OTHER", text = "x" }, subject: "dr-refuses", ifMatch: "*");
        await Counted();

        var after = await Row("", null);
        (after.Declined - before.Declined).Should().Be(2);
        (after.Suspected - before.Suspected).Should().Be(1);
        var clinician = await Row("&by=clinician", "dr-refuses");
        clinician.Declined.Should().Be(2, "who refused answers for it, not who held it before");
        clinician.Suspected.Should().Be(1);

        var listed = await Head.GetAsync("/v1/accountability/suspected-refusals?limit=100").Json();
        listed.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("referralNo").GetString())
            .Should().Contain(suspect.No).And.NotContain(plain.No);
    }

    [Fact]
    public async Task Nobody_who_answers_is_a_silence_and_at_last_a_suspected_refusal()
    {
        await Counted();
        var before = await Row("", null);
        var referral = await A.Submitted(host);
        await host.Pass(TimeSpan.FromHours(49));
        (await referral.Look()).GetProperty("state").GetString().Should().Be("Expired");
        await Counted();
        var after = await Row("", null);
        (after.Expired - before.Expired).Should().BeGreaterThanOrEqualTo(1);
        (after.Silent - before.Silent).Should().BeGreaterThanOrEqualTo(1);
        (after.Suspected - before.Suspected).Should().BeGreaterThanOrEqualTo(1);
    }

    [Fact]
    public async Task By_clinician_is_for_those_who_answer_for_them()
    {
        (await host.As(ReferralHost.Tertiary).GetAsync("/v1/accountability/refusals?by=clinician")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await host.As(ReferralHost.Stranger, "Regulator").GetAsync("/v1/accountability/refusals?alliance=al-county&by=clinician")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await host.As(ReferralHost.Stranger, "Regulator").GetAsync("/v1/accountability/refusals?alliance=al-county")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await host.As(ReferralHost.Stranger, "Regulator").GetAsync("/v1/accountability/suspected-refusals?alliance=al-county")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await host.As(ReferralHost.Stranger, "Regulator").GetAsync("/v1/accountability/hold-overs?alliance=al-county")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await Head.GetAsync($"/v1/accountability/refusals?institution={ReferralHost.County}&by=clinician")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await Office.GetAsync("/v1/accountability/refusals?alliance=al-county&by=clinician")).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Suspected_refusals_come_in_pages_without_a_gap_or_a_repetition()
    {
        for (var i = 0; i < 5; i++)
            await (await A.Submitted(host)).Does("decline", new { reason = "OTHER", text = "x" });
        await Counted();
        var all = (await Head.GetAsync("/v1/accountability/suspected-refusals?limit=100").Json()).GetProperty("items").GetArrayLength();
        var seen = new List<string>();
        for (string? next = ""; next is not null;)
        {
            var page = await Head.GetAsync($"/v1/accountability/suspected-refusals?limit=2{(next.Length > 0 ? "&cursor=" + next : "")}").Json();
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("referralNo").GetString()! + i.GetProperty("leg")));
            next = page.TryGetProperty("next", out var more) ? more.GetString() : null;
        }
        seen.Should().HaveCount(all).And.OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task Who_could_go_down_and_is_not_sent_is_held_over_until_sent()
    {
        var referral = await A.Treated(host);
        await Counted();
        (await HeldOver()).Should().NotContain(referral.No, "the day is not over");
        await host.Pass(TimeSpan.FromHours(25));
        await Counted();
        (await HeldOver()).Should().Contain(referral.No);
        (await HeldOver(ReferralHost.Township)).Should().Contain(referral.No, "the clinic that waits for its patient sees it too");
        var gap = (await Head.GetAsync("/v1/accountability/down-gap?side=received").Json()).GetProperty("items").EnumerateArray().Single();
        gap.GetProperty("hospital").GetString().Should().Be(ReferralHost.Tertiary);
        gap.GetProperty("heldOver").GetInt64().Should().BeGreaterThanOrEqualTo(1);

        await referral.Returned();
        await Counted();
        (await HeldOver()).Should().NotContain(referral.No);
        var csv = await (await Head.GetAsync("/v1/accountability/down-gap?format=csv")).Content.ReadAsStringAsync();
        csv.Should().Contain("hospital,eligible,sentBack").And.Contain(ReferralHost.Tertiary);
    }

    [Fact]
    public async Task Who_arrives_below_is_entered_once_and_an_error_is_a_second_entry()
    {
        var child = await A.ReturnedAndArrived(host);
        await Counted();
        await Counted();
        (await Entries(child.No)).Should().Equal("Counted");
        await child.Does("mark-in-error");
        await Counted();
        await host.Database.Execute("update measure_progress set counted_to = 0");
        await Counted();
        (await Entries(child.No)).Should().Equal("Counted", "Reversed");

        var listed = (await Head.GetAsync("/v1/accountability/down-ledger?side=sent&limit=1000").Json()).GetProperty("items").EnumerateArray().ToArray();
        listed.Select(e => e.GetProperty("referralNo").GetString()).Should().Contain(child.No);
        (await host.As(ReferralHost.Stranger, "Head").GetAsync("/v1/accountability/down-ledger").Json()).GetProperty("items").GetArrayLength().Should().Be(0);
    }

    [Fact]
    public async Task The_ledger_is_a_chain_that_its_seals_prove()
    {
        await A.ReturnedAndArrived(host);
        await Counted();
        var entries = await host.Database.Query<LedgerEntry>("select * from down_ledger order by entry");
        var seal = LedgerEntry.Beginning;
        foreach (var (entry, n) in entries.Select((e, i) => (e, i + 1)))
        {
            entry.Entry.Should().Be(n, "no number is left out");
            (seal = entry.SealAfter(seal)).Should().Be(entry.Seal);
        }
        (entries[0] with { InAlliance = !entries[0].InAlliance }).SealAfter(LedgerEntry.Beginning).Should().NotBe(entries[0].Seal);
        await using var app = new Npgsql.NpgsqlConnection(host.Database.App);
        await app.OpenAsync();
        foreach (var change in new[] { "update down_ledger set in_alliance = true", "delete from down_ledger", "truncate down_ledger", "delete from complaint_step", "update complaint_step set verb = 'x'" })
        {
            await using var command = new Npgsql.NpgsqlCommand(change, app);
            (await command.Invoking(c => c.ExecuteNonQueryAsync()).Should().ThrowAsync<Npgsql.PostgresException>()).Which.SqlState.Should().Be("42501", "{0} is not granted", change);
        }
    }

    [Fact]
    public async Task A_complaint_is_filed_answered_escalated_and_decided()
    {
        var referral = await A.Submitted(host);
        var no = await Filed(referral);
        (await Answer(Clinic, no, "answer")).Should().Be(HttpStatusCode.Forbidden, "the complainant does not answer for the accused");
        (await Answer(host.As(ReferralHost.Tertiary), no, "answer")).Should().Be(HttpStatusCode.Forbidden, "its head or referral office answers");
        (await Answer(Clinic, no, "escalate")).Should().Be(HttpStatusCode.Conflict, "the five days are not over");
        (await Answer(Head, no, "answer")).Should().Be(HttpStatusCode.OK);
        (await Answer(Head, no, "answer")).Should().Be(HttpStatusCode.Conflict, "it is answered");
        (await Answer(Office, no, "decide", new { decision = "Upheld", text = "x" })).Should().Be(HttpStatusCode.Conflict, "nobody asked the office yet");
        (await Answer(Clinic, no, "escalate")).Should().Be(HttpStatusCode.OK);
        (await Answer(Office, no, "decide", new { decision = "Upheld", text = "属推诿" })).Should().Be(HttpStatusCode.OK);
        (await Answer(Clinic, no, "withdraw")).Should().Be(HttpStatusCode.Conflict, "what is decided stays decided");

        var told = (await Clinic.GetAsync($"/v1/referrals/{referral.Id}/complaints").Json()).GetProperty("items")[0];
        told.GetProperty("decision").GetString().Should().Be("Upheld");
        told.GetProperty("steps").EnumerateArray().Select(s => s.GetProperty("verb").GetString()).Should().Equal("file", "answer", "escalate", "decide");
        told.GetProperty("steps")[3].GetProperty("text").GetString().Should().Be("属推诿");

        await Counted();
        var report = await Head.GetAsync("/v1/accountability/refusals").Json();
        report.GetProperty("complaints").EnumerateArray().Single().GetProperty("upheld").GetInt64().Should().BeGreaterThanOrEqualTo(1);
    }

    [Fact]
    public async Task A_complaint_that_nobody_answers_is_overdue_and_may_be_escalated()
    {
        var no = await Filed(await A.Submitted(host));
        (await Overdue()).Should().NotContain(no);
        host.Clock.Advance(TimeSpan.FromDays(5) + TimeSpan.FromSeconds(1));
        (await Overdue()).Should().Contain(no);
        (await Answer(Clinic, no, "escalate")).Should().Be(HttpStatusCode.OK);
        (await Overdue()).Should().NotContain(no, "now the office has ten days");
    }

    [Fact]
    public async Task No_office_judges_its_own_house()
    {
        var no = await Filed(await A.Submitted(host, receiver: ReferralHost.County), ReferralHost.County);
        host.Clock.Advance(TimeSpan.FromDays(6));
        (await Answer(Clinic, no, "escalate")).Should().Be(HttpStatusCode.OK);
        (await Answer(Office, no, "decide", new { decision = "Rejected", text = "x" })).Should().Be(HttpStatusCode.Forbidden);
        (await Answer(OtherOffice, no, "decide", new { decision = "Upheld", text = "x" })).Should().Be(HttpStatusCode.OK, "another office does");
    }

    [Fact]
    public async Task No_office_is_complainant_and_judge()
    {
        var acting = host.As(ReferralHost.County, "AllianceOffice", "office-1", onBehalfOf: ReferralHost.Township);
        var (spoken, theirs) = (await Filed(await A.Submitted(host), by: acting), await Filed(await A.Submitted(host)));
        host.Clock.Advance(TimeSpan.FromDays(6));
        (await Answer(acting, spoken, "escalate")).Should().Be(HttpStatusCode.OK);
        (await Answer(Clinic, theirs, "escalate")).Should().Be(HttpStatusCode.OK);
        (await Answer(Office, spoken, "decide", new { decision = "Upheld", text = "x" })).Should().Be(HttpStatusCode.Forbidden, "it spoke for the complainant");
        (await Answer(acting, theirs, "decide", new { decision = "Upheld", text = "x" })).Should().Be(HttpStatusCode.Forbidden, "it comes in the complainant's name");
        (await Answer(Office, theirs, "decide", new { decision = "Upheld", text = "x" })).Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Complaints_are_for_the_two_sides_and_the_office()
    {
        var referral = await A.Submitted(host);
        var no = await Filed(referral);
        foreach (var step in new[] { "answer", "close", "escalate", "withdraw" })
            (await Answer(host.As(ReferralHost.Stranger, "Head"), no, step)).Should().Be(HttpStatusCode.NotFound);
        (await host.As(ReferralHost.Stranger, "Head").GetAsync("/v1/complaints").Json()).GetProperty("items").GetArrayLength().Should().Be(0);
        (await Office.GetAsync("/v1/complaints?limit=100").Json()).GetRawText().Should().Contain(no);
        (await Head.GetAsync("/v1/complaints?limit=100").Json()).GetRawText().Should().Contain(no);
        (await host.As(ReferralHost.Tertiary, "Insurer").GetAsync("/v1/complaints")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await Clinic.Command($"/v1/referrals/{referral.Id}/complaints", new { about = "Delay", against = ReferralHost.Township, text = "x" }))
            .StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity, "nobody complains of oneself");
        (await Clinic.Command($"/v1/referrals/{referral.Id}/complaints", new { about = "Delay", against = ReferralHost.Stranger, text = "x" }))
            .StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity, "whoever never had it cannot have failed it");
    }

    [Fact]
    public async Task The_same_complaint_sent_twice_is_one_and_its_words_are_sealed()
    {
        var referral = await A.Submitted(host);
        var body = new { about = "Attitude", against = ReferralHost.Tertiary, text = "秘密投诉内容" };
        var key = Guid.NewGuid().ToString();
        var path = $"/v1/referrals/{referral.Id}/complaints";
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Clinic.Command(path, body, key: key)));
        answers.Should().OnlyContain(a => a.StatusCode == HttpStatusCode.Created);
        (await Task.WhenAll(answers.Select(a => a.Json()))).Select(a => a.GetProperty("no").GetString()).Distinct().Should().ContainSingle();
        (await Clinic.Command(path, body with { text = "anders" }, key: key)).StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await host.Database.Query<byte[]>("select words from complaint_step s join complaint c using (no) where c.referral_id = @Id", new { referral.Id })).Single()
            .AsSpan().IndexOf("秘密"u8).Should().Be(-1);
    }

    [Fact]
    public async Task Of_two_who_take_a_step_at_once_one_comes_too_late()
    {
        var no = await Filed(await A.Submitted(host));
        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Head.Command($"/v1/complaints/{no}/answer", new { text = "x" }, "\"1\"")));
        answers.Count(a => a.StatusCode == HttpStatusCode.OK).Should().Be(1);
        answers.Count(a => a.StatusCode == HttpStatusCode.PreconditionFailed).Should().Be(3);
    }

    private async Task<string> Filed(A referral, string against = ReferralHost.Tertiary, HttpClient? by = null)
    {
        var filed = await (by ?? Clinic).Command($"/v1/referrals/{referral.Id}/complaints", new { about = "Refusal", against, text = "无人应答" });
        var body = await filed.Json();
        filed.StatusCode.Should().Be(HttpStatusCode.Created, body.GetRawText());
        return body.GetProperty("no").GetString()!;
    }

    private static async Task<HttpStatusCode> Answer(HttpClient who, string no, string step, object? body = null) =>
        (await who.Command($"/v1/complaints/{no}/{step}", body ?? new { text = "x" }, "*")).StatusCode;

    private async Task<string> Overdue() => (await Clinic.GetAsync("/v1/complaints?overdue=true&limit=100").Json()).GetRawText();

    private async Task<string[]> HeldOver(string institution = ReferralHost.Tertiary) =>
        [.. (await host.As(institution, "Head").GetAsync("/v1/accountability/hold-overs").Json()).GetProperty("items").EnumerateArray().Select(i => i.GetProperty("referralNo").GetString()!)];

    private Task<IReadOnlyList<string>> Entries(string referralNo) =>
        host.Database.Query<string>("select kind from down_ledger where referral_no = @referralNo order by entry", new { referralNo });

    private async Task<(long Declined, long Suspected, long Expired, long Silent)> Row(string query, string? clinician)
    {
        var report = await Head.GetAsync("/v1/accountability/refusals?side=received" + query).Json();
        var row = report.GetProperty("items").EnumerateArray().FirstOrDefault(r => clinician is null || r.TryGetProperty("clinician", out var c) && c.GetString() == clinician);
        return row.ValueKind == JsonValueKind.Undefined ? default
            : (row.GetProperty("declined").GetInt64(), row.GetProperty("suspected").GetInt64(), row.GetProperty("expired").GetInt64(), row.GetProperty("silent").GetInt64());
    }

    // what is due by now, e.g. of the test before, has happened and is counted
    private async Task Counted()
    {
        await host.Pass(TimeSpan.Zero);
        await host.Services.GetRequiredService<MeasureReferrals>().Counted(0);
    }
}
