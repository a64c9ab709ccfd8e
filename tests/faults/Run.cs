using System.Diagnostics;
using Deployed;

namespace Faults;

/// <summary>What became of a case.</summary>
internal sealed record Outcome(Case Case, int Seed, double Seconds, IReadOnlyCollection<string> Findings, IReadOnlyCollection<string> Figures, string? Skipped)
{
    private string Verdict => Skipped is not null ? "skipped" : Findings.Count == 0 ? "held" : "BROKEN";

    public string Line => $"{Case.Name,-4} {Verdict,-8} {Seconds,5:0} s  seed {Seed,-7} {Case.Says}{(Skipped is null ? "" : ": " + Skipped)}";
}

/// <summary>Runs cases one after the other: generator, recorder, fault, final read, verdict.</summary>
internal sealed class Run(Options options, Action<string> say)
{
    private Alliance? _alliance;
    private Outside? _outside;

    public async Task<IReadOnlyList<Outcome>> Cases()
    {
        var outcomes = new List<Outcome>();
        try
        {
            foreach (var seed in options.Seeds)
                foreach (var @case in options.Cases)
                    outcomes.Add(await Play(@case, seed));
        }
        finally
        {
            await Close();
        }
        return outcomes;
    }

    private async Task<Outcome> Play(Case @case, int seed)
    {
        say($"{@case.Name}: {@case.Says} (again with --case {@case.Name} --seed {seed})");
        var began = Stopwatch.GetTimestamp();
        Scene? scene = null;
        string? skipped = null;
        try
        {
            if (@case.Alone)
                await Close();
            await Open();
            scene = new(_alliance!, _outside!, seed, options.Size, options.Patience, options.Minutes);
            await @case.Run(scene);
            await Invariants.Check(scene);
        }
        catch (SkippedException e)
        {
            skipped = e.Message;
        }
        catch (Exception e)
        {
            if (scene is null)
                throw;
            scene.Expect(false, $"{e.GetType().Name}: {e.Message} {e.StackTrace?.Split('\n').FirstOrDefault(l => l.Contains("Faults."))?.Trim()}");
        }
        var outcome = new Outcome(@case, seed, Stopwatch.GetElapsedTime(began).TotalSeconds, scene!.Findings, scene.Figures, skipped);
        foreach (var figure in outcome.Figures)
            say("      " + figure);
        foreach (var finding in outcome.Findings.Distinct().Take(12))
            say("   !! " + finding);
        if (outcome.Findings.Count > 0)
            foreach (var service in _alliance!.Services.Concat(_alliance.Others))
                say(service.Tail(6));
        // what this case broke is no matter of the next one
        if (@case.Alone || outcome.Findings.Count > 0)
            await Close();
        say(outcome.Line);
        return outcome;
    }

    private async Task Open()
    {
        if (_alliance is null)
        {
            _alliance = new();
            await _alliance.Open();
            _outside = await Outside.Of(_alliance);
        }
        await _alliance.Heal();
        await _outside!.Begin();
    }

    private async Task Close()
    {
        if (_outside is not null)
            await _outside.DisposeAsync();
        if (_alliance is not null)
            await _alliance.DisposeAsync();
        (_alliance, _outside) = (null, null);
    }
}
