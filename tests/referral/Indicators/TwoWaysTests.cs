using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Alliances;
using ReferralService.Indicators;
using ReferralService.Tests.Machine;
using Xunit;
using Xunit.Abstractions;

namespace ReferralService.Tests.Indicators;

/// <summary>The indicators of the database and those of the published events are the same, to the unit.</summary>
public sealed class TwoWaysTests(ReferralHost host, ITestOutputHelper output) : IClassFixture<ReferralHost>
{
    private static readonly DateTimeOffset January = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Ten_thousand_random_referrals_count_the_same_in_SQL_and_from_their_events()
    {
        // one of their alliances counts the closed loop from the acceptance, the others from the arrival
        await host.Database.Execute("""
            insert into timer_setting (id, alliance, timer, since, ladder, written_by)
            values (gen_random_uuid(), 'al-county', 'Treatment', '2024-01-01', '{"steps":[{"afterMinutes":2880,"does":"Missed","to":["MedicalOffice"]}],"startsAt":"Accepted"}', 'test');
            update directory_version set number = number + 1;
            """);
        await host.Services.GetRequiredService<AllianceDirectory>().Refresh();
        var seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var made = await RandomReferrals.Make(host, 10_000, seed, January, TimeSpan.FromDays(300));
        await made.Store(host.Database.Super);
        await host.Services.GetRequiredService<MeasureReferrals>().Counted(made.Rows.Count);

        var directory = host.Services.GetRequiredService<AllianceDirectory>().Current;
        var settings = new IndicatorSettings();
        var events = new CountEvents(directory, settings);
        // repeated and out of order, as the wire may bring them
        var heard = made.Events.ToArray();
        foreach (var body in heard.Concat(heard.Take(1000)).OrderBy(_ => Random.Shared.Next()))
            events.Hear(body);
        var sql = host.Services.GetRequiredService<CountMeasures>();
        var refusals = host.Services.GetRequiredService<Accountability.GetRefusals>();

        foreach (var question in Questions(directory))
        {
            var (counted, _) = await sql.Run(question);
            var folded = events.Count(question);
            counted.Tallies.Select(t => t.Key).Should().Equal(folded.Tallies.Select(t => t.Key), "{0}", question);
            foreach (var (a, b) in counted.Tallies.Zip(folded.Tallies))
                Differences(a, b).Should().BeEmpty("SQL and events count {0} the same", question);
            counted.Missed.Should().Equal(folded.Missed, "{0}", question);
            foreach (var byClinician in new[] { false, true })
                (await refusals.Count(question, byClinician)).Should().Equal(events.Refusals(question, byClinician), "{0}", question);
        }

        made.Events.Count(e => e.Contains("\"loopFrom\":\"Accepted\"", StringComparison.Ordinal)).Should().BePositive();
        made.Events.Count(e => e.Contains("\"loopFrom\":\"Arrived\"", StringComparison.Ordinal)).Should().BePositive();
        var unreached = made.Events.Select(e => JsonDocument.Parse(e).RootElement)
            .Where(e => e.GetProperty("type").GetString()!.EndsWith(".escalated", StringComparison.Ordinal) && e.GetProperty("data").TryGetProperty("reason", out _)).ToArray();
        unreached.Should().NotBeEmpty("somebody was not reached three times");
        unreached.Should().Contain(e => e.GetProperty("data").GetProperty("deadline").GetProperty("dueAt").GetDateTimeOffset() > e.GetProperty("time").GetDateTimeOffset(),
            "the timer is due later");
        var wrong = made.Rows.Where(r => r.InError || r.Reason == "ENTERED_IN_ERROR").Select(r => r.Id).ToHashSet();
        var passed = made.Histories.Where(h => !wrong.Contains(h.Of.Id) && h.Row is { Event: "deadline-missed" or "escalated" or "follow-up-overdue", Detail: { } detail }
            && detail.ContainsKey("timer") && h.Move.Verb == InMemory.Machine.VerbOf(InMemory.Machine.DeadlineReached));
        var whole = events.Count(Questions(directory).First()).Tallies.Single();
        whole.MissedDeadlines.Should().Be(passed.Count(), "a deadline is missed when a timer fired, and not when nobody was reached");
        output.WriteLine(whole.ToString());
        typeof(Tally).GetProperties().Where(p => p.Name != nameof(Tally.Key)).Where(p => Convert.ToInt64(p.GetValue(whole) ?? 0L) == 0)
            .Should().BeEmpty("figures that are always nought prove nothing");
    }

    private static IEnumerable<string> Differences(Tally sql, Tally events) => typeof(Tally).GetProperties()
        .Where(p => !Equals(p.GetValue(sql), p.GetValue(events))).Select(p => $"{sql.Key} {p.Name}: {p.GetValue(sql)} in SQL, {p.GetValue(events)} from events");

    private static IEnumerable<Question> Questions(AllianceSnapshot directory)
    {
        var (from, to) = (new DateOnly(2026, 1, 1), new DateOnly(2026, 12, 31));
        Membership Of(string institution) => new("", institution, DateOnly.MinValue, null);
        string[] all = [ReferralHost.Township, ReferralHost.OtherTownship, ReferralHost.County, ReferralHost.Tertiary, ReferralHost.Stranger, "12210681DEM000065U"];
        yield return new([.. all.Select(Of)], true, true, from, to, false);
        foreach (var byMember in new[] { false, true })
        {
            foreach (var alliance in new[] { "al-county", "al-urban", "al-tele", "al-stroke" })
                yield return new(directory.MembersOf(alliance), true, true, from, to, byMember);
            foreach (var (sent, received) in new[] { (true, false), (false, true) })
                yield return new(directory.MembersOf("al-county"), sent, received, from, to, byMember);
            // a member that came late and left early
            yield return new([new("", ReferralHost.Township, new(2026, 2, 10), new(2026, 5, 5)), Of(ReferralHost.County)], true, true, from, to, byMember);
        }
        foreach (var institution in all)
            yield return new([Of(institution)], true, true, new(2026, 3, 1), new(2026, 3, 31), false);
        yield return new([Of(all[0])], true, true, new(2031, 1, 1), new(2031, 2, 1), false);
    }
}

internal static class Counting
{
    /// <summary>Waits until the service's own reader, or this one, has counted so many referrals.</summary>
    public static Task Counted(this MeasureReferrals measure, long atLeast) => TestKit.Eventually.Is(async () =>
        await measure.Pass() is not null, $"{atLeast} referrals are counted", seconds: 60);
}
