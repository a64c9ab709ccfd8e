using System.Net;
using System.Text.Json;
using FluentAssertions;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Alliances.Settings;
using ReferralService.Alliances.Sheets;
using ReferralService.Deadlines;
using ReferralService.Tests.Alliances;
using ReferralService.Tests.Machine;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Deadlines;

/// <summary>Ladders as data: which one holds, from when, in what time.</summary>
public sealed class TimerBookTests
{
    private static readonly DateTimeOffset Noon = InMemory.Noon;

    private static TimerSetting Set(string id, string? alliance = null, Priority? priority = null, ReferralKind? kind = null, Profile? profile = null, int from = 0) => new()
    {
        Id = id, Timer = "Triage", Alliance = alliance, Priority = priority, Kind = kind, Profile = profile, From = Noon.AddDays(from),
        Steps = [new(10, StepMeaning.Missed, ["DutyDesk"])],
    };

    [Fact]
    public void The_most_precise_setting_holds_and_of_equals_the_newest_that_has_begun()
    {
        var book = new TimerBook([
            Set("all"), Set("urgent", priority: Priority.Urgent), Set("kind", kind: ReferralKind.Examination), Set("surge", profile: Profile.SURGE),
            Set("county", "al-county"), Set("county later", "al-county", from: 3), Set("county urgent", "al-county", Priority.Urgent),
        ]);
        string? Held(string? alliance, Priority priority = Priority.Routine, ReferralKind kind = ReferralKind.OutpatientTransfer, Profile profile = Profile.PEACETIME, int day = 1) =>
            book.Find("Triage", alliance, priority, kind, profile, Noon.AddDays(day)).Id;

        Held(null).Should().Be("all");
        Held(null, Priority.Urgent).Should().Be("urgent");
        Held(null, Priority.Urgent, ReferralKind.Examination).Should().Be("kind");
        Held(null, Priority.Urgent, profile: Profile.SURGE).Should().Be("surge");
        Held("al-county").Should().Be("county");
        Held("al-county", day: 4).Should().Be("county later");
        Held("al-county", Priority.Urgent, day: 4).Should().Be("county urgent");
        Held("al-other").Should().Be("all");
        book.Find("Triage", "al-county", Priority.Routine, ReferralKind.Advice, Profile.PEACETIME, Noon.AddDays(-1)).Id.Should().BeNull("nothing was set yet: the default");
    }

    [Fact]
    public void What_does_not_name_emergencies_leaves_their_alarm_of_minutes_alone()
    {
        var slow = Set("slow") with { Steps = [new(1440, StepMeaning.Missed, ["DutyDesk"])] };
        int First(TimerBook book) => book.Find("Triage", "al-county", Priority.Emergency, ReferralKind.InpatientTransfer, Profile.PEACETIME, Noon.AddDays(1)).Steps[0].AfterMinutes;
        First(new TimerBook([slow, slow with { Id = "county", Alliance = "al-county" }])).Should().Be(15);
        First(new TimerBook([slow with { Id = "named", Priority = Priority.Emergency }])).Should().Be(1440);
        new TimerBook([slow]).Find("Triage", null, Priority.Urgent, ReferralKind.InpatientTransfer, Profile.PEACETIME, Noon.AddDays(1)).Id.Should().Be("slow", "what is set goes before a default");
    }

    [Fact]
    public void Every_timer_has_a_default_for_every_priority_and_tells_people_that_exist()
    {
        foreach (var timer in Timers.All)
            foreach (var priority in Enum.GetValues<Priority>())
                TimerBook.Defaults.Find(timer.Name, null, priority, ReferralKind.OutpatientTransfer, Profile.PEACETIME, Noon).Timer.Should().Be(timer.Name);
        TimerDefaults.All.SelectMany(s => s.Steps.SelectMany(step => step.To).Concat(s.UrgeTo)).Should().BeSubsetOf(TimerDefaults.Addressees);
    }

    [Fact]
    public void A_ladder_climbs_from_the_claimant_to_the_alliance_office_and_stays_there()
    {
        var triage = TimerBook.Defaults.Find("Triage", null, Priority.Routine, ReferralKind.OutpatientTransfer, Profile.PEACETIME, Noon);
        Enumerable.Range(0, 7).Select(level => triage.Rung(level, mayAct: true)!.To.Single()).Should()
            .Equal("Claimant", "DepartmentHead", "ReferralOffice", "DutyDesk", "AllianceOffice", "AllianceOffice", "AllianceOffice");
    }

    [Theory]
    [InlineData(0, 60, 30), InlineData(1, 60, 30), InlineData(45, 60, 7), InlineData(59, 60, 7), InlineData(10, 20, 3)]
    public void However_long_the_urges_it_acts_at_its_time_and_only_once(int step, int act, int urge)
    {
        var setting = new TimerSetting { Timer = "Triage", Steps = [new(step, StepMeaning.Missed, [])], UrgeEveryMinutes = urge, ActAfterMinutes = act };
        var ladder = new List<Step>();
        for (var level = 0; setting.Rung(level, mayAct: true) is { } rung; level++)
            ladder.Add(rung);
        ladder.Select(s => s.After).Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
        ladder.Count(s => s.Rung == Rung.Acts).Should().Be(1);
        ladder[^1].Should().Match<Step>(s => s.Rung == Rung.Acts && s.After == TimeSpan.FromMinutes(act));
        Enumerable.Range(0, 300).Select(level => setting.Rung(level, mayAct: false)).Should().NotContainNulls("where it may not act it urges for ever");
    }

    // Shanghai, 2026: national day 1 to 7 October, Saturday the 10th is worked
    private static readonly WorkingTime Office = new CalendarEntry
    {
        Weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"], Opens = "08:00", Closes = "17:00", RestFrom = "12:00", RestUntil = "13:30",
    }.With(Enumerable.Range(1, 7).Select(day => new CalendarDayEntry { Day = new(2026, 10, day), Working = false })
        .Append(new() { Day = new(2026, 10, 10), Working = true }));

    [Theory]
    [InlineData("2026-03-02T09:00", 60, "2026-03-02T10:00")]
    [InlineData("2026-03-02T11:30", 60, "2026-03-02T14:00")]
    [InlineData("2026-03-02T12:45", 30, "2026-03-02T14:00")]
    [InlineData("2026-03-02T16:30", 60, "2026-03-03T08:30")]
    [InlineData("2026-03-06T16:30", 60, "2026-03-09T08:30")]
    [InlineData("2026-03-07T10:00", 60, "2026-03-09T09:00")]
    [InlineData("2026-09-30T16:00", 120, "2026-10-08T09:00")]
    [InlineData("2026-10-09T16:30", 60, "2026-10-10T08:30")]
    [InlineData("2026-10-10T16:30", 60, "2026-10-12T08:30")]
    [InlineData("2026-03-02T02:00", 450, "2026-03-02T17:00")]
    [InlineData("2026-03-02T02:00", 451, "2026-03-03T08:01")]
    public void Minutes_of_working_time_pass_over_nights_rests_holidays_and_count_a_swapped_saturday(string from, int minutes, string due)
    {
        DateTimeOffset At(string text) => new DateTimeOffset(DateTime.Parse(text), TimeSpan.FromHours(8));
        Office.Add(At(from), TimeSpan.FromMinutes(minutes)).Should().Be(At(due));
    }

    [Fact]
    public void A_calendar_without_a_working_day_keeps_no_timer_from_ringing() =>
        new WorkingTime(new HashSet<DayOfWeek>(), new(8, 0), new(17, 0), null, new Dictionary<DateOnly, bool>())
            .Add(Noon, TimeSpan.FromHours(1)).Should().Be(Noon.AddHours(1));

    [Fact]
    public void A_member_inherits_what_it_has_not_set_and_a_surge_changes_what_is_said_for_it()
    {
        var book = new SettingBook(
            [new("al", Profile.SURGE, Noon.AddDays(10)), new("al", Profile.PEACETIME, Noon.AddDays(20))],
            [
                new("al", null, null, Noon, true, null, null), new("al", "M", null, Noon, null, false, null), new("al", null, Profile.SURGE, Noon, false, null, true),
                new("al", null, null, Noon.AddDays(5), null, null, null),
            ]);
        EffectiveSettings Of(string institution, int day) => book.Of(institution, "al", Noon.AddDays(day));
        Of("M", -1).Should().Be(EffectiveSettings.Default with { Alliance = "al" });
        Of("M", 1).Should().Be(new EffectiveSettings("al", Profile.PEACETIME, true, false, false));
        Of("N", 6).Should().Be(new EffectiveSettings("al", Profile.PEACETIME, true, true, false));
        Of("N", 11).Should().Be(new EffectiveSettings("al", Profile.SURGE, false, true, true));
        Of("N", 21).InternalReview.Should().BeTrue();
    }
}

/// <summary>Timers and settings through the front door, on a host of their own: they hold for everybody in it.</summary>
public sealed class TimerSettingTests : IAsyncLifetime
{
    private readonly ReferralHost _host = new();

    public Task InitializeAsync() => _host.InitializeAsync();

    public Task DisposeAsync() => _host.DisposeAsync();

    private HttpClient Office => _host.As(ReferralHost.County, "AllianceOffice");
    private HttpClient Operator => _host.As(ReferralHost.County, "Operator");

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

    private static object Ladder(int missed, string? alliance = null, DateTimeOffset? from = null, int? urge = null, string timer = "Triage", int? act = null) => new
    {
        timer, alliance, from, steps = new[] { new { afterMinutes = missed, does = "Missed", to = new[] { "DutyDesk" } } },
        urgeEveryMinutes = urge, urgeTo = new[] { "AllianceOffice" }, actAfterMinutes = act,
    };

    [Fact]
    public async Task A_ladder_set_by_the_alliance_holds_for_referrals_between_its_members_from_its_time_on()
    {
        var before = await A.Submitted(_host, receiver: ReferralHost.County);
        _host.Clock.Advance(TimeSpan.FromMinutes(1));
        await Is(Office.Command("/v1/timer-settings", Ladder(30, "al-county", urge: 30)), HttpStatusCode.Created);
        _host.Clock.Advance(TimeSpan.FromMinutes(1));
        var after = await A.Submitted(_host, receiver: ReferralHost.County);
        var elsewhere = await A.Submitted(_host, receiver: ReferralHost.Tertiary);

        await _host.Pass(TimeSpan.FromMinutes(31));
        (await after.Events()).Should().Equal("submitted", "deadline-missed");
        (await elsewhere.Events()).Should().Equal(["submitted"], "they share another alliance");
        (await before.Events()).Should().Equal(["submitted"], "it keeps the ladder it started with");
        await _host.Pass(TimeSpan.FromMinutes(30));
        (await after.Events()).Should().EndWith("escalated");
        var told = (await _host.Database.Query<string>("select body from outbox where body like @no union select body from outbox where false", new { no = "%" + after.No + "%" }));
        told.Should().HaveCountLessThanOrEqualTo(3, "the outbox drains");
    }

    [Fact]
    public async Task A_version_that_begins_later_changes_nothing_until_then_and_what_has_held_is_not_rewritten()
    {
        var now = _host.Clock.GetUtcNow();
        await Is(Office.Command("/v1/timer-settings", Ladder(10, "al-county", now.AddMinutes(-5))), HttpStatusCode.UnprocessableEntity, "not-yet-effective");
        await Is(Office.Command("/v1/timer-settings", Ladder(10, "al-county", now.AddHours(1))), HttpStatusCode.Created);
        await Is(Office.Command("/v1/timer-settings", Ladder(20, "al-county", now.AddHours(1))), HttpStatusCode.Conflict, "overlapping-period");
        int Missed(JsonElement list) => list.GetProperty("items").EnumerateArray().Single(t => t.GetProperty("timer").GetString() == "Triage").GetProperty("steps")[0].GetProperty("afterMinutes").GetInt32();
        Missed(await Is(Office.GetAsync("/v1/timers?alliance=al-county"), HttpStatusCode.OK)).Should().Be(120);
        Missed(await Is(Office.GetAsync("/v1/timers?alliance=al-county&at=" + Uri.EscapeDataString(now.AddHours(2).ToString("O"))), HttpStatusCode.OK)).Should().Be(10);
        (await Is(Office.GetAsync("/v1/timer-settings?alliance=al-county"), HttpStatusCode.OK)).GetProperty("items").GetArrayLength().Should().Be(1);
    }

    public static TheoryData<string, object, string> Bad => new()
    {
        { "a timer nobody knows", Ladder(10, timer: "Egg"), "/timer" },
        { "an emergency without an alarm", Ladder(600, timer: "GreenChannel", urge: 60), "/steps" },
        { "an alarm that rings once", Ladder(15, timer: "GreenChannel"), "/steps" },
        { "a timer that moves nothing", Ladder(10, timer: "Turnaround", act: 60), "/actAfterMinutes" },
        { "acting before the last step", Ladder(100, act: 60), "/actAfterMinutes" },
        { "nothing at all", new { timer = "Triage" }, "/steps" },
        { "nothing in a place", new { timer = "Triage", steps = new object?[] { null }, actAfterMinutes = 60 }, "/steps" },
        { "urging every second", Ladder(10, urge: 1), "/urgeEveryMinutes" },
        { "people nobody knows", new { timer = "Triage", steps = new[] { new { afterMinutes = 1, does = "Missed", to = new[] { "Mayor" } } } }, "/steps/0/to" },
        { "steps that go back", new { timer = "Triage", steps = new[] { new { afterMinutes = 9, does = "Warning", to = Array.Empty<string>() }, new { afterMinutes = 9, does = "Missed", to = Array.Empty<string>() } } }, "/steps/1/afterMinutes" },
    };

    [Fact]
    public async Task A_ladder_that_makes_no_sense_is_refused_and_its_member_named()
    {
        foreach (var (what, body, pointer) in Bad.Select(row => ((string)row[0], row[1], (string)row[2])))
            (await Is(Operator.Command("/v1/timer-settings", body), HttpStatusCode.BadRequest)).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer, what);
        await Is(Office.Command("/v1/timer-settings", Ladder(10)), HttpStatusCode.Forbidden, "forbidden");
        await Is(Office.Command("/v1/timer-settings", Ladder(10, "al-stroke")), HttpStatusCode.Forbidden, "forbidden");
    }

    [Fact]
    public async Task Treatment_counts_from_acceptance_where_the_alliance_says_so()
    {
        await Is(Operator.Command("/v1/timer-settings", new
        {
            timer = "Treatment", startsAt = "Accepted", steps = new[] { new { afterMinutes = 2880, does = "Missed", to = new[] { "MedicalOffice" } } },
        }), HttpStatusCode.Created);
        _host.Clock.Advance(TimeSpan.FromMinutes(1));
        var referral = await A.Accepted(_host);
        var accepted = _host.Clock.GetUtcNow();
        await _host.Pass(TimeSpan.FromHours(20));
        await referral.Does("arrive", new { identifiedBy = "IdCard" });
        referral.Last.GetProperty("nextDeadline").GetProperty("timer").GetString().Should().Be("Treatment");
        referral.Last.GetProperty("nextDeadline").GetProperty("dueAt").GetDateTimeOffset().Should().BeCloseTo(accepted.AddHours(48), TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task A_surge_has_its_own_ladders_and_ends_with_the_switch_back()
    {
        await Is(Office.Command("/v1/timer-settings", new
        {
            timer = "Triage", alliance = "al-county", profile = "SURGE", steps = new[] { new { afterMinutes = 15, does = "Missed", to = new[] { "DutyDesk" } } },
        }), HttpStatusCode.Created);
        await Is(_host.As(ReferralHost.Tertiary, "AllianceOffice").Command("/v1/alliances/al-county/profile", new { profile = "SURGE", reason = "不属本机构" }), HttpStatusCode.Forbidden);
        await Is(Office.Command("/v1/alliances/al-county/profile", new { profile = "SURGE" }), HttpStatusCode.BadRequest);
        await Is(Office.Command("/v1/alliances/al-county/profile", new { profile = "SURGE", reason = "流感大流行" }), HttpStatusCode.Created);
        _host.Clock.Advance(TimeSpan.FromMinutes(1));
        var surge = await A.Submitted(_host, receiver: ReferralHost.County);
        await Is(Office.Command("/v1/alliances/al-county/profile", new { profile = "PEACETIME", reason = "应急响应终止" }), HttpStatusCode.Created);
        _host.Clock.Advance(TimeSpan.FromMinutes(1));
        var peace = await A.Submitted(_host, receiver: ReferralHost.County);
        await _host.Pass(TimeSpan.FromMinutes(16));
        (await surge.Events()).Should().Contain("deadline-missed");
        (await peace.Events()).Should().Equal("submitted");
        (await _host.Database.Query<string>("select action from audit where action = 'switch-profile' and verdict = 'allowed'")).Should().HaveCount(2);
    }

    [Fact]
    public async Task A_timer_in_working_time_waits_for_the_morning()
    {
        await Is(Operator.Command("/v1/timer-settings", new
        {
            timer = "Triage", calendar = "office", steps = new[] { new { afterMinutes = 60, does = "Missed", to = new[] { "DepartmentHead" } } },
        }), HttpStatusCode.Created);
        // to 18:00 in Shanghai, after everybody went home
        var today = ChinaTime.DayOf(_host.Clock.GetUtcNow());
        var evening = ChinaTime.StartOf(today.AddDays(1)).AddHours(18);
        await _host.Pass(evening - _host.Clock.GetUtcNow());
        var referral = await A.Submitted(_host);
        var due = referral.Last.GetProperty("nextDeadline").GetProperty("dueAt").GetDateTimeOffset();
        referral.Last.GetProperty("nextDeadline").GetProperty("timer").GetString().Should().Be("Turnaround", "four hours around the clock come first");
        var row = (await _host.Database.Query<string>("select timers::text from referral where id = @id", new { id = referral.Id })).Single();
        var triage = JsonDocument.Parse(row).RootElement.EnumerateArray().Single(t => t.GetProperty("Timer").GetString() == "Triage").GetProperty("DueAt").GetDateTimeOffset();
        triage.Should().BeAfter(due.AddHours(5));
        triage.ToOffset(TimeSpan.FromHours(8)).TimeOfDay.Should().Be(TimeSpan.FromHours(9), "an hour after the house opens");
        await Is(Operator.Command("/v1/timer-settings", new { timer = "Triage", calendar = "none", steps = new[] { new { afterMinutes = 60, does = "Missed", to = Array.Empty<string>() } } }),
            HttpStatusCode.UnprocessableEntity, "rule-broken");
    }
}
