using System.Text;
using FluentAssertions;
using RabbitMQ.Client;
using Referrals.Contracts;
using ReferralService.Referrals.Booking;
using ServiceDefaults.Messaging;
using TestKit;
using Xunit;

namespace ReferralService.Tests;

[Collection("referral")]
public sealed class PoisonTests(ReferralHost host)
{
    private const string Queue = WhenSchedulingAnswers.Queue;

    [Theory]
    [InlineData("this is no JSON")]
    [InlineData("{\"specversion\":\"1.0\",\"type\":\"scheduling.booked\",\"data\":{\"institution\":7}}")]
    public async Task A_message_nobody_can_read_is_put_aside_with_its_reason_and_those_behind_it_flow(string body)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(host.RabbitMq) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        var before = await Waiting(connection);

        var referral = await A.Accepted(host);
        await channel.BasicPublishAsync(SchedulingEvents.Exchange, SchedulingEvents.Booked, Encoding.UTF8.GetBytes(body));
        await referral.Booked();

        await Eventually.Is(async () => await Waiting(connection) == before + 1, "the message lies in " + Queue + "_error", seconds: 30);
        var aside = await channel.BasicGetAsync(Queue + "_error", autoAck: false);
        aside!.BasicProperties.Headers!.Keys.Should().Contain("MT-Fault-Message");
        await channel.BasicNackAsync(aside.DeliveryTag, multiple: false, requeue: true);
    }

    [Fact]
    public async Task What_was_put_aside_goes_back_on_demand_and_has_its_effect_once()
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(host.RabbitMq) }.CreateConnectionAsync();
        await using (var channel = await connection.CreateChannelAsync())
            await channel.BasicPublishAsync(SchedulingEvents.Exchange, SchedulingEvents.Booked, "the first failure makes the queue"u8.ToArray());
        await Eventually.Is(async () => await Waiting(connection) > 0, "there is a queue for what failed", seconds: 30);
        var referral = await A.Accepted(host);
        var booking = Guid.NewGuid();
        var message = $$"""
            {"specversion":"1.0","id":"{{Guid.NewGuid()}}","source":"/scheduling","type":"scheduling.booked","subject":"{{referral.No}}",
             "time":"2026-11-22T00:00:00Z","datacontenttype":"application/json","dataschema":"x","someday":"unknown",
             "data":{"referralId":"{{referral.Id}}","referralNo":"{{referral.No}}","leg":1,"attempt":1,"bookingId":"{{booking}}","institution":"{{referral.Receiver}}",
                     "resource":"Slot","startsAt":"2027-01-01T01:00:00Z","endsAt":"2027-01-01T01:30:00Z","newMember":true} }
            """;
        await using var aside = await connection.CreateChannelAsync();
        foreach (var _ in new[] { 1, 2, 3 })
            await aside.BasicPublishAsync("", Queue + "_error", Encoding.UTF8.GetBytes(message));
        await Eventually.Is(async () => await Waiting(connection) >= 3, "three lie aside");

        (await Redrive.Run(host.RabbitMq, Queue)).Should().BeGreaterThanOrEqualTo(3);

        await referral.Reaches("Scheduled");
        (await host.Database.Query<long>("select count(*) from history where referral_id = @id and event in ('scheduled', 'rescheduled')", new { id = referral.Id }))
            .Single().Should().Be(1);
    }

    // a channel of its own: the broker closes the one that asks for a queue nobody has made yet
    private static async Task<uint> Waiting(IConnection connection)
    {
        await using var channel = await connection.CreateChannelAsync();
        try
        {
            return await channel.MessageCountAsync(Queue + "_error");
        }
        catch (RabbitMQ.Client.Exceptions.OperationInterruptedException)
        {
            return 0;
        }
    }
}
