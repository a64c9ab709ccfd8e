using System.Net;
using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Alliances;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Privacy;

/// <summary>Somebody who is no party opens a referral: with a reason, for some hours, and its owners hear of it.</summary>
[Collection("referral")]
public sealed class BreakGlassTests(ReferralHost host)
{
    private const string Why = "患者昏迷送至我院急诊，需了解既往传染病史";
    private static readonly object Emergency = new { reason = "EmergencyCare", text = Why };
    private static int _doctor;

    // each test has a doctor of its own: the limit counts a person's
    private static string NewDoctor() => $"dr-glass-{Interlocked.Increment(ref _doctor)}";

    private Task<HttpResponseMessage> Break(string idOrNo, string subject, string institution = ReferralHost.County, string role = "Clinician", object? body = null, string? key = null, string? department = null) =>
        host.As(institution, role, subject, department).Command($"/v1/referrals/{idOrNo}/break-glass", body ?? Emergency, key: key);

    private Task<HttpResponseMessage> Look(A referral, string subject, string institution = ReferralHost.County, string? department = null) =>
        host.As(institution, subject: subject, department: department).GetAsync($"/v1/referrals/{referral.Id}");

    private async Task<JsonElement[]> Report(string institution, string role, string subject = "head-1") =>
        [.. (await host.As(institution, role, subject).GetAsync("/v1/broken-glass?limit=100").Json()).GetProperty("items").EnumerateArray()];

    [Fact]
    public async Task Whoever_breaks_the_glass_sees_for_four_hours_alone_and_only_looks()
    {
        var referral = await ShieldedTests.Tuberculosis(host);
        var doctor = NewDoctor();
        (await Look(referral, doctor)).StatusCode.Should().Be(HttpStatusCode.NotFound, "the county hospital shares the alliance and is no party");
        var broken = await Break(referral.No, doctor);
        broken.StatusCode.Should().Be(HttpStatusCode.Created, await broken.Content.ReadAsStringAsync());
        var seen = await Look(referral, doctor).Json();
        ShieldedTests.Shows(seen).Should().BeTrue();
        seen.GetProperty("department").GetProperty("code").GetString().Should().Be("03.03");
        (await host.As(ReferralHost.County, subject: doctor).GetAsync($"/v1/referrals/{referral.Id}/timeline")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await host.As(ReferralHost.County, subject: doctor).GetAsync($"/v1/referrals/{referral.Id}/slip")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await Look(referral, "dr-curious")).StatusCode.Should().Be(HttpStatusCode.NotFound, "it is open for one person");
        (await Look(referral, doctor, ReferralHost.Stranger)).StatusCode.Should().Be(HttpStatusCode.NotFound, "of one institution");
        (await host.As(ReferralHost.County, subject: doctor).Command($"/v1/referrals/{referral.Id}/note", new { text = "x" })).StatusCode.Should().Be(HttpStatusCode.NotFound, "to see is not to act");
        (await host.As(ReferralHost.County, subject: doctor).GetAsync("/v1/referrals?limit=100").Json()).GetRawText().Should().NotContain(referral.No, "it is on nobody's worklist");
        (await host.Database.Query<string>("select action || ' ' || purpose from audit where referral_id = @Id and subject = @doctor and verdict = 'allowed' order by id", new { referral.Id, doctor }))
            .Should().Equal("addendum BREAK_GLASS", "break-glass BREAK_GLASS", "read-patient BREAK_GLASS", "read-timeline BREAK_GLASS", "read-patient BREAK_GLASS");
        await host.Pass(TimeSpan.FromHours(4));
        (await Look(referral, doctor)).StatusCode.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task The_owners_hear_of_it_by_an_event_and_in_the_timeline()
    {
        var referral = await ShieldedTests.Tuberculosis(host);
        await Break(referral.No, NewDoctor());
        var told = (await referral.Timeline()).GetProperty("entries").EnumerateArray().Single(e => e.TryGetProperty("reason", out var r) && r.GetString() == "BREAK_GLASS");
        told.GetProperty("institution").GetProperty("code").GetString().Should().Be(ReferralHost.County);
        told.GetProperty("event").GetString().Should().Be("addendum-added");
        told.GetProperty("sequence").GetInt64().Should().BeGreaterThan(1, "partners are told: it is the next event");
    }

    [Fact]
    public async Task A_repetition_opens_once_and_tells_once()
    {
        var referral = await A.Submitted(host);
        var (doctor, key) = (NewDoctor(), Guid.NewGuid().ToString());
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Break(referral.No, doctor, key: key)));
        answers.Should().OnlyContain(a => a.StatusCode == HttpStatusCode.Created);
        answers.Count(a => a.Headers.Contains("Idempotency-Replayed")).Should().Be(5);
        (await referral.Events()).Count(e => e == "addendum-added").Should().Be(1);
        (await host.Database.Query<long>("select count(*) from opening where referral_id = @Id", new { referral.Id })).Single().Should().Be(1);
    }

    [Fact]
    public async Task The_report_shows_every_use_to_owner_and_auditor_and_to_nobody_else()
    {
        var referral = await ShieldedTests.Tuberculosis(host);
        var doctor = NewDoctor();
        await Break(referral.No, doctor);
        var line = (await Report(ReferralHost.Township, "Head")).Single(i => i.GetProperty("referralId").GetGuid() == referral.Id);
        line.GetProperty("subject").GetString().Should().Be(doctor);
        line.GetProperty("reason").GetString().Should().Be("EmergencyCare");
        line.GetProperty("text").GetString().Should().Be(Why);
        foreach (var (institution, role) in new[] { (ReferralHost.Tertiary, "Coordinator"), (ReferralHost.Township, "Auditor"), (ReferralHost.County, "Head") })
        {
            var seen = (await Report(institution, role)).Single(i => i.GetProperty("referralId").GetGuid() == referral.Id);
            seen.TryGetProperty("text", out _).Should().BeFalse("words are for the head of an owner");
        }
        (await Report(ReferralHost.OtherTownship, "Head")).Should().NotContain(i => i.GetProperty("referralId").GetGuid() == referral.Id);
        (await host.As(ReferralHost.Township).GetAsync("/v1/broken-glass")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await host.As(ReferralHost.Township, "Head").GetAsync("/v1/broken-glass?cursor=x")).StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await host.As(ReferralHost.Township, "Head").GetAsync("/v1/broken-glass?limit=0")).StatusCode.Should().Be(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task An_auditor_of_a_supervising_authority_sees_every_use_and_another_stranger_none()
    {
        var referral = await A.Submitted(host);
        await Break(referral.No, NewDoctor());
        await using var service = new ServiceHost<Program>(host.Database.App, host.RabbitMq, host.Clock, new Dictionary<string, string> { ["Audit:Authorities:0"] = ReferralHost.Stranger });
        (await service.As(Issuer.Shared.Token(ReferralHost.Stranger, "Auditor")).GetAsync("/v1/broken-glass?limit=100").Json()).GetRawText().Should().Contain(referral.No);
        (await host.As(ReferralHost.Stranger, "Auditor").GetAsync("/v1/broken-glass?limit=100").Json()).GetProperty("items").GetArrayLength().Should().Be(0);
        (await service.As(Issuer.Shared.Token(ReferralHost.Stranger, "Head")).GetAsync("/v1/broken-glass?limit=100").Json()).GetProperty("items").GetArrayLength().Should().Be(0, "authority is the auditor's alone");
    }

    [Fact]
    public async Task Pages_of_the_report_hold_every_use_once()
    {
        var referral = await A.Submitted(host);
        for (var i = 0; i < 3; i++)
            (await Break(referral.No, NewDoctor())).StatusCode.Should().Be(HttpStatusCode.Created);
        var (seen, cursor) = (new List<Guid>(), "");
        do
        {
            var page = await host.As(ReferralHost.Township, "Head").GetAsync("/v1/broken-glass?limit=2" + cursor).Json();
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("id").GetGuid()));
            cursor = page.TryGetProperty("next", out var next) ? "&cursor=" + Uri.EscapeDataString(next.GetString()!) : "";
        }
        while (cursor.Length > 0);
        seen.Should().OnlyHaveUniqueItems().And.Contain(await host.Database.Query<Guid>("select id from opening where referral_id = @Id", new { referral.Id }));
    }

    [Fact]
    public async Task The_owner_judges_it_once_and_never_whoever_did_it()
    {
        var referral = await A.Submitted(host);
        await Break(referral.No, NewDoctor());
        var id = (await host.Database.Query<Guid>("select id from opening where referral_id = @Id", new { referral.Id })).Single();
        Task<HttpResponseMessage> Judge(string institution, string role, object? body = null, string? key = null) =>
            host.As(institution, role, "head-1").Command($"/v1/broken-glass/{id}/review", body ?? new { verdict = "NotJustified", text = "无急诊记录" }, key: key);
        (await Judge(ReferralHost.OtherTownship, "Head")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await Judge(ReferralHost.County, "Head")).StatusCode.Should().Be(HttpStatusCode.Forbidden, "its people did it");
        (await Judge(ReferralHost.Township, "Clinician")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await Judge(ReferralHost.Township, "Head", new { verdict = "NotJustified" })).StatusCode.Should().Be(HttpStatusCode.BadRequest, "that needs words");
        (await Judge(ReferralHost.Township, "Head", new { verdict = "Perhaps" })).StatusCode.Should().Be(HttpStatusCode.BadRequest);
        var key = Guid.NewGuid().ToString();
        var judged = await Judge(ReferralHost.Township, "Head", key: key);
        judged.StatusCode.Should().Be(HttpStatusCode.OK, await judged.Content.ReadAsStringAsync());
        (await judged.Json()).GetProperty("review").GetProperty("verdict").GetString().Should().Be("NotJustified");
        (await Judge(ReferralHost.Township, "Head", key: key)).Headers.Contains("Idempotency-Replayed").Should().BeTrue();
        (await (await Judge(ReferralHost.Tertiary, "Head", new { verdict = "Justified" })).Json()).GetProperty("code").GetString().Should().Be("judged-before");
        (await host.As(ReferralHost.Township, "Head").GetAsync("/v1/broken-glass?open=true&limit=100").Json()).GetRawText().Should().NotContain(id.ToString());
        (await host.Database.Query<string>("select target from audit where referral_id = @Id and action = 'broken-glass.review' and verdict = 'allowed'", new { referral.Id })).Should().Equal("NotJustified");
    }

    [Fact]
    public async Task A_party_of_another_department_breaks_the_glass_and_one_that_may_look_anyway_does_not()
    {
        var referral = await ShieldedTests.Tuberculosis(host);
        var surgeon = NewDoctor();
        ShieldedTests.Shows(await Look(referral, surgeon, ReferralHost.Tertiary, "04").Json()).Should().BeFalse();
        (await Break(referral.No, surgeon, ReferralHost.Tertiary, department: "04")).StatusCode.Should().Be(HttpStatusCode.Created);
        ShieldedTests.Shows(await Look(referral, surgeon, ReferralHost.Tertiary, "04").Json()).Should().BeTrue();
        (await (await Break(referral.No, NewDoctor(), ReferralHost.Tertiary, department: "03.03")).Json()).GetProperty("code").GetString().Should().Be("nothing-to-open");
        (await (await Break(referral.No, NewDoctor(), ReferralHost.Township)).Json()).GetProperty("code").GetString().Should().Be("nothing-to-open");
    }

    [Theory]
    [InlineData("Registrar")]
    [InlineData("Coordinator")]
    [InlineData("AllianceOffice")]
    [InlineData("Machine")]
    [InlineData("Insurer")]
    [InlineData("Auditor")]
    public async Task Only_clinicians_break_the_glass(string role)
    {
        var referral = await A.Submitted(host);
        (await Break(referral.No, NewDoctor(), role: role)).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await host.Database.Query<string>("select verdict from audit where referral_id = @Id and action = 'break-glass'", new { referral.Id })).Should().Equal("denied");
    }

    [Fact]
    public async Task Nobody_breaks_the_glass_of_a_draft_or_from_outside_the_alliance_or_without_a_reason()
    {
        var draft = await A.Drafted(host);
        (await Break(draft.No, NewDoctor())).StatusCode.Should().Be(HttpStatusCode.NotFound);
        var referral = await A.Submitted(host);
        (await Break(referral.No, NewDoctor(), "12210681DEM9999999")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await Break(referral.No, NewDoctor(), body: new { reason = "EmergencyCare", text = "看一下" })).StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await Break(referral.No, NewDoctor(), body: new { text = Why })).StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await Break(Guid.NewGuid().ToString(), NewDoctor())).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await referral.Events()).Should().Equal("submitted");
    }

    [Fact]
    public async Task Ten_in_an_hour_are_ten_over_all_instances()
    {
        var token = Issuer.Shared.Token(ReferralHost.County, "Clinician", NewDoctor());
        await using var second = new ServiceHost<Program>(host.Database.App, host.RabbitMq, host.Clock);
        await second.Services.GetRequiredService<AllianceDirectory>().Refresh();
        var numbers = new List<string>();
        for (var i = 0; i < 16; i++)
            numbers.Add((await A.Submitted(host)).No);
        HttpClient[] instances = [host.WithToken(token), second.As(token)];
        var answers = await Task.WhenAll(numbers.Select((no, i) => instances[i % 2].Command($"/v1/referrals/{no}/break-glass", Emergency)));
        answers.Count(a => a.StatusCode == HttpStatusCode.Created).Should().Be(10);
        answers.Count(a => a.StatusCode == HttpStatusCode.TooManyRequests).Should().Be(6);
    }

    [Fact]
    public async Task One_person_opens_ten_in_an_hour_however_fast_they_ask()
    {
        var doctor = NewDoctor();
        var referrals = new List<A>();
        for (var i = 0; i < 12; i++)
            referrals.Add(await A.Submitted(host));
        var answers = await Task.WhenAll(referrals.Select(r => Break(r.No, doctor)));
        answers.Count(a => a.StatusCode == HttpStatusCode.Created).Should().Be(10);
        var refused = answers.Where(a => a.StatusCode != HttpStatusCode.Created).ToList();
        refused.Should().OnlyContain(a => a.StatusCode == HttpStatusCode.TooManyRequests);
        refused[0].Headers.RetryAfter!.Delta.Should().BePositive().And.BeLessThanOrEqualTo(TimeSpan.FromHours(1));
        await host.Pass(TimeSpan.FromMinutes(61));
        (await Break(referrals[11].No, doctor)).StatusCode.Should().NotBe(HttpStatusCode.TooManyRequests);
    }
}
