using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace ReferralService.Tests.Paths;

/// <summary>
/// Whatever is stored as submitted kept every rule or says why not: drafts, amendments, answers, redirects, returns,
/// onward, again and converted referrals, patients' wishes, what is typed in afterwards, and imports.
/// </summary>
public sealed class NoWayAroundTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Steps = 3000;

    // rare ones need luck: the walk goes on until each was taken
    private const int MostSteps = 4 * Steps;
    private static readonly string[] Ways =
    [
        "draft", "submit at once", "retro-entry", "patient request", "amend", "submit", "send-for-review", "approve", "redirect",
        "supply-information", "accept", "return", "refer-onward", "refer-again", "convert",
    ];

    private readonly ReferralHost _host = new();
    private Houses _houses = null!;

    public async Task InitializeAsync()
    {
        await _host.InitializeAsync();
        _houses = await Houses.Build(_host);
    }

    public Task DisposeAsync() => _host.DisposeAsync();

    private static int Seed() =>
        int.TryParse(Environment.GetEnvironmentVariable("REFERRAL_SEED"), out var seed) ? seed : Random.Shared.Next(1_000_000);

    [Fact]
    public async Task No_path_leads_around_a_rule()
    {
        var seed = Seed();
        output.WriteLine($"seed {seed}; the same again with REFERRAL_SEED={seed}");
        var (paths, witness) = (new RandomPaths(_host, _houses, seed), new Witness(_host));
        await paths.Prepare();
        for (var step = 1; step <= Steps || step <= MostSteps && !Ways.All(paths.Done.ContainsKey); step++)
        {
            await paths.Step();
            try
            {
                await witness.Look();
            }
            catch (RuleBrokenException e)
            {
                throw new RuleBrokenException($"seed {seed}, step {step}: {e.Message}");
            }
        }
        output.WriteLine($"{witness.Judged} sent or sent on: {string.Join(", ", paths.Done.OrderByDescending(d => d.Value).Select(d => $"{d.Key} {d.Value}"))}");
        output.WriteLine($"refused: {string.Join(", ", paths.Refused.OrderByDescending(d => d.Value).Select(d => $"{d.Key} {d.Value}"))}");
        paths.Done.Keys.Should().Contain(Ways, "every way was taken");
        paths.Refused.Keys.Should().Contain(["rule-broken", "rule-warning", "review-needed"], "the rules were met");
        witness.Judged.Should().BeGreaterThan(100);
    }

    // a way around is made by hand in the tables, before the witness looks: it must say so
    [Theory]
    [InlineData("diagnosis_code = 'J06.900'", "RuleOverride")]
    [InlineData("sender = @Village, receiver = @OtherTownship, tried = array[@OtherTownship]", "past the township")]
    [InlineData("sender = @Village, tried = array[@Tertiary]", "skips a level")]
    [InlineData("receiver = @Far, tried = array[@Far]", "leaves region")]
    [InlineData("purposes = array['OTHER']", "without the text")]
    [InlineData("external = true", "in the name of a member")]
    [InlineData("direction = 'Down', kind = 'RehabReturn'", "higher level")]
    public async Task A_way_around_is_noticed(string tampered, string said)
    {
        var witness = new Witness(_host);
        await witness.Look();
        var referral = await A.Submitted(_host, slip =>
        {
            slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
            slip.Remove("diagnosis");
            slip.Remove("indications");
        }, ReferralHost.County);
        await _host.Database.Execute($"update referral set {tampered} where id = @Id", new { referral.Id, _houses.Village, _houses.Far, ReferralHost.Tertiary, ReferralHost.OtherTownship });
        (await FluentActions.Awaiting(witness.Look).Should().ThrowAsync<RuleBrokenException>()).Which.Message.Should().Contain(said);
    }

    [Fact]
    public async Task No_import_and_no_change_of_an_alliance_gives_a_clinic_a_second_tight_parent()
    {
        var seed = Seed();
        output.WriteLine($"seed {seed}; the same again with REFERRAL_SEED={seed}");
        var random = new Random(seed);
        var office = _host.As(ReferralHost.County, "Operator");
        foreach (var (id, lead) in new[] { ("path-a", _houses.Far), ("path-b", _houses.Outside), ("path-c", ReferralHost.Tertiary) })
            await office.PutAsJsonAsync($"/v1/alliances/{id}", new { name = id, form = "UrbanMedicalGroup", tightness = "Loose", lead }, ServiceDefaults.Json.Lenient);
        string[] clinics = [ReferralHost.Township, ReferralHost.OtherTownship, _houses.Village, ReferralHost.Stranger];
        string[] alliances = ["path-a", "path-b", "path-c", "al-county"];
        var answers = new List<HttpStatusCode>();
        for (var step = 0; step < 160; step++)
        {
            var (alliance, clinic) = (alliances[random.Next(4)], clinics[random.Next(4)]);
            var (from, until) = ($"20{random.Next(20, 30)}-01-01", $"20{random.Next(30, 40)}-12-31");
            var answer = random.Next(3) switch
            {
                0 => await office.PutAsJsonAsync($"/v1/alliances/{alliance}/members/{clinic}/{from}", new { until }, ServiceDefaults.Json.Lenient),
                1 => await Import($"alliance,institution,from,until\n{alliance},{clinic},{from},{until}\n{alliances[random.Next(4)]},{clinic},{from},\n"),
                _ => await Tightened(alliances[random.Next(3)], random.Next(2) == 0 ? "Tight" : "Loose"),
            };
            ((int)answer.StatusCode).Should().BeLessThan(500, await answer.Content.ReadAsStringAsync());
            answers.Add(answer.StatusCode);
            (await _host.Database.Query<string>("""
                select a.institution || ' in ' || a.alliance || ' and ' || b.alliance
                from membership a join membership b on a.institution = b.institution and a.alliance < b.alliance
                join alliance x on x.id = a.alliance join alliance y on y.id = b.alliance
                where x.tightness = 'Tight' and y.tightness = 'Tight' and x.lead <> y.lead and a.institution not in (x.lead, y.lead)
                  and a.override_reason is null and b.override_reason is null
                  and daterange(a.since, a.until, '[]') && daterange(b.since, b.until, '[]')
                """)).Should().BeEmpty($"seed {seed}, step {step}");
        }
        answers.Should().Contain(HttpStatusCode.Conflict, "the rule was met").And.Contain(HttpStatusCode.Created, "and kept");

        async Task<HttpResponseMessage> Import(string csv)
        {
            var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/directory/memberships/import?store={(random.Next(2) == 0 ? "Good" : "All")}") { Content = new StringContent(csv, Encoding.UTF8, "text/csv") };
            request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
            return await office.SendAsync(request);
        }

        async Task<HttpResponseMessage> Tightened(string id, string tightness)
        {
            var seen = await office.GetAsync($"/v1/alliances/{id}");
            var entry = JsonNode.Parse(await seen.Content.ReadAsStringAsync())!.AsObject();
            entry.Remove("id");
            entry["tightness"] = tightness;
            var request = new HttpRequestMessage(HttpMethod.Put, $"/v1/alliances/{id}") { Content = JsonContent.Create(entry) };
            request.Headers.TryAddWithoutValidation("If-Match", seen.Headers.ETag!.ToString());
            return await office.SendAsync(request);
        }
    }
}
