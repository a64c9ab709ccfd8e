using Referrals.Contracts;
using ReferralService.Referrals.Ending;
using ReferralService.Referrals.Intake;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Treatment;

/// <summary>
/// The way back: creates the linked downward referral (回转单 with its rehab plan) and submits it, in one step with
/// the parent's row.
/// </summary>
/// <param name="Slip">The downward form; without a target it goes back to the sender of this leg.</param>
internal sealed record ReturnPatient(ReferralForm Slip) : ICommand
{
    [System.Text.Json.Serialization.JsonIgnore]
    public NewReferral? Child { get; init; }

    public void Check(Checks checks)
    {
        checks.Required(Slip, "/slip");
        Slip?.Check(checks, "/slip", linked: true);
    }

    public static bool NoLiveChild(Referral r) => r.LiveChildId is null;

    public static bool ChildIsLive(Referral r) => r.LiveChildId is not null;

    public static void SendBack(Referral r, Move<ReturnPatient> move)
    {
        var child = move.Command.Child!.Referral;
        r.LiveChildId = child.Id;
        r.LiveChildNo = child.ReferralNo;
        move.Extras.Return = (child.Id, child.ReferralNo);
    }
}

/// <summary>What the downward child did, as its parent hears of it.</summary>
internal sealed record ReturnProgress(Guid ChildId, string ChildNo)
{
    public static Problem? Accepted(Referral r, Move<ReturnProgress> move)
    {
        if (r.LiveChildId != move.Command.ChildId)
            return Refusals.NotInThisState;
        // the acceptance only stamps; the loop closes when the patient is there
        r.ReturnAcceptedAt ??= move.Now;
        Name(move);
        return null;
    }

    public static Problem? Arrived(Referral r, Move<ReturnProgress> move)
    {
        if (r.LiveChildId != move.Command.ChildId)
            return Refusals.NotInThisState;
        Name(move);
        r.Outcome = Outcome.Returned;
        return Ends.At(r, move);
    }

    public static Problem? Failed(Referral r, Move<ReturnProgress> move)
    {
        if (r.LiveChildId != move.Command.ChildId)
            return Refusals.NotInThisState;
        r.LiveChildId = null;
        r.LiveChildNo = null;
        r.ReturnAcceptedAt = null;
        r.ReturnSince = move.Now;
        Name(move);
        return null;
    }

    private static void Name(Move<ReturnProgress> move) => move.Extras.Return = (move.Command.ChildId, move.Command.ChildNo);
}
