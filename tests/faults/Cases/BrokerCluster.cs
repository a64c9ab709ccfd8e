using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X29: a cluster of three brokers with quorum queues loses one node after the other under load.</summary>
internal static class BrokerCluster
{
    private static string Script => Shell.Source("tests/faults/cluster");

    public static async Task Run(Scene outer)
    {
        var ports = (await Shell.Run(Script, "start", Servers.Folder)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var nodes = string.Join(',', ports.Select(p => "127.0.0.1:" + p));
        var host = "";
        try
        {
            await using var alliance = new Alliance { Change = (_, settings) => settings["RabbitMq__Nodes"] = nodes };
            await alliance.Open();
            host = new Uri(alliance.RabbitMq).AbsolutePath[1..];
            await using var outside = await Outside.Of(alliance);
            await alliance.Heal();
            await outside.Begin();
            var scene = outer.With(alliance, outside);
            await Lose(scene);
            // all that was said may have been heard by a node that is gone: the final read asks the ones that are there
            await outside.Listen();
            await Invariants.Check(scene);
        }
        finally
        {
            // queues whose nodes are forgotten would ask for them for ever
            if (host != "")
                await Servers.Control("rabbitmqctl", "-q", "delete_vhost", host);
            await Shell.Run(Script, "stop", Servers.Folder);
        }
    }

    private static async Task Lose(Scene scene)
    {
        var work = Work.Start(scene, writers: 6, deep: 0.4);
        await scene.Wait(scene.Pick(3, 5, 8));
        var order = new[] { 2, 3, 1 };
        scene.Random.Shuffle(order);
        foreach (var node in order.Take(scene.Pick(1, 1, 3)))
        {
            if (node == 1)
                await Servers.Control("broker-kill");
            else
                await Shell.Run(Script, "kill", Servers.Folder, node.ToString());
            scene.Within(2, await work.NextGood(5), $"next answers after node {node} was killed:");
            var began = scene.Elapsed;
            // what is accepted now is booked by way of the two that are left
            var beside = new Work(scene);
            if (await beside.Submit() is { } id && await beside.Move(id, "accept", Alliance.Tertiary, new { department = "03.03" }))
                await beside.Booked(id);
            scene.Within(15, scene.Elapsed - began, $"accepted to booked without node {node}:");
            await scene.Wait(scene.Pick(1, 3, 8));
            if (node == 1)
                await Servers.Control("broker-start");
            else
                await Shell.Run(Script, "revive", Servers.Folder, node.ToString());
            await scene.Wait(scene.Pick(1, 3, 5));
        }
        await work.Stop();
    }
}
