using Referrals.Contracts;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Intake;

/// <summary>It became an emergency: the patient leaves now, the receiver's alarm starts.</summary>
internal sealed record MakeEmergency(GreenChannel? GreenChannel, string? Text) : ICommand
{
    [System.Text.Json.Serialization.JsonIgnore]
    public bool StandingAgreement { get; init; }

    /// <summary>What is known of its times.</summary>
    public Journey.EmergencyTimes? Times { get; init; }

    public void Check(Checks checks)
    {
        Times?.Check(checks, "/times");
        checks.Required(GreenChannel, "/greenChannel");
        checks.Text(Text, "/text", Reasons.TextLimit, required: false);
    }

    public static Problem? Raise(Referral r, Move<MakeEmergency> move)
    {
        move.Extras.PreviousState = Enum.Parse<ReferralState>(r.State);
        move.Words = move.Command.Text;
        r.Priority = Priority.Emergency;
        r.GreenChannel = move.Command.GreenChannel;
        r.StandingAgreement = move.Command.StandingAgreement;
        r.AcknowledgedAt = null;
        r.SubmittedAt ??= move.Now;
        // the alarm counts from now, not from the day it was an ordinary referral
        r.LegSubmittedAt = move.Now;
        r.Leg = Math.Max(1, r.Leg);
        r.Tried = r.Tried.Length == 0 ? [r.Receiver] : r.Tried;
        r.DispatchedAt = move.Command.Times?.DepartedAt ?? move.Now;
        Triage.ClaimReferral.LetGo(r);
        return move.Command.Times?.NoteOn(r, move.Now, "/times");
    }
}
