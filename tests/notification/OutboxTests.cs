using System.Collections.Concurrent;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Referrals.Contracts;
using ServiceDefaults.Messaging;
using ServiceDefaults.Storage;

namespace NotificationService.Tests;

/// <summary>The way every event goes between services: outbox, relay, topic exchange, quorum queue, consumer.</summary>
public sealed class OutboxTests
{
    private sealed record Delivery(ReferralEvent Event, string Body, Guid? MessageId, string? ContentType);

    private sealed class Heard : ConcurrentQueue<Delivery>;

    private sealed class WhenReferralAccepted(Heard heard) : IConsumer<ReferralEvent>
    {
        public Task Consume(ConsumeContext<ReferralEvent> context)
        {
            heard.Enqueue(new(context.Message, context.ReceiveContext.Body.GetString(), context.MessageId, context.ReceiveContext.ContentType?.ToString()));
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task A_stored_event_reaches_a_subscriber_with_its_bytes_its_id_and_its_media_type()
    {
        await using var database = await TestDatabase.Create("notification", typeof(Program).Assembly);
        var heard = new Heard();
        await using var app = await Started(database, heard);

        var sent = A.Referral().Next(ReferralEvents.Accepted, f => f with { State = ReferralState.Accepted });
        await database.Execute("insert into outbox (message_id, exchange, routing_key, body) values (@Id, @Exchange, @Type, @Body)", sent);

        await Eventually.Is(() => Task.FromResult(!heard.IsEmpty), "heard");
        var got = heard.Should().ContainSingle().Subject;
        got.Body.Should().Be(sent.Body);
        got.MessageId.Should().Be(sent.Id);
        got.ContentType.Should().Be("application/cloudevents+json");
        got.Event.Data.State.Should().Be(ReferralState.Accepted, "enums travel by name");
        await Eventually.Is(async () => (await database.Query<long>("select count(*) from outbox"))[0] == 0, "a confirmed event leaves the outbox");
        await app.StopAsync();
    }

    [Fact]
    public async Task More_than_memory_takes_goes_out_of_the_table()
    {
        await using var database = await TestDatabase.Create("notification", typeof(Program).Assembly);
        var heard = new Heard();
        await using var app = await Started(database, heard);

        // handed over faster than they go out
        var rows = await Stored(database, 6000);
        app.Services.GetRequiredService<Outbox>().Committed(rows);

        await AreHeard(rows, database, heard);
        await app.StopAsync();
    }

    [Fact]
    public async Task What_one_instance_has_in_memory_and_another_takes_for_left_behind_is_heard_all_the_same()
    {
        await using var database = await TestDatabase.Create("notification", typeof(Program).Assembly);
        var (heard, broker) = (new Heard(), await Servers.NewVirtualHost());
        await using var app = await Started(database, heard, broker);
        await using var other = await Started(database, heard, broker);

        var rows = await Stored(database, 2000, age: TimeSpan.FromMinutes(1));
        app.Services.GetRequiredService<Outbox>().Committed(rows);

        await AreHeard(rows, database, heard);
        await app.StopAsync();
        await other.StopAsync();
    }

    [Fact]
    public async Task What_was_published_and_could_not_be_removed_is_published_again_under_its_id()
    {
        await using var database = await TestDatabase.Create("notification", typeof(Program).Assembly);
        var heard = new Heard();
        await using var app = await Started(database, heard);
        await database.Execute("""
            create function stays() returns trigger language plpgsql as $$ begin raise exception 'not now'; end $$;
            create trigger stays before delete on outbox for each row execute function stays()
            """);

        var rows = await Stored(database, 10);
        app.Services.GetRequiredService<Outbox>().Committed(rows);
        await Eventually.Is(() => Task.FromResult(heard.Select(d => d.MessageId).Distinct().Count() == rows.Count), "each was published from memory");
        (await database.Query<long>("select count(*) from outbox"))[0].Should().Be(rows.Count);
        heard.Clear();
        await database.Execute("drop function stays() cascade");

        await AreHeard(rows, database, heard);
        await app.StopAsync();
    }

    private static async Task<IReadOnlyList<OutboxMessage>> Stored(TestDatabase database, int count, TimeSpan age = default)
    {
        var sent = A.Referral().Next(ReferralEvents.Accepted, f => f with { State = ReferralState.Accepted });
        return await database.Query<OutboxMessage>("""
            insert into outbox (message_id, exchange, routing_key, body, created_at)
            select gen_random_uuid(), @Exchange, @Type, @Body, now() - @age from generate_series(1, @count)
            returning id, message_id, exchange, routing_key, body
            """, new { sent.Exchange, sent.Type, sent.Body, count, age });
    }

    private static async Task AreHeard(IReadOnlyList<OutboxMessage> rows, TestDatabase database, Heard heard)
    {
        await Eventually.Is(async () => (await database.Query<long>("select count(*) from outbox"))[0] == 0, "all of them left the outbox", 30);
        await Eventually.Is(() => Task.FromResult(!rows.Select(r => (Guid?)r.MessageId).Except(heard.Select(d => d.MessageId)).Any()), "each was heard", 30);
    }

    private static async Task<WebApplication> Started(TestDatabase database, Heard heard, string? broker = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["ConnectionStrings:Database"] = database.App;
        builder.Configuration["RabbitMq:Uri"] = broker ?? await Servers.NewVirtualHost();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddSingleton(heard);
        builder.AddDatabase();
        builder.AddBus(new Subscription("test-referral-events", ReferralEvents.Exchange, ["referral.up.accepted"], typeof(WhenReferralAccepted)));
        var app = builder.Build();
        await app.StartAsync();
        await Eventually.Is(async () => (await app.Services.GetRequiredService<IBusControl>().WaitForHealthStatus(BusHealthStatus.Healthy, TimeSpan.FromSeconds(1))) == BusHealthStatus.Healthy, "the bus is up", 30);
        return app;
    }

    [Fact]
    public async Task A_service_without_its_broker_is_ready_but_degraded()
    {
        await using var database = await TestDatabase.Create("notification", typeof(Program).Assembly);
        await using var host = new ServiceHost<Program>(database.App, "amqp://nobody:nothing@127.0.0.1:9/nowhere",
            // MassTransit goes on trying when the host is gone
            settings: new Dictionary<string, string> { ["Logging:Console:LogLevel:MassTransit"] = "None" });
        var answer = await host.As(null).GetAsync("/health/ready");
        answer.EnsureSuccessStatusCode();
        (await answer.Json()).GetProperty("parts").GetProperty("broker").GetString().Should().Be("degraded");
    }
}
