using Referrals.Contracts;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Triage;

/// <summary>The receiver answers an emergency: the alarm stops.</summary>
internal sealed record AcknowledgeEmergency : ICommand
{
    public void Check(Checks checks)
    {
    }

    public static void Answer(Referral r, Move<AcknowledgeEmergency> move) => r.AcknowledgedAt ??= move.Now;
}

/// <summary>A clinician takes it up, for 15 minutes from the last move.</summary>
internal sealed record ClaimReferral : ICommand
{
    /// <summary>A claim slides with every move of the claimant; how long it lasts is the timer Claim's setting.</summary>
    public static TimeSpan HeldFor(Referral r, Move move) =>
        TimeSpan.FromMinutes(move.Alliance.TimerFor(Deadlines.Timers.Claim, r, move.Now).ActAfterMinutes ?? 15);

    public void Check(Checks checks)
    {
    }

    public static void Take(Referral r, Move<ClaimReferral> move)
    {
        r.ClaimedBy = move.Actor.Subject;
        r.ClaimedUntil = move.Now + HeldFor(r, move);
        r.Assigned = false;
        move.Extras.Clinician = r.ClaimedBy;
    }

    /// <summary>Whoever works on it keeps it: each move of the claimant starts the quarter of an hour again.</summary>
    public static void Slide(Referral r, Move move)
    {
        if (r.At(ReferralState.InTriage) && r.ClaimedUntil is not null && r.ClaimedBy == move.Actor.Subject)
            r.ClaimedUntil = move.Now + HeldFor(r, move);
    }

    public static void LetGo(Referral r)
    {
        r.ClaimedBy = null;
        r.ClaimedUntil = null;
        r.Assigned = false;
    }
}

/// <summary>A coordinator gives it to a doctor, without a time limit.</summary>
internal sealed record AssignReferral(string? Clinician) : ICommand
{
    public void Check(Checks checks) => checks.Text(Clinician, "/clinician", 64);

    public static Problem? Give(Referral r, Move<AssignReferral> move)
    {
        if (!r.External && !move.Alliance.WorksAt(move.Command.Clinician!, r.Receiver))
            return Refusals.Rule("/clinician", "This clinician is not known at the receiver.", "接收机构没有该医生。");
        r.ClaimedBy = move.Command.Clinician;
        r.ClaimedUntil = null;
        r.Assigned = true;
        move.Extras.Clinician = r.ClaimedBy;
        move.Detail = new() { ["clinician"] = r.ClaimedBy };
        return null;
    }
}

/// <summary>The clinician gives it back, or the claim ran out.</summary>
internal sealed record ReleaseReferral(string? Reason, string? Text) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Text(Reason, "/reason", 64, required: false);
        checks.Text(Text, "/text", Reasons.TextLimit, required: false);
    }

    public static Problem? GiveBack(Referral r, Move<ReleaseReferral> move)
    {
        // a doctor gives an assignment back with a reason; a claim is let go without one
        var doctor = !move.Actor.Sides.HasFlag(Side.System);
        if (doctor && r.Assigned && move.Command.Reason is null)
            return Refusals.Rule("/reason", "Giving an assignment back needs a reason.", "退回指派须填写原因。");
        if (move.Command.Reason is not null && move.Give("GiveBack", move.Command.Reason, move.Command.Text) is { } unknown)
            return unknown;
        move.Extras.Clinician = r.ClaimedBy;
        ClaimReferral.LetGo(r);
        return null;
    }
}
