using System.Text;
using System.Text.Json.Nodes;
using Deployed;
using RabbitMQ.Client;

namespace Faults.Cases;

/// <summary>X7: what no try can handle is put aside with its reason, what follows flows, and it can be driven back.</summary>
internal static class PoisonedMessages
{
    private const string Queue = "scheduling-referral-events";

    public static async Task Run(Scene scene)
    {
        await using var wire = await Wire.Listen(scene.Alliance.RabbitMq, "referral-events");
        var work = new Work(scene);
        var first = await Accepted(work);
        await scene.Eventually(() => Task.FromResult(wire.All.Any(h => h.Type.EndsWith(".accepted", StringComparison.Ordinal))), "an acceptance is on the wire", 20);
        var good = wire.All.First(h => h.Type.EndsWith(".accepted", StringComparison.Ordinal));

        // a handler that always throws: the database refuses what this one referral needs
        var victim = await work.Submit() ?? throw new InvalidOperationException("nothing was submitted");
        await scene.Scheduling.Database.Execute($"""
            create function test_refuse() returns trigger language plpgsql as $$ begin raise exception 'refused' using errcode = 'RF999'; end $$;
            create trigger test_refuse before insert or update on need for each row when (new.referral_id = '{victim}') execute function test_refuse()
            """);
        await work.Move(victim, "accept", Alliance.Tertiary, new { department = "03.03" });

        var poisons = Poisons(good);
        await using (var connection = await new ConnectionFactory { Uri = new Uri(scene.Alliance.RabbitMq) }.CreateConnectionAsync())
        {
            await using var channel = await connection.CreateChannelAsync(new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
            foreach (var (body, properties) in poisons)
                await channel.BasicPublishAsync("referral-events", good.Type, mandatory: false, properties, body);
        }
        // an event nobody knows is no poison: it is for somebody else
        await wire.Repeat([good with { Type = "referral.up.transmogrified" }]);

        var began = scene.Elapsed;
        var after = await Accepted(work);
        scene.Within(5, scene.Elapsed - began, "the next one flows after");
        var expected = poisons.Count + 1;
        await scene.Eventually(async () => await InError(scene) >= expected, $"{expected} poisoned messages are put aside", 30);
        scene.Same(expected, await InError(scene), "messages put aside");
        await Explained(scene);

        // the documented command: what was mended is handled, what was not comes to lie there again
        await scene.Scheduling.Database.Execute("drop function test_refuse() cascade");
        await Programs.Run("scheduling", scene.Alliance.Settings("scheduling"), "redrive", Queue);
        await work.Booked(victim);
        await scene.Eventually(async () => await InError(scene) == expected - 1, "what is still poisoned lies there again", 30);
        scene.Expect(after is not null && first is not null, "a referral beside the poison was not booked");
        foreach (var queue in await Invariants.Queues(scene.Alliance))
            if (queue.Name.EndsWith("_error", StringComparison.Ordinal))
                await TestKit.Servers.Control("rabbitmqctl", "-q", "purge_queue", "-p", new Uri(scene.Alliance.RabbitMq).AbsolutePath[1..], queue.Name);
    }

    private static async Task<Guid?> Accepted(Work work)
    {
        if (await work.Submit() is not { } id)
            return null;
        await work.Move(id, "accept", Alliance.Tertiary, new { department = "03.03" });
        return await work.Booked(id) ? id : null;
    }

    private static IReadOnlyList<(byte[] Body, BasicProperties Properties)> Poisons(Wire.Heard good)
    {
        BasicProperties Properties() => new() { MessageId = Guid.NewGuid().ToString(), ContentType = "application/cloudevents+json", DeliveryMode = DeliveryModes.Persistent };
        byte[] Changed(Action<JsonObject> change)
        {
            var body = JsonNode.Parse(good.Body)!.AsObject();
            change(body);
            return Encoding.UTF8.GetBytes(body.ToJsonString());
        }
        return
        [
            ("not JSON at all"u8.ToArray(), Properties()),
            (good.Body[..(good.Body.Length / 2)], Properties()),
            ("[]"u8.ToArray(), Properties()),
            (Changed(b => b["id"] = "no id"), Properties()),
            (Changed(b => b["data"] = "not an object"), Properties()),
            (Changed(b => b.Remove("data")), Properties()),
        ];
    }

    private static async Task<long> InError(Scene scene) =>
        (await Invariants.Queues(scene.Alliance)).Where(q => q.Name == Queue + "_error").Sum(q => q.Messages);

    // each carries why
    private static async Task Explained(Scene scene)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(scene.Alliance.RabbitMq) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        while (await channel.BasicGetAsync(Queue + "_error", autoAck: false) is { } failed)
            scene.Expect(failed.BasicProperties.Headers?.ContainsKey("MT-Fault-Message") == true, "a message lies there without its reason");
        // closing the channel gives them back
    }
}
