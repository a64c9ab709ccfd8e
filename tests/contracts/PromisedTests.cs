using System.Text.Json.Nodes;
using FluentAssertions;
using Xunit;

namespace Contracts.Tests;

/// <summary>Additive changes only: what was accepted once stays for as long as somebody may receive it.</summary>
[Collection("contracts")]
public sealed class PromisedTests
{
    internal static Promised Now => Promised.Of(Catalogue.All.Select(e => (e.Name, Schemas.Of(e))));

    internal static Promised Accepted => Promised.Read(File.Exists(Kept) ? File.ReadAllText(Kept) : "");

    private static string Kept => Path.Combine(SourceTree.Root, "tests/contracts/accepted.txt");

    [Fact]
    public void Whatever_was_promised_is_kept() =>
        Accepted.BrokenBy(Now).Should().BeEmpty("receivers rely on it; tests/contracts/accepted.txt says how a change is made all the same");

    [Fact]
    public void What_is_new_is_accepted_as_well() => SourceTree.IsFresh(Generated.Accepted);

    private const string Before = """
        {"type":"object","required":["id","data"],"properties":{
          "id":{"type":"string","format":"uuid"},
          "data":{"type":"object","required":["state"],"properties":{
            "state":{"type":"string","enum":["Open","Closed"]},
            "note":{"type":"string"},
            "free":{"type":"array","items":{"type":"object","required":["count"],"properties":{"count":{"type":"integer"}}}}}}}}
        """;

    [Theory]
    [InlineData("a member gone", "\"note\":{\"type\":\"string\"},", "", "thing lost data.note")]
    [InlineData("a member renamed", "\"note\"", "\"remark\"", "thing lost data.note")]
    [InlineData("another type", "\"integer\"", "\"string\"", "thing says data.free[].count as string, not integer")]
    [InlineData("another format", ",\"format\":\"uuid\"", "", "thing says id as string, not string:uuid")]
    [InlineData("not always there", "[\"state\"]", "[]", "thing may come without data.state")]
    [InlineData("a value gone", ",\"Closed\"", "", "thing lost the values Closed of data.state")]
    public void A_change_that_breaks_a_receiver_is_named(string what, string from, string to, string broken)
    {
        Before.Should().Contain(from);
        Of(Before).BrokenBy(Of(Before.Replace(from, to))).Should().Equal([broken], what);
    }

    [Theory]
    [InlineData("a member more", "\"note\":{", "\"more\":{\"type\":\"boolean\"},\"note\":{")]
    [InlineData("a value more", "\"Closed\"", "\"Closed\",\"Ajar\"")]
    [InlineData("always there from now on", "[\"state\"]", "[\"state\",\"note\"]")]
    public void A_change_that_adds_is_none(string what, string from, string to)
    {
        var (before, after) = (Of(Before), Of(Before.Replace(from, to)));
        before.BrokenBy(after).Should().BeEmpty(what);
        after.ToString().Should().NotBe(before.ToString());
        before.And(after).ToString().Should().Be(after.ToString());
    }

    [Fact]
    public void An_event_that_is_not_said_any_more_is_named() => Of(Before).BrokenBy(Promised.Of([])).Should().Equal("thing is not said any more");

    [Fact]
    public void Accepting_a_broken_change_does_not_make_it_good()
    {
        var (before, after) = (Of(Before), Of(Before.Replace("\"note\":{\"type\":\"string\"},", "")));
        before.And(after).BrokenBy(after).Should().Equal("thing lost data.note");
        Promised.Read(before.ToString()).ToString().Should().Be(before.ToString());
    }

    private static Promised Of(string schema) => Promised.Of([("thing", JsonNode.Parse(schema)!.AsObject())]);
}
