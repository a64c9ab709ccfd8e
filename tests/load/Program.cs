using System.Text.Json;
using Deployed;
using Load;

var seconds = Option("--seconds") is { } text ? int.Parse(text) : 10;
var alliance = new Alliance();
await alliance.Open();
var results = new List<Result>();
try
{
    Console.WriteLine($"Each step runs {seconds} s on {Environment.ProcessorCount} cores, everything on them: services, database, broker and this program.");
    var yardstick = new Yardstick();
    var pg8 = await yardstick.Measure(8, seconds);
    var pg32 = await yardstick.Measure(32, seconds);
    results.Add(new("pgbench: BEGIN, update, two inserts, END; 8 clients", pg8, null, null));
    results.Add(new("pgbench: the same; 32 clients", pg32, null, null));

    await using var steps = new Steps(alliance);
    await steps.Supply();
    // the first seconds belong to the just-in-time compiler
    await steps.Loops(8, 20);
    var usage = new Usage(alliance);
    if (Option("--only") is "loops")
    {
        await steps.Drained();
        Console.WriteLine("MEASURING");
    }
    else {
    results.Add((await steps.Submit(8, seconds)).Beside(pg8, 0.15));
    results.Add((await steps.Accept(8, seconds)).Beside(pg8, 0.2));
    results.Add((await steps.Submit(32, seconds)).Named("submit; 32 clients"));
    results.Add((await steps.Accept(32, seconds)).Named("accept; 32 clients").Beside(pg32, 0.35));
    results.Add((await steps.Worklist(8, seconds)).Named("worklist of 20, masked; 8 clients"));
    await steps.Drained();
    }
    var before = usage.CpuSeconds();
    var loops = await steps.Loops(32, seconds * 2);
    results.Add(loops.Beside(pg32, 0.015));
    if (loops.Errors == 0 && loops.Count > 0)
    {
        var spent = usage.CpuSeconds().Select(part => (part.Key, Ms: (part.Value - before[part.Key]) * 1000 / loops.Count)).ToArray();
        Console.WriteLine($"CPU ms a full loop: {spent.Sum(part => part.Ms):0.0} = {string.Join(" + ", spent.Select(part => $"{part.Key} {part.Ms:0.0}"))}");
        var memory = usage.Megabytes().ToArray();
        Console.WriteLine($"memory in MB: {memory.Sum(part => part.Value)} = {string.Join(" + ", memory.Select(part => $"{part.Key} {part.Value}"))}");
    }
}
finally
{
    await alliance.DisposeAsync();
}

Console.WriteLine();
Console.WriteLine($"{"what",-58} {"per second",10} {"p50 ms",8} {"p95 ms",8} {"p99 ms",8} {"ratio",7} {"bar",6}");
foreach (var result in results)
    Console.WriteLine(result);
if (Option("--json") is { } file)
    await File.WriteAllTextAsync(file, JsonSerializer.Serialize(results, new JsonSerializerOptions { WriteIndented = true }));
var judged = results.Where(r => r.Bar is not null).ToArray();
Console.WriteLine($"bars met: {judged.Count(r => r.Met)} of {judged.Length}");
return results.Exists(r => r.Errors > 0) ? 1 : 0;

string? Option(string name) => Array.IndexOf(args, name) is >= 0 and var i && i + 1 < args.Length ? args[i + 1] : null;
