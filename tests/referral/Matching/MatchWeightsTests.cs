using System.Net;
using System.Text.Json;
using FluentAssertions;
using ReferralService.Matching;
using TestKit;
using Xunit;
using static ReferralService.Tests.Matching.Ground;

namespace ReferralService.Tests.Matching;

/// <summary>What an alliance weighs differently: the defaults stand, its own hold from their moment on, and no improvement ever costs a place.</summary>
public sealed class MatchWeightsTests : IAsyncLifetime
{
    private readonly ReferralHost _host = new();

    public Task InitializeAsync() => _host.InitializeAsync();

    public Task DisposeAsync() => _host.DisposeAsync();

    private HttpClient Office => _host.As(ReferralHost.County, "AllianceOffice");

    private static async Task<JsonElement> Is(Task<HttpResponseMessage> asked, HttpStatusCode status)
    {
        var answer = await asked;
        answer.StatusCode.Should().Be(status, await answer.Content.ReadAsStringAsync());
        return await answer.Json();
    }

    private async Task<string[]> Order()
    {
        var answer = await Is(_host.As(ReferralHost.Township).Command("/v1/matches", new { department = "03.03" }), HttpStatusCode.OK);
        return [.. answer.GetProperty("candidates").EnumerateArray().Select(c => c.GetProperty("institution").GetProperty("code").GetString()!)];
    }

    [Fact]
    public async Task An_alliance_that_weighs_its_leads_less_sees_another_order_from_then_on_and_others_do_not()
    {
        var before = await Order();
        (await Is(Office.GetAsync("/v1/match-weights"), HttpStatusCode.OK)).GetProperty("weights").GetProperty("TIER_NEXT").GetInt32().Should().Be(15);
        var from = _host.Clock.GetUtcNow().AddMinutes(10);
        var weights = new Dictionary<string, int>
        {
            ["TIGHT_ALLIANCE"] = 0, ["SEMI_TIGHT_ALLIANCE"] = 0, ["MIXED_ALLIANCE"] = 0, ["LOOSE_ALLIANCE"] = 0, ["SPECIALIST_ALLIANCE_LEAD"] = 100,
            ["TIER_NEXT"] = -100, ["TIER_BY_SPECIALIST_ALLIANCE"] = 100,
        };
        await Is(Office.Command("/v1/match-weights", new { alliance = "al-county", from, weights }), HttpStatusCode.Created);
        (await Order()).Should().Equal(before, "it begins later");
        _host.Clock.Advance(TimeSpan.FromMinutes(11));
        (await Order()).Should().Equal(before.Reverse());
        (await Is(_host.As(ReferralHost.Tertiary).GetAsync("/v1/match-weights"), HttpStatusCode.OK)).GetProperty("weights").GetProperty("TIER_NEXT").GetInt32().Should().Be(15, "another alliance is its home");
        (await Is(Office.GetAsync($"/v1/match-weights?institution={ReferralHost.Township}&at={Uri.EscapeDataString(from.AddMinutes(-1).ToString("O"))}"), HttpStatusCode.OK))
            .GetProperty("weights").GetProperty("TIER_NEXT").GetInt32().Should().Be(15, "what held then");
    }

    [Theory]
    [InlineData("""{"weights":{}}""", "/weights")]
    [InlineData("""{"weights":{"CHARM":5}}""", "/weights")]
    [InlineData("""{"weights":{"DISTANCE":101}}""", "/weights/DISTANCE")]
    // a closer bond, an earlier day, a fit service would cost a place
    [InlineData("""{"weights":{"TIGHT_ALLIANCE":5}}""", "/weights")]
    [InlineData("""{"weights":{"FULL":0}}""", "/weights")]
    [InlineData("""{"weights":{"SERVICE_MISSING":20}}""", "/weights")]
    [InlineData("""{"weights":{"CONTRACT_PARTNER":-1}}""", "/weights/CONTRACT_PARTNER")]
    [InlineData("""{"weights":{"OUTSIDE_ALLIANCE":5}}""", "/weights/OUTSIDE_ALLIANCE")]
    public async Task Weights_that_would_punish_an_improvement_are_refused(string body, string pointer)
    {
        var json = JsonSerializer.Deserialize<Dictionary<string, object>>(body)!;
        json["alliance"] = "al-county";
        (await Is(Office.Command("/v1/match-weights", json), HttpStatusCode.BadRequest)).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
    }

    [Fact]
    public async Task Only_the_lead_hospitals_office_sets_them_from_now_on_and_once_a_moment()
    {
        var weights = new Dictionary<string, int> { ["DISTANCE"] = 30 };
        await Is(_host.As(ReferralHost.Tertiary, "AllianceOffice").Command("/v1/match-weights", new { alliance = "al-county", weights }), HttpStatusCode.Forbidden);
        await Is(Office.Command("/v1/match-weights", new { alliance = "al-county", from = _host.Clock.GetUtcNow().AddDays(-1), weights }), HttpStatusCode.UnprocessableEntity);
        var at = _host.Clock.GetUtcNow().AddDays(1);
        await Is(Office.Command("/v1/match-weights", new { alliance = "al-county", from = at, weights }), HttpStatusCode.Created);
        await Is(Office.Command("/v1/match-weights", new { alliance = "al-county", from = at, weights }), HttpStatusCode.Conflict);
    }

    [Fact]
    public void A_weight_of_a_later_version_and_an_unset_one_are_the_default()
    {
        var weights = new MatchWeights(new Dictionary<string, int> { ["NOT_INVENTED_YET"] = 50, ["DISTANCE"] = 40 });
        (weights["DISTANCE"], weights["FULL"], weights.All.Count).Should().Be((40, MatchWeights.Default["FULL"], MatchWeights.Default.All.Count));
        var ground = new Ground().House("T", "TownshipHealthCentre", "02", at: 0).House("NEAR", "SecondaryHospital", "03.03", at: 5).House("FAR", "SecondaryHospital", "03.03", at: 100)
            .Full("NEAR", "03.03").Free("FAR", "03.03", 10);
        TopologiesTests.Order(ground.Rank(Ask("T"))).Should().Equal("FAR", "NEAR");
        var patient = new MatchWeights(new Dictionary<string, int> { ["FREE_IN_DAYS"] = 0, ["FULL"] = -28 });
        TopologiesTests.Order(ground.Rank(Ask("T") with { Weights = patient })).Should().Equal("NEAR", "FAR");
    }
}
