using System.Text.Json;
using Deployed;
using Load;

var seconds = Number("--seconds", 10);
var grow = Number("--grow", 1_000_000);
var alliance = new Alliance();
await alliance.Open();
var results = new List<Result>();
try
{
    Console.WriteLine($"Each step runs {seconds} s on {Environment.ProcessorCount} cores, everything on them: services, database, broker and this program.");
    if (Text("--only") is "indicators")
    {
        Console.WriteLine(Result.Head);
        foreach (var result in await new YearOfReferrals(alliance).Measure())
            Show(result);
        return await Judged();
    }
    if (Text("--only") is "starts")
    {
        Console.WriteLine(Result.Head);
        foreach (var result in await new Starts(alliance).Measure())
            Show(result);
        return await Judged();
    }
    Console.WriteLine(Result.Head);
    var pg8 = Show(await Yardstick.Moves(8, seconds));
    var pg32 = Show(await Yardstick.Moves(32, seconds));
    Show(await Yardstick.Broker(alliance.RabbitMq, seconds));
    Show(await Yardstick.Hello(seconds));

    await using var steps = new Steps(alliance);
    await steps.Supply();
    // the first seconds belong to the just-in-time compiler
    await steps.Loops(8, Number("--warm", 20));

    var usage = new Usage(alliance);
    if (Text("--only") is "reads")
    {
        // all that came so far went its whole way: an empty worklist is none
        await steps.Stock(500);
        await Reads(steps, usage, pg8, "");
        return await Judged();
    }
    if (Text("--only") is "webhooks")
    {
        await Deliveries(pg8);
        return await Judged();
    }
    if (Text("--only") is "growth")
    {
        await Grow(steps, usage, pg8);
        return await Judged();
    }
    await using var statements = new Statements();
    await Loops(steps, usage, statements, pg32);
    if (Text("--only") is "loops")
    {
        Memory();
        return await Judged();
    }
    Show((await usage.Of(() => steps.Submit(8, seconds))).Beside(pg8, 0.15).P95Within(25));
    await steps.Stock(1500 * seconds / 2);
    Show((await usage.Of(() => steps.Accept(8, seconds))).Beside(pg8, 0.2));
    Show((await usage.Of(() => steps.Accept(32, seconds))).Beside(pg32, 0.35));
    await steps.Drained();
    await steps.Stock(500 * seconds);
    await statements.Forget();
    var booked = Show((await usage.Of(() => steps.AcceptToScheduled(8, seconds))).Beside(pg8, 0.08).P95Within(40));
    await Dearest(statements, booked, 40);
    if (Text("--only") is "bookings")
        return await Judged();

    await Deliveries(pg8);
    await Reads(steps, usage, pg8, "");

    Memory();

    await Grow(steps, usage, pg8);
    // last: a hundred thousand referrals more would stand in the way of the others
    Show(await new Deadlines(alliance).Measure(await Steps.Submission(alliance.Referral.As(Alliance.Township)), seconds * 2));
    if (grow >= 100_000)
        foreach (var result in await new YearOfReferrals(alliance).Measure())
            Show(result);
}
finally
{
    await alliance.DisposeAsync();
}

return await Judged();

async Task<int> Judged()
{
    if (Text("--json") is { } file)
        await File.WriteAllTextAsync(file, JsonSerializer.Serialize(results, new JsonSerializerOptions { WriteIndented = true }));
    var judged = results.SelectMany(r => r.Bars).ToArray();
    Console.WriteLine($"bars met: {judged.Count(b => b.Met)} of {judged.Length}");
    return results.Exists(r => r.Errors > 0) ? 1 : 0;
}

async Task Loops(Steps steps, Usage usage, Statements statements, Result pg32)
{
    await statements.Forget();
    var loops = Show((await usage.Of(() => steps.Loops(32, seconds * 2))).Beside(pg32, 0.015));
    if (loops.CpuMs is not { } sum)
        return;
    Show(new Result($"CPU ms a loop: {string.Join(" + ", loops.Parts.Select(part => $"{part.Key} {part.Value:0.0}"))}", sum, null).Judged("≤ 20 ms", sum <= 20));
    await Dearest(statements, loops, 15);
}

async Task Grow(Steps steps, Usage usage, Result pg8)
{
    foreach (var stored in new[] { 10_000, 100_000, 1_000_000 }.Where(n => n <= grow))
    {
        await new Growth(alliance).To(stored, await steps.One());
        await Reads(steps, usage, pg8, $", {stored:N0} stored");
        await steps.Stock(200 * seconds);
        Show((await usage.Of(() => steps.Accept(8, seconds))).Named($"accept; 8 clients, {stored:N0} stored").Beside(pg8, 0.2));
        await steps.Drained();
    }
}

// what the step spent the database's time on, each statement's share of one success
async Task Dearest(Statements statements, Result step, int most)
{
    await foreach (var line in statements.Dearest(most, Math.Max(1, step.Count)))
        Console.WriteLine("  " + line);
}

// what waits for an endpoint that is down must not slow the others: the same two steps again beside it
async Task Deliveries(Result pg8)
{
    var webhooks = new Webhooks(alliance);
    Show((await webhooks.Latency(seconds)).P50Within(12).P95Within(25));
    Show((await webhooks.Drain(200 * seconds)).Beside(pg8, 0.2));
    await using var outage = await webhooks.Down();
    var (latency, drain) = (Show(await outage.Beside(0, await Latency())), Show(await outage.Beside(0, await Drain())));
    const int undelivered = 100_000;
    await outage.Store(undelivered);
    Show((await outage.Beside(undelivered, await Latency())).AsQuickAs(latency, 0.8));
    Show((await outage.Beside(undelivered, await Drain())).Beside(drain, 0.8));

    Task<Result> Latency() => Better(() => webhooks.Latency(seconds), r => r.Percentiles![0]);
    Task<Result> Drain() => Better(() => webhooks.DrainRows(2000 * seconds), r => -r.PerSecond!.Value);
}

// of two runs: whatever else the machine does makes a step slower, never faster; an error of either counts
async Task<Result> Better(Func<Task<Result>> step, Func<Result, double> slowness) =>
    new[] { await step(), await step() }.OrderByDescending(r => r.Errors).ThenBy(slowness).First();

async Task Reads(Steps steps, Usage usage, Result pg8, string suffix)
{
    var one = await steps.One();
    var list = Show((await Yardstick.Worklist(alliance, seconds)).Named("pgbench: the worklist's query; 8 clients" + suffix));
    Show((await usage.Of(() => steps.Worklist(8, seconds))).Named("worklist of 20, masked; 8 clients" + suffix).Beside(list, 0.3).P95Within(8));
    var detail = Show((await Yardstick.Detail(alliance, one, seconds)).Named("pgbench: the detail's query; 8 clients" + suffix));
    Show((await usage.Of(() => steps.Detail("detail without patient" + suffix, one, "OPERATIONS", seconds))).Beside(detail, 0.3));
    Show((await usage.Of(() => steps.Detail("detail with patient, audited" + suffix, one, "TREATMENT", seconds))).Beside(pg8, 0.3));
}

void Memory()
{
    var megabytes = new Usage(alliance).Megabytes().ToArray();
    Show(new Result($"memory in MB: {string.Join(" + ", megabytes.Select(m => $"{m.Key} {m.Value}"))}", megabytes.Sum(m => m.Value), null)
        .Judged("≤ 450", megabytes.Sum(m => m.Value) <= 450));
}

Result Show(Result result)
{
    results.Add(result);
    Console.WriteLine(result);
    return result;
}

int Number(string name, int otherwise) => Text(name) is { } text ? int.Parse(text) : otherwise;

string? Text(string name) => Array.IndexOf(args, name) is >= 0 and var i && i + 1 < args.Length ? args[i + 1] : null;
