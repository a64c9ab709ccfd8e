using System.Diagnostics;
using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>
/// One referral on its way. Every move carries the entity tag of the last answer and a fresh Idempotency-Key, and must
/// lead where the story says.
/// </summary>
internal sealed class Case
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(60);

    private readonly Service _referrals;
    private readonly Printer _printer;
    private string? _etag;

    private Case(Stage stage, JsonObject answer, string sender, string receiver)
    {
        (_referrals, _printer) = (stage.Api.Referral, stage.Printer);
        (Sender, Receiver) = (sender, receiver);
        Id = answer.Text("id");
        No = answer.Text("referralNo");
        State = answer.Text("state");
        stage.Cases.Add(this);
        stage.Receiver.Follow(No);
    }

    public string Id { get; }
    public string No { get; }
    public string Sender { get; }
    public string Receiver { get; }
    public string State { get; private set; }
    /// <summary>The referral as it was read last.</summary>
    public JsonObject View { get; private set; } = [];
    public bool IsUp => No.StartsWith('U');
    public char Arrow => IsUp ? '↑' : '↓';

    /// <summary>
    /// Drafts and submits a slip in one call. An open referral of the same patient and illness, left by an earlier
    /// run, is confirmed as a doctor would do it.
    /// </summary>
    public static async Task<Case> Submit(Stage stage, Actor by, Slip slip, JsonObject form, string expected)
    {
        const string Path = "/v1/referrals?submit=true";
        var what = $"to submit slip {slip.Title}";
        var answer = await stage.Api.Referral.Ask(by, Path, form);
        if (answer.Code == "duplicate-referral")
        {
            stage.Printer.Remark($"{answer.Body["openReferral"]} is still open for the same patient and illness: submitted again with confirmDuplicate");
            form["confirmDuplicate"] = true;
            answer = await stage.Api.Referral.Ask(by, Path, form);
        }
        if (!answer.Succeeded)
            throw new WalkFailed(stage.Api.Referral.Refusal(by, what, answer));
        var made = new Case(stage, answer.Body, slip.Institution, slip.Target) { _etag = answer.ETag };
        made.Demand("submit", expected);
        await made.Look(by);
        stage.Printer.Step(made, by.Name, by.Role, "submit", made.State, answer.Took, $"patient {made.View["patient"]?["name"]}");
        return made;
    }

    /// <summary>The downward referral that a return created.</summary>
    public static async Task<Case> Born(Stage stage, Actor by, Answer answer, string sender, string receiver, string expected)
    {
        if (answer.Body["linked"] is not JsonArray { Count: 1 } linked)
            throw new WalkFailed("The return was taken, but its answer names no downward referral.");
        var born = new Case(stage, (JsonObject)linked[0]!, sender, receiver);
        born.Demand("return", expected);
        await born.Look(by);
        stage.Printer.Step(born, by.Name, by.Role, "submit (with return)", born.State, TimeSpan.Zero, $"patient {born.View["patient"]?["name"]}");
        return born;
    }

    /// <summary>Makes a move and checks where it led; <paramref name="outcome"/> is what a good end must say.</summary>
    public async Task<Answer> Move(Actor by, string verb, JsonObject body, string expected, string? outcome = null, string? detail = null)
    {
        var answer = await _referrals.Post(by, $"/v1/referrals/{Id}/{verb}", body, $"'{verb}' of {No}", _etag);
        _etag = answer.ETag ?? _etag;
        State = answer.Body.Text("state");
        Demand(verb, expected);
        await CheckOutcome(by, outcome);
        _printer.Step(this, by.Name, by.Role, verb, Standing(outcome), answer.Took, detail);
        return answer;
    }

    /// <summary>Waits until it stands in one of these states by itself; the walk ends when it does not.</summary>
    public async Task Await(Actor by, string because, params string[] states)
    {
        var began = Stopwatch.GetTimestamp();
        // what was read just now may already have moved on: it was passed all the same
        while (!states.Contains(State))
        {
            if (Stopwatch.GetElapsedTime(began) > Patience)
                throw new WalkFailed($"{No} did not become {string.Join(" or ", states)} within {Patience.TotalSeconds:0} s after {because}: it is {State}.");
            await Task.Delay(Between);
            await Look(by);
        }
    }

    /// <summary>Waits for a state that somebody else brings about, and prints that step.</summary>
    /// <param name="since">Stopwatch of what it follows from.</param>
    public async Task AwaitStep(Actor by, string who, string verb, string because, long since, string state, string? outcome = null)
    {
        await Await(by, because, state);
        await CheckOutcome(by, outcome);
        _printer.Step(this, who, "System", verb, Standing(outcome), Stopwatch.GetElapsedTime(since), Booking());
    }

    public async Task Look(Actor by)
    {
        var answer = await _referrals.Look(by, $"/v1/referrals/{Id}", $"to read {No}");
        View = answer.Body;
        _etag = answer.ETag ?? _etag;
        State = View.Text("state");
    }

    /// <summary>What is written of it: every step in order.</summary>
    public async Task<IReadOnlyList<JsonObject>> Timeline(Actor by)
    {
        var timeline = await _referrals.Get(by, $"/v1/referrals/{Id}/timeline", $"to read the timeline of {No}");
        return timeline.Rows("entries");
    }

    private string Standing(string? outcome) => outcome is null ? State : $"{State} ({outcome})";

    private void Demand(string verb, string expected)
    {
        if (State != expected)
            throw new WalkFailed($"{No} should be {expected} after '{verb}', but is {State}.");
    }

    private async Task CheckOutcome(Actor by, string? outcome)
    {
        if (outcome is null)
            return;
        await Look(by);
        if (View["outcome"]?.GetValue<string>() is var found && found != outcome)
            throw new WalkFailed($"{No} should have ended as {outcome}, but ended as {found ?? "nothing"}.");
    }

    private string? Booking() => State == "Scheduled" && View["booking"] is JsonObject held
        ? $"{held["resource"]} from {Day.Short(held["startsAt"]!.GetValue<DateTimeOffset>())}" : null;
}
