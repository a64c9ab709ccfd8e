using System.Text.Json.Nodes;
using FluentAssertions;
using ReferralService.Alliances;
using ReferralService.Referrals;
using ReferralService.Workflow;
using Referrals.Contracts;
using Xunit;

namespace Contracts.Tests;

/// <summary>What the referral service writes into an event when its row, and everything around it, is full.</summary>
[Collection("contracts")]
public sealed class EventBodyTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 2, 1, 30, 0, TimeSpan.Zero);

    public static TheoryData<string> ReferralEventNames => [.. Catalogue.Referral.Select(e => e.Name)];

    public static TheoryData<string> EventNames => [.. Catalogue.Names];

    [Theory, MemberData(nameof(EventNames))]
    public void A_golden_file_carries_every_allowed_member_and_no_other(string name)
    {
        var data = JsonNode.Parse(Golden(name))!["data"]!.AsObject();

        data.Select(m => m.Key).Should().BeEquivalentTo(Catalogue.Of(name).Allowed.Select(EventType.NameOf));
    }

    [Theory, MemberData(nameof(ReferralEventNames))]
    public void A_full_row_puts_nothing_into_an_event_that_is_not_on_its_list(string name)
    {
        var e = Catalogue.Of(name);
        foreach (var direction in Enum.GetValues<Direction>())
        {
            var data = JsonNode.Parse(Written(e, FullRow(direction)))!["data"]!.AsObject();
            data.Select(m => m.Key).Should().BeSubsetOf(e.Allowed.Select(EventType.NameOf));
        }
    }

    [Fact]
    public void Only_these_columns_of_a_row_ever_reach_an_event()
    {
        // the claimant stands in for a clinician who is not named yet
        var (row, unnamed) = (FullRow(Direction.Down), FullRow(Direction.Down));
        unnamed.Clinician = null;
        var bodies = Catalogue.Referral.SelectMany(e => new[] { row, unnamed }.Select(r => JsonNode.Parse(Written(e, r))!["data"]!.ToJsonString())).ToList();

        var reached = typeof(Referral).GetProperties().Where(p => Planted(p.GetValue(row)) is { } value && bodies.Exists(b => b.Contains(value)))
            .Select(p => p.Name);

        reached.Should().BeEquivalentTo(
            nameof(Referral.Id), nameof(Referral.ReferralNo), nameof(Referral.EpisodeId), nameof(Referral.ParentId), nameof(Referral.ParentNo),
            nameof(Referral.LinkedId), nameof(Referral.LinkedNo), nameof(Referral.Sender), nameof(Referral.Receiver), nameof(Referral.Department),
            nameof(Referral.Clinician), nameof(Referral.ClaimedBy), nameof(Referral.Leg), nameof(Referral.Sequence), nameof(Referral.State), nameof(Referral.Purposes),
            nameof(Referral.Eligibility), nameof(Referral.Flags), nameof(Referral.Participants), nameof(Referral.BookingId), nameof(Referral.BookingResource),
            nameof(Referral.BookingStartsAt), nameof(Referral.BookingEndsAt), nameof(Referral.ExpectedArrival), nameof(Referral.FollowUpsDone),
            nameof(Referral.FollowUpsPlanned), nameof(Referral.FollowUpsUnreached), nameof(Referral.NextFollowUpOn), nameof(Referral.Rating));
    }

    [Fact]
    public void What_a_row_is_linked_with_reaches_no_event_while_it_is_a_draft()
    {
        var row = FullRow(Direction.Up);
        row.LinkDraftedBy = "planted-house";
        foreach (var e in Catalogue.Referral)
            Written(e, row).Should().NotContain(row.LinkedNo).And.NotContain(row.LinkedId.ToString()).And.NotContain("planted-house");
    }

    [Fact]
    public void Who_acted_and_what_they_wrote_never_reaches_an_event()
    {
        foreach (var e in Catalogue.Referral)
            Written(e, FullRow(Direction.Up)).Should().NotContain("planted-subject").And.NotContain("planted-role")
                .And.NotContain("planted-words").And.NotContain("planted-detail").And.NotContain("planted-slip");
    }

    internal static string Golden(string name) => File.ReadAllText(Path.Combine(SourceTree.Golden, name + ".json"));

    private static string Written(EventType e, Referral row)
    {
        var move = new Move<string>("planted-command", "planted-verb", new(Side.Sender, "planted-subject", "institution", "planted-role", "member"), Now)
        {
            Alliance = AllianceSnapshot.Empty,
            Reason = "REASON",
            Words = "planted-words",
            Detail = new() { ["planted-detail"] = "planted-detail" },
            NewSlip = new(1, "planted-slip", "planted-subject"),
        };
        move.Extras.PreviousReceiver = "previous-receiver";
        move.Extras.PreviousState = ReferralState.Submitted;
        move.Extras.LoopFrom = LoopStart.Accepted;
        move.Extras.Deadline = new("Triage", Now, 1);
        return EventBodies.Write(row, move, e.ShortName, Guid.Empty);
    }

    // every column has a value of its own, so that it is known again wherever it turns up
    private static Referral FullRow(Direction direction)
    {
        var row = new Referral();
        var number = 100;
        foreach (var property in typeof(Referral).GetProperties().Where(p => p.CanWrite))
        {
            number++;
            var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            object value = type switch
            {
                _ when type == typeof(string) => $"planted-{property.Name}",
                _ when type == typeof(string[]) => new[] { $"planted-{property.Name}" },
                _ when type == typeof(Guid) => new Guid(number, 7, 7, [1, 2, 3, 4, 5, 6, 7, 8]),
                _ when type == typeof(int) => 7_000_000 + number,
                _ when type == typeof(long) => 7_000_000L + number,
                _ when type == typeof(bool) => true,
                _ when type == typeof(DateTimeOffset) => Now.AddDays(number),
                _ when type == typeof(DateOnly) => DateOnly.FromDateTime(Now.Date).AddYears(number),
                _ when type == typeof(TimeSpan) => TimeSpan.FromSeconds(number),
                _ when type.IsEnum => Enum.GetValues(type).GetValue(0)!,
                _ when type == typeof(Told) => new Told("planted-told", 1, Priority.Routine, 1),
                _ => throw new InvalidOperationException($"Say in FullRow how the column {property.Name} is filled."),
            };
            property.SetValue(row, value);
        }
        // a draft is told nobody
        row.LinkDraftedBy = null;
        row.Direction = direction;
        row.Kind = direction == Direction.Up ? ReferralKind.InpatientTransfer : ReferralKind.RehabReturn;
        return row;
    }

    // null for what cannot be told from another column: yes or no, and the values of lists
    private static string? Planted(object? value) => value switch
    {
        string text => text.Length == 0 ? null : $"\"{text}\"",
        string[] texts => $"\"{texts[0]}\"",
        Guid id => id.ToString(),
        int or long => value.ToString(),
        DateTimeOffset time => $"{time:yyyy-MM-dd'T'HH:mm:ss}",
        DateOnly day => $"{day:yyyy-MM-dd}",
        _ => null,
    };
}
