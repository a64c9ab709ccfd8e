using System.Diagnostics;

namespace ReferralDemo;

/// <summary>An event that an institution must have been told.</summary>
internal sealed record Expected(Actor Listener, string ReferralNo, long Sequence, string Type);

/// <summary>
/// Compares what was done with what was told: each step of each timeline must have come as a webhook with a valid
/// signature, and stand once and in order in the outside log, of every listening institution that is a party of it.
/// </summary>
internal sealed class Evidence(Stage stage, Subscribers subscribers)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(50);

    private readonly Dictionary<string, int> _events = [];

    /// <summary>Events of all referrals that were walked.</summary>
    public int Events { get; private set; }
    public int Webhooks { get; private set; }
    /// <summary>Events per listening institution in the outside log.</summary>
    public Dictionary<string, int> Logged { get; } = [];

    /// <summary>Waits for the webhooks of what these referrals went through so far: the next story begins on a fresh line.</summary>
    public async Task<IReadOnlyList<Expected>> Arrived(params IEnumerable<Case> referrals)
    {
        var expected = new List<Expected>();
        foreach (var referral in referrals)
            expected.AddRange(await Told(referral));
        await AwaitWebhooks(expected);
        return expected;
    }

    public async Task Check()
    {
        var expected = await Arrived(stage.Cases);
        Webhooks = expected.Count;
        Events = _events.Values.Sum();
        foreach (var listener in subscribers.All)
            await CheckLog(listener, [.. expected.Where(e => e.Listener == listener)]);
    }

    /// <summary>The states a referral passed, in order, each once in a row.</summary>
    public async Task<IReadOnlyList<string>> StatesOf(Case referral)
    {
        var states = new List<string>();
        foreach (var step in await referral.Timeline(stage.Cast.Desk(referral.Sender)))
            if (step["sequence"] is not null && step.Text("to") is var state && states.LastOrDefault() != state)
                states.Add(state);
        return states;
    }

    /// <summary>Ends the walk unless all of these states were passed in this order; others may lie between.</summary>
    public static void CheckStates(Case referral, IReadOnlyList<string> passed, IReadOnlyList<string> expected)
    {
        var next = 0;
        foreach (var state in passed)
            if (next < expected.Count && state == expected[next])
                next++;
        if (next < expected.Count)
            throw new WalkFailed($"{referral.No} never passed {expected[next]}: its timeline says {string.Join(", ", passed)}.");
    }

    private async Task<IReadOnlyList<Expected>> Told(Case referral)
    {
        var told = new List<Expected>();
        var last = 0L;
        foreach (var step in await referral.Timeline(stage.Cast.Desk(referral.Sender)))
        {
            if ((long?)step["sequence"] is not { } sequence)
                continue;
            if (sequence != ++last)
                throw new WalkFailed($"The timeline of {referral.No} jumps: #{last} is missing.");
            var type = $"referral.{(referral.IsUp ? "up" : "down")}.{step.Text("event")}";
            told.AddRange(subscribers.All
                .Where(listener => listener.Institution == referral.Sender || listener.Institution == referral.Receiver)
                .Select(listener => new Expected(listener, referral.No, sequence, type)));
        }
        _events[referral.No] = (int)last;
        return told;
    }

    private async Task AwaitWebhooks(IReadOnlyList<Expected> expected)
    {
        var began = Stopwatch.GetTimestamp();
        foreach (var one in expected)
        {
            Delivery? delivery;
            while ((delivery = stage.Receiver.Find(one.Listener.Institution, one.ReferralNo, one.Sequence)) is null)
            {
                if (stage.Receiver.Fault is { } fault)
                    throw new WalkFailed(fault);
                if (Stopwatch.GetElapsedTime(began) > Patience)
                    throw new WalkFailed($"The webhook {one.Type} (#{one.Sequence}) of {one.ReferralNo} did not reach {one.Listener.Name} within {Patience.TotalSeconds:0} s.");
                await Task.Delay(Between);
            }
            if (delivery.Type != one.Type)
                throw new WalkFailed($"Webhook #{one.Sequence} of {one.ReferralNo} for {one.Listener.Name} is {delivery.Type}, but the timeline says {one.Type}.");
        }
        if (stage.Receiver.Fault is { } wrong)
            throw new WalkFailed(wrong);
    }

    private async Task CheckLog(Actor listener, IReadOnlyList<Expected> expected)
    {
        var numbers = expected.Select(e => e.ReferralNo).ToHashSet();
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            var heard = (await subscribers.Heard(listener)).Where(e => numbers.Contains(e.Subject)).ToArray();
            foreach (var about in heard.GroupBy(e => e.Subject))
                if (!about.Select(e => e.Sequence).SequenceEqual(Enumerable.Range(1, about.Count()).Select(n => (long)n)))
                    throw new WalkFailed($"The outside log tells {listener.Name} the events of {about.Key} as #{string.Join(", #", about.Select(e => e.Sequence))}.");
            if (expected.All(e => heard.Contains((e.ReferralNo, e.Sequence))))
            {
                Logged[listener.Name] = heard.Length;
                return;
            }
            if (Stopwatch.GetElapsedTime(began) > Patience)
                throw new WalkFailed($"The outside log of {listener.Name} lacks {expected.Count(e => !heard.Contains((e.ReferralNo, e.Sequence)))} events after {Patience.TotalSeconds:0} s.");
            await Task.Delay(Between);
        }
    }
}
