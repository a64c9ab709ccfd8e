using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using RabbitMQ.Client;
using Referrals.Contracts;
using ReferralService.Referrals.Booking;
using TestKit;
using Xunit;

namespace ReferralService.Tests;

/// <summary>A scheduling service of the next version says more than this one knows: what it means here still happens.</summary>
[Collection("referral")]
public sealed class SchemaGrowthTests(ReferralHost host)
{
    [Fact]
    public async Task Unknown_members_and_an_unknown_resource_are_no_trouble()
    {
        var referral = await A.Accepted(host);
        await Hears(referral, SchedulingEvents.Booked, Guid.NewGuid(), data =>
        {
            data["resource"] = "HyperbaricChamber";
            data["companions"] = new JsonArray(new JsonObject { ["seats"] = 2 });
        });
        await referral.Reaches("Scheduled");
        referral.Last.GetProperty("booking").GetProperty("resource").GetString().Should().Be("HyperbaricChamber");
    }

    [Fact]
    public async Task A_booking_that_fell_away_for_a_reason_nobody_knows_fell_away()
    {
        var booking = Guid.NewGuid();
        var referral = await A.Accepted(host);
        await referral.Booked(booking: booking);
        await Hears(referral, SchedulingEvents.BookingCancelled, booking, data => (data["reason"], data["by"]) = ("POWER_CUT", "Weather"));
        await referral.Reaches("Accepted");
        (await LastReason(referral)).Should().Be("OTHER", "a code of no list is not passed on as one");
    }

    [Fact]
    public async Task A_missed_appointment_is_missed_whatever_the_reason_is_called()
    {
        var booking = Guid.NewGuid();
        var referral = await A.Accepted(host);
        await referral.Booked(booking: booking);
        await Hears(referral, SchedulingEvents.NoShow, booking, data => data["reason"] = "ABDUCTED");
        await referral.Reaches("NoShow");
    }

    [Fact]
    public async Task An_unknown_type_changes_nothing_and_is_not_put_aside()
    {
        var referral = await A.Accepted(host);
        await Hears(referral, "scheduling.overbooked", Guid.NewGuid(), _ => { });
        // one queue, one order: what comes after it shows that it is through
        await referral.Booked();
        (await referral.Events()).Should().Equal("submitted", "accepted", "scheduled");
    }

    private static async Task<string?> LastReason(A referral) =>
        (await referral.Timeline()).GetProperty("entries").EnumerateArray().Last().GetProperty("reason").GetString();

    // straight into the queue: the type may be one that no binding knows
    private async Task Hears(A referral, string type, Guid booking, Action<JsonObject> grown)
    {
        var data = new JsonObject
        {
            ["referralId"] = referral.Id, ["referralNo"] = referral.No, ["leg"] = 1, ["attempt"] = 5, ["bookingId"] = booking,
            ["institution"] = referral.Receiver, ["resource"] = "Slot",
            ["startsAt"] = host.Clock.GetUtcNow().AddDays(1), ["endsAt"] = host.Clock.GetUtcNow().AddDays(1).AddMinutes(30),
        };
        grown(data);
        var body = new JsonObject
        {
            ["specversion"] = "1.0", ["id"] = Guid.NewGuid(), ["source"] = "/scheduling", ["type"] = type, ["subject"] = referral.No,
            ["time"] = host.Clock.GetUtcNow(), ["datacontenttype"] = "application/json", ["dataschema"] = "urn:referral:schema:" + type + ":2",
            ["weather"] = "rain", ["data"] = data,
        };
        await using var connection = await new ConnectionFactory { Uri = new Uri(host.RabbitMq) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        await channel.BasicPublishAsync("", WhenSchedulingAnswers.Queue, mandatory: true, new BasicProperties { ContentType = CloudEvents.MediaType },
            JsonSerializer.SerializeToUtf8Bytes(body));
    }
}
