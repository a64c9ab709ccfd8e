using System.Net;
using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Indicators;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Indicators;

/// <summary>The indicators over HTTP: what is counted, for whom, and how soon.</summary>
public sealed class IndicatorsTests(ReferralHost host) : IClassFixture<ReferralHost>
{
    private const string Alliance = "al-county";

    [Fact]
    public async Task What_a_clinic_and_a_hospital_did_stands_in_their_figures_within_seconds()
    {
        var before = await Figures(ReferralHost.Tertiary);
        var accepted = await A.Scheduled(host);
        await (await A.Submitted(host)).Does("decline", new { reason = "OTHER", text = "无床" });
        var child = await A.ReturnedAndArrived(host);
        await child.Does("follow-up");
        await child.Does("rate", new { rating = 4 });
        var emergency = await A.Emergency(host);
        await emergency.Does("acknowledge");

        // nobody is asked to count: the service's own reader does it
        await Eventually.Is(async () => Value(await Figures(ReferralHost.Tertiary), 14, "acknowledged") == Value(before, 14, "acknowledged") + 1, "the events are counted by themselves", seconds: 15);

        var after = await Figures(ReferralHost.Tertiary);
        decimal? Gain(int no, string figure) => Value(after, no, figure) - (Value(before, no, figure) ?? 0);
        Gain(1, "up").Should().Be(4);
        Gain(1, "down").Should().Be(1);
        Gain(2, "scheduled").Should().Be(1);
        Gain(3, "legs").Should().Be(4, "three upward and one downward were asked; the emergency was not");
        Gain(4, "eligible").Should().Be(1);
        Value(after, 4, "returned").Should().Be(1);
        Gain(6, "arrived").Should().Be(1);
        Gain(12, "rated").Should().Be(1);
        Gain(13, "suspected").Should().Be(1, "OTHER does not justify a refusal");
        Gain(14, "emergencies").Should().Be(1);
        after.GetProperty("asOf").GetDateTimeOffset().Should().BeCloseTo(host.Clock.GetUtcNow(), TimeSpan.FromSeconds(30));
        accepted.State.Should().NotBeNull();

        (await Value(ReferralHost.Township, 1, "up")).Should().BeGreaterThanOrEqualTo(4);
        var sent = await host.As(ReferralHost.Tertiary, "Head").GetAsync("/v1/indicators?side=sent").Json();
        Value(sent, 1, "up").Should().Be(0, "the hospital sends nobody up");
        Value(sent, 1, "down").Should().BeGreaterThanOrEqualTo(1);
    }

    [Fact]
    public async Task What_was_marked_in_error_leaves_them()
    {
        var referral = await FromAnotherTownship();
        await Counted();
        var with = await Value(ReferralHost.OtherTownship, 1, "up");
        await referral.Does("mark-in-error");
        await Counted();
        (await Value(ReferralHost.OtherTownship, 1, "up")).Should().Be(with - 1);
    }

    [Fact]
    public async Task Counting_twice_or_anew_changes_nothing()
    {
        await A.Scheduled(host);
        await Counted();
        var once = await Measures();
        await host.Database.Execute("update measure_progress set counted_to = 0");
        await Counted();
        (await Measures()).Should().Equal(once);
        // a database that was restored elsewhere: its transactions count from the beginning again
        await host.Database.Execute("update measure_progress set counted_to = 9000000000000000");
        await A.Submitted(host);
        await Counted();
        (await host.Database.Query<long>("select count(*) from referral r where submitted_at is not null and not exists (select from measure where referral_id = r.id and sequence = r.sequence)"))
            .Should().Equal(0);
    }

    [Fact]
    public async Task What_commits_late_is_counted_too()
    {
        var early = await A.Submitted(host);
        await Counted();
        // a transaction that began before many others and ends after them
        await using var slow = new Npgsql.NpgsqlConnection(host.Database.Super);
        await slow.OpenAsync();
        await using var transaction = await slow.BeginTransactionAsync();
        await using (var write = new Npgsql.NpgsqlCommand("""
            with moved as (update referral set sequence = sequence + 1, version = version + 1, rating = 2 where id = $1 returning *)
            insert into history (referral_id, version, sequence, message_id, verb, event, from_state, to_state, leg, at, subject, institution, role)
            select id, version, sequence, gen_random_uuid(), 'rate', 'rated', state, state, leg, now(), 'x', sender, 'Clinician' from moved
            """, slow, transaction) { Parameters = { new() { Value = early.Id } } })
            await write.ExecuteNonQueryAsync();
        for (var i = 0; i < 3; i++)
        {
            await A.Submitted(host);
            await Counted();
        }
        await transaction.CommitAsync();
        await Counted();
        (await host.Database.Query<int?>("select rating from measure where referral_id = @Id", new { early.Id })).Should().Equal(2);
    }

    [Fact]
    public async Task A_repeated_examination_of_a_recognised_item_needs_its_reason_and_is_counted()
    {
        var referral = await A.Submitted(host);
        object Result(string item, string? repeatReason = null) => new { title = "头颅CT", itemCode = item, laboratory = "影像室", recognised = true, qualityUntil = "2099-12-31", reference = "urn:x", repeatReason };
        await referral.Tries("attach", Result("CT-9"), ReferralHost.Township);
        var refused = await referral.Tries("attach", Result("CT-9"), ReferralHost.Tertiary);
        refused.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await refused.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/repeatReason");
        (await referral.Tries("attach", Result("CT-9", "CONDITION_CHANGED"), ReferralHost.Tertiary)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await referral.Tries("attach", Result("MR-1"), ReferralHost.Tertiary)).StatusCode.Should().Be(HttpStatusCode.OK);
        await Counted();
        (await host.Database.Query<(int, int)>("select recognised, repeated from measure where referral_id = @Id", new { referral.Id })).Should().Equal((3, 1));
    }

    [Fact]
    public async Task The_alliance_is_the_sum_of_what_its_members_sent()
    {
        await FromAnotherTownship();
        await Counted();
        var report = await host.As(ReferralHost.County, "AllianceOffice").GetAsync($"/v1/indicators?alliance={Alliance}&side=sent&by=member").Json();
        var members = report.GetProperty("members").EnumerateArray().ToArray();
        members.Should().NotBeEmpty();
        members.Sum(m => Value(m, 1, "up")).Should().Be(Value(report, 1, "up"));
        members.Select(m => m.GetProperty("institution").GetString()).Should().BeInAscendingOrder(StringComparer.Ordinal);
    }

    [Fact]
    public async Task A_referral_between_two_members_counts_once_for_each_of_them_and_once_for_the_alliance()
    {
        async Task<(decimal? Whole, decimal? Sender, decimal? Receiver)> Up()
        {
            await Counted();
            var report = await host.As(ReferralHost.County, "AllianceOffice").GetAsync($"/v1/indicators?alliance={Alliance}&by=member").Json();
            decimal? Of(string code) => report.GetProperty("members").EnumerateArray().Where(m => m.GetProperty("institution").GetString() == code).Select(m => Value(m, 1, "up")).SingleOrDefault() ?? 0;
            return (Value(report, 1, "up"), Of(ReferralHost.OtherTownship), Of(ReferralHost.County));
        }
        var before = await Up();
        var referral = await FromAnotherTownship();
        // several moments in each of them
        await referral.Does("claim");
        await referral.Does("accept");
        var after = await Up();
        (after.Whole - before.Whole).Should().Be(1);
        (after.Sender - before.Sender).Should().Be(1);
        (after.Receiver - before.Receiver).Should().Be(1);
    }

    [Fact]
    public async Task As_CSV_there_is_one_line_for_each_figure()
    {
        await Counted();
        var answer = await host.As(ReferralHost.Tertiary, "Head").GetAsync("/v1/indicators?format=csv&from=2026-01-01");
        answer.Content.Headers.ContentType!.ToString().Should().Be("text/csv; charset=utf-8");
        var lines = (await answer.Content.ReadAsStringAsync()).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        lines[0].TrimStart('\uFEFF').Should().Be("alliance,institution,from,to,side,no,indicator,figure,unit,value");
        var report = await host.As(ReferralHost.Tertiary, "Head").GetAsync("/v1/indicators?from=2026-01-01").Json();
        lines.Length.Should().Be(1 + Definitions.All.Sum(d => d.Figures.Length) + report.GetProperty("missed").GetArrayLength());
        lines.Should().Contain(l => l.StartsWith($",{ReferralHost.Tertiary},2026-01-01,", StringComparison.Ordinal) && l.Contains(",1,volume,up,referrals,", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_figure_has_its_definition_in_both_languages()
    {
        var english = await host.As(ReferralHost.Tertiary).GetAsync("/v1/indicators/definitions").Json();
        english.GetProperty("indicators").GetArrayLength().Should().Be(16);
        var report = await host.As(ReferralHost.Tertiary).GetAsync("/v1/indicators").Json();
        foreach (var (defined, counted) in english.GetProperty("indicators").EnumerateArray().Zip(report.GetProperty("indicators").EnumerateArray()))
            counted.GetProperty("values").EnumerateObject().Select(v => v.Name).Should().Equal(defined.GetProperty("figures").EnumerateArray().Select(f => f.GetProperty("name").GetString()));
        var client = host.As(ReferralHost.Tertiary);
        client.DefaultRequestHeaders.Add("Accept-Language", "zh-CN");
        (await client.GetAsync("/v1/indicators/definitions").Json()).GetProperty("indicators")[0].GetProperty("name").GetString().Should().Be("上转与下转量");
    }

    [Fact]
    public async Task Points_are_earned_by_the_scheme_between_its_marks()
    {
        await A.Submitted(host);
        await Counted();
        var score = await host.As(ReferralHost.Township, "Head").GetAsync("/v1/indicators/score?side=sent").Json();
        var first = score.GetProperty("items").EnumerateArray().Single(i => i.GetProperty("indicator").GetString() == "first-contact");
        first.GetProperty("value").GetDecimal().Should().Be(1, "a township centre is a primary institution");
        first.GetProperty("earned").GetDecimal().Should().Be(200);
        score.GetProperty("items").EnumerateArray().Sum(i => i.GetProperty("points").GetDecimal()).Should().Be(1000);
        score.GetProperty("of").GetDecimal().Should().BeInRange(200, 1000);

        var fewer = new Weight("down-gap", "share", 100, 0.5m, 0.1m);
        new[] { 0.6m, 0.5m, 0.3m, 0.1m, 0 }.Select(v => fewer.For(v)).Should().Equal(0, 0, 50, 100, 100);
        fewer.For(null).Should().BeNull("what was not counted is not judged");
    }

    [Fact]
    public void A_scheme_that_names_no_figure_stops_the_start()
    {
        Microsoft.Extensions.Configuration.IConfiguration With(string figure, string to) => new Microsoft.Extensions.Configuration.ConfigurationManager
        {
            ["Indicators:Scheme:0:Indicator"] = "volume", ["Indicators:Scheme:0:Figure"] = figure, ["Indicators:Scheme:0:Points"] = "10",
            ["Indicators:Scheme:0:From"] = "0", ["Indicators:Scheme:0:To"] = to,
        };
        new Scheme(With("up", "5")).Weights.Should().ContainSingle();
        ((Action)(() => new Scheme(With("sideways", "5")))).Should().Throw<InvalidOperationException>();
        ((Action)(() => new Scheme(With("up", "0")))).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public async Task The_open_figures_leave_out_what_speaks_of_few()
    {
        var made = await RandomReferrals.Make(host, 120, 7, new(2024, 11, 1, 0, 0, 0, TimeSpan.Zero), TimeSpan.FromDays(20));
        await made.Store(host.Database.Super);
        await Counted();
        var open = await host.Anonymous().GetAsync("/v1/open/indicators?year=2024").Json();
        var items = open.GetProperty("items").EnumerateArray().Where(i => i.GetProperty("alliance").GetString() == Alliance && i.GetProperty("from").GetString() == "2024-10-01").ToArray();
        items.Should().Contain(i => i.GetProperty("tooFew").GetBoolean()).And.Contain(i => !i.GetProperty("tooFew").GetBoolean());
        items.Count(i => i.GetProperty("tooFew").GetBoolean() && HasValue(i)).Should().Be(0);
        items.Where(i => i.GetProperty("unit").GetString() == "referrals" && HasValue(i)).Select(i => i.GetProperty("value").GetDecimal())
            .Should().OnlyContain(n => n == 0 || n >= 10);
        open.GetRawText().Should().NotContain(ReferralHost.Township, "alliances only");

        var year = ChinaTime.DayOf(host.Clock.GetUtcNow()).Year;
        (await host.Anonymous().GetAsync($"/v1/open/indicators?year={year}").Json()).GetProperty("items").EnumerateArray()
            .Should().OnlyContain(i => DateOnly.Parse(i.GetProperty("to").GetString()!).AddDays(30) < ChinaTime.DayOf(host.Clock.GetUtcNow()), "a quarter that may still grow is not told");
        (await host.Anonymous().GetAsync("/v1/open/indicators?year=1")).StatusCode.Should().Be(HttpStatusCode.BadRequest);

        static bool HasValue(JsonElement item) => item.TryGetProperty("value", out var value) && value.ValueKind == JsonValueKind.Number;
    }

    [Theory]
    [InlineData(ReferralHost.Township, "Clinician", "institution=" + ReferralHost.Tertiary, 404)]
    [InlineData(ReferralHost.Township, "Head", "alliance=" + Alliance, 404)]
    [InlineData(ReferralHost.Township, "Insurer", "", 403)]
    [InlineData(ReferralHost.Township, "Operator", "", 403)]
    [InlineData(ReferralHost.Township, "Clinician", "", 200)]
    [InlineData(ReferralHost.County, "AllianceOffice", "alliance=" + Alliance, 200)]
    [InlineData(ReferralHost.County, "AllianceOffice", "institution=" + ReferralHost.Township, 200)]
    [InlineData(ReferralHost.County, "AllianceOffice", "institution=" + ReferralHost.Stranger, 404)]
    [InlineData(ReferralHost.County, "AllianceOffice", "alliance=al-urban-of-others", 404)]
    [InlineData(ReferralHost.Stranger, "Regulator", "alliance=" + Alliance, 200)]
    [InlineData(ReferralHost.Stranger, "Regulator", "institution=" + ReferralHost.Township, 200)]
    [InlineData(ReferralHost.Stranger, "Regulator", "institution=nobody", 404)]
    [InlineData(ReferralHost.Tertiary, "Head", "from=2026-02-30", 400)]
    [InlineData(ReferralHost.Tertiary, "Head", "from=2026-03-01&to=2026-02-01", 400)]
    [InlineData(ReferralHost.Tertiary, "Head", "from=2001-01-01", 400)]
    [InlineData(ReferralHost.Tertiary, "Head", "side=sideways", 400)]
    [InlineData(ReferralHost.Tertiary, "Head", "by=doctor", 400)]
    [InlineData(ReferralHost.Tertiary, "Head", "format=xml", 400)]
    [InlineData(ReferralHost.Tertiary, "Head", "institution=' or 1=1 --", 404)]
    [InlineData(ReferralHost.Tertiary, "Head", "institution=a&alliance=b", 400)]
    [InlineData(ReferralHost.Tertiary, "Head", "institution=%00", 400)]
    public async Task Who_asks_for_whom(string institution, string role, string query, int status)
    {
        var denials = await Denials();
        var answer = await host.As(institution, role).GetAsync("/v1/indicators?" + query);
        ((int)answer.StatusCode).Should().Be(status, await answer.Content.ReadAsStringAsync());
        (await Denials() - denials).Should().Be(status is 403 or 404 ? 1 : 0, "who asks beyond its reach leaves a row");
    }

    private Task<A> FromAnotherTownship() => A.Submitted(host, slip => slip["referrer"] = new System.Text.Json.Nodes.JsonObject { ["doctor"] = "dr-0113" },
        ReferralHost.County, ReferralHost.OtherTownship);

    private async Task<long> Denials() =>
        (await host.Database.Query<long>("select count(*) from audit where action = 'indicators' and verdict = 'denied'")).Single();

    // what is due by now, e.g. of the test before, has happened and is counted
    private async Task Counted()
    {
        await host.Pass(TimeSpan.Zero);
        await host.Services.GetRequiredService<MeasureReferrals>().Counted(0);
    }

    private async Task<IReadOnlyList<string>> Measures() =>
        await host.Database.Query<string>("select to_jsonb(m)::text || coalesce((select jsonb_agg(to_jsonb(l) order by leg)::text from measure_leg l where l.referral_id = m.referral_id), '') from measure m order by referral_id");

    private async Task<JsonElement> Figures(string institution) => await host.As(institution, "Head").GetAsync("/v1/indicators").Json();

    private async Task<decimal?> Value(string institution, int no, string figure) => Value(await Figures(institution), no, figure);

    private static decimal? Value(JsonElement report, int no, string figure) =>
        report.GetProperty("indicators")[no - 1].GetProperty("values").GetProperty(figure) is { ValueKind: JsonValueKind.Number } value ? value.GetDecimal() : null;
}
