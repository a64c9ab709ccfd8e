using Referrals.Contracts;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Intake;

/// <summary>It became an emergency: the patient leaves now, the receiver's alarm starts.</summary>
internal sealed record MakeEmergency(GreenChannel? GreenChannel, string? Text) : ICommand
{
    [System.Text.Json.Serialization.JsonIgnore]
    public bool StandingAgreement { get; init; }

    public void Check(Checks checks)
    {
        checks.Required(GreenChannel, "/greenChannel");
        checks.Text(Text, "/text", Reasons.TextLimit, required: false);
    }

    public static Problem? Raise(Referral r, Move<MakeEmergency> move)
    {
        if (r.Kind is not (ReferralKind.OutpatientTransfer or ReferralKind.InpatientTransfer))
            return Refusals.NotThisKind;
        move.Extras.PreviousState = Enum.Parse<ReferralState>(r.State);
        move.Words = move.Command.Text;
        r.Priority = Priority.Emergency;
        r.GreenChannel = move.Command.GreenChannel;
        r.StandingAgreement = move.Command.StandingAgreement;
        r.AcknowledgedAt = null;
        r.SubmittedAt ??= move.Now;
        r.LegSubmittedAt ??= move.Now;
        r.Leg = Math.Max(1, r.Leg);
        r.Tried = r.Tried.Length == 0 ? [r.Receiver] : r.Tried;
        r.AcceptedAt ??= move.Now;
        r.DispatchedAt = move.Now;
        Triage.ClaimReferral.LetGo(r);
        return null;
    }
}
