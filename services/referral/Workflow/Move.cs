using System.Text.Json.Nodes;
using MassTransit;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Patients;
using ReferralService.Referrals;
using ServiceDefaults.Http;

namespace ReferralService.Workflow;

/// <summary>Who acts in a move, as the table of moves says it.</summary>
[Flags]
internal enum Side
{
    None = 0,
    /// <summary>The institution that asks; in a downward referral the hospital.</summary>
    Sender = 1,
    /// <summary>The target of the live leg.</summary>
    Receiver = 2,
    /// <summary>The alliance office, in its own name.</summary>
    Alliance = 4,
    /// <summary>The head of the sender, or the lead hospital where a case leaves the region.</summary>
    Approver = 8,
    /// <summary>A timer, another service, or the consequence of a linked referral's move.</summary>
    System = 16,
    /// <summary>The village clinic that drafts for its township, until it is sent.</summary>
    Drafter = 32,
}

/// <summary>The one who acts, with the sides it stands on for this referral.</summary>
internal sealed record Actor(Side Sides, string Subject, string Institution, string Role, string? OnBehalfOf)
{
    /// <summary>The clinician who answers for it: software names the one it acts for.</summary>
    public string Clinician => Role == nameof(ServiceDefaults.Auth.Role.Machine) ? OnBehalfOf ?? Subject : Subject;

    /// <summary>A timer or another service.</summary>
    public static readonly Actor System = new(Side.System, "system", "system", "System", null);
}

/// <summary>A command on its way through the machine: what was asked, by whom, when, and what came of it.</summary>
internal abstract class Move(string verb, Actor actor, DateTimeOffset now)
{
    public string Verb => verb;
    public Actor Actor => actor;
    public DateTimeOffset Now => now;

    /// <summary>Institutions, agreements and reason codes as they stand now.</summary>
    public required AllianceSnapshot Alliance { get; init; }

    /// <summary>Why it was refused; nothing of it is stored then.</summary>
    public Problem? Refusal { get; set; }

    /// <summary>What was written by this move, in order; empty when the state does not know the verb.</summary>
    public List<HistoryRow> Rows { get; } = [];

    /// <summary>Moves of linked referrals that follow from this one and are stored with it.</summary>
    public List<Consequence> Consequences { get; } = [];

    /// <summary>Coded reason of the move, for row and event.</summary>
    public string? Reason { get; set; }

    /// <summary>What the actor wrote; kept under the patient's key, never in an event.</summary>
    public string? Words { get; set; }

    /// <summary>Coded facts for the history.</summary>
    public JsonObject? Detail { get; set; }

    /// <summary>Facts for the event that do not stay on the row.</summary>
    public EventExtras Extras { get; } = new();

    /// <summary>A new version of the slip.</summary>
    public SlipVersion? NewSlip { get; set; }

    /// <summary>The patient of an emergency, known only now.</summary>
    public Identity? NewIdentity { get; set; }

    /// <summary>The move of a linked referral that follows from this one.</summary>
    public void Causes<T>(Guid referralId, Func<ReferralStateMachine, Event<Move<T>>> on, T command, bool required = false)
        where T : class => Consequences.Add(new Consequence<T>(referralId, on, command, required));
}

/// <summary>A command with its own type.</summary>
internal sealed class Move<T>(T command, string verb, Actor actor, DateTimeOffset now) : Move(verb, actor, now)
    where T : class
{
    public T Command => command;
}

/// <summary>Members of an event that exist only at that event.</summary>
internal sealed class EventExtras
{
    /// <summary>Who took it up, gave it back or refused it: not always who was named on the slip.</summary>
    public string? Clinician { get; set; }
    public string? PreviousReceiver { get; set; }
    public ReferralState? PreviousState { get; set; }
    public LoopStart? LoopFrom { get; set; }
    public DeadlineFacts? Deadline { get; set; }
    /// <summary>The way back that the event is about.</summary>
    public (Guid Id, string No)? Return { get; set; }
    public IReadOnlyList<string>? Flags { get; set; }
    public bool FirstBooking { get; set; }
    public bool FromPool { get; set; }
}

/// <summary>A version of the national form as it was written.</summary>
internal sealed record SlipVersion(int Version, string Content, string WrittenBy);

/// <summary>A referral that does not stand in the table yet, with what is stored beside it.</summary>
/// <param name="Identity">Null when the patient is already on file (a linked referral).</param>
internal sealed record NewReferral(Referral Referral, SlipVersion Slip, Identity? Identity)
{
    /// <summary>The form as it was taken: with what the service found out about it.</summary>
    public Referrals.Intake.ReferralForm? Form { get; init; }

    /// <summary>Somebody signs first: until then it is a draft.</summary>
    public bool MustBeSigned { get; init; }
}

/// <summary>A move of another referral that one move brings about; both are stored in one transaction.</summary>
/// <param name="Required">True when its refusal refuses the whole; otherwise a state that does not know it is no fault.</param>
internal abstract record Consequence(Guid ReferralId, bool Required)
{
    public abstract Task<Move> Raise(MoveDriver driver, Referral referral, Move cause);
}

internal sealed record Consequence<T>(
    Guid ReferralId, Func<ReferralStateMachine, Event<Move<T>>> On, T Command, bool Required)
    : Consequence(ReferralId, Required) where T : class
{
    public override Task<Move> Raise(MoveDriver driver, Referral referral, Move cause) =>
        driver.Follow(referral, On, Command, cause);
}
