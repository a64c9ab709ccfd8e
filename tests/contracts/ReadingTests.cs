using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using Referrals.Contracts;
using ServiceDefaults;
using Xunit;

namespace Contracts.Tests;

/// <summary>The records of the contracts, as a subscriber in .NET reads events with them.</summary>
[Collection("contracts")]
public sealed class ReadingTests
{
    public static TheoryData<string> EventNames => EventBodyTests.EventNames;

    [Theory, MemberData(nameof(EventNames))]
    public void A_golden_file_reads_back_with_every_value(string name)
    {
        var golden = JsonNode.Parse(EventBodyTests.Golden(name))!.AsObject();

        var read = JsonSerializer.SerializeToNode(Read(name, golden), Json.Lenient)!.AsObject();

        Same(read["data"], golden["data"]).Should().BeTrue("{0} was read from {1}", read["data"], golden["data"]);
        foreach (var (attribute, value) in golden.Where(a => a.Key != "data"))
            Same(read.Single(r => r.Key.Equals(attribute, StringComparison.OrdinalIgnoreCase)).Value, value).Should().BeTrue(attribute);
    }

    [Theory, MemberData(nameof(EventNames))]
    public void Members_of_a_later_version_are_ignored(string name)
    {
        var golden = JsonNode.Parse(EventBodyTests.Golden(name))!.AsObject();
        var later = golden.DeepClone().AsObject();
        later["later"] = "an attribute";
        later["data"]!["later"] = new JsonObject { ["deep"] = new JsonArray(1, "two", null) };
        foreach (var part in later["data"]!.AsObject().Select(m => m.Value).OfType<JsonObject>())
            part["later"] = true;

        JsonSerializer.Serialize(Read(name, later), Json.Lenient).Should().Be(JsonSerializer.Serialize(Read(name, golden), Json.Lenient));
    }

    [Fact]
    public void An_event_type_of_a_later_version_is_read_like_any_other()
    {
        var later = JsonNode.Parse(EventBodyTests.Golden("referral.accepted"))!.AsObject();
        later["type"] = "referral.up.teleported";
        later["dataschema"] = CloudEvents.SchemaOf("referral.teleported");

        var read = (ReferralEvent)Read("referral.accepted", later);

        ReferralEvents.NameOf(read.Type).Should().Be("teleported");
        read.Data.State.Should().Be(ReferralState.Accepted);
    }

    [Fact]
    public void An_event_without_a_required_member_is_refused()
    {
        var golden = JsonNode.Parse(EventBodyTests.Golden("referral.accepted"))!.AsObject();
        golden["data"]!.AsObject().Remove("state");

        var read = () => Read("referral.accepted", golden);

        read.Should().Throw<JsonException>();
    }

    private static object Read(string name, JsonObject json) => json.Deserialize(Catalogue.Of(name).Envelope, Json.Lenient)!;

    // a time is the same moment however its offset is written
    private static bool Same(JsonNode? a, JsonNode? b) => (a, b) switch
    {
        (JsonObject x, JsonObject y) => x.Count == y.Count && x.All(m => y.ContainsKey(m.Key) && Same(m.Value, y[m.Key])),
        (JsonArray x, JsonArray y) => x.Count == y.Count && x.Zip(y).All(p => Same(p.First, p.Second)),
        (JsonValue x, JsonValue y) when x.TryGetValue(out DateTimeOffset t) && y.TryGetValue(out DateTimeOffset u) => t == u,
        _ => JsonNode.DeepEquals(a, b),
    };
}
