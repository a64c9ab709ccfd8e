using Referrals.Contracts;
using ReferralService.Referrals.Treatment;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Ending;

/// <summary>What every end has in common: its time, nothing held, nothing claimed, the parent told.</summary>
internal static class Ends
{
    /// <summary>Always null: an end is never refused by what it tidies up.</summary>
    public static Problem? At(Referral r, Move move)
    {
        r.EndedAt = move.Now;
        r.Reason = move.Reason;
        r.CameFrom = null;
        Triage.ClaimReferral.LetGo(r);
        LetBookingGo(r);
        if (r.LiveChildId is { } child)
        {
            r.LiveChildId = null;
            r.LiveChildNo = null;
            // the way back ends with it, unless it is what ended it: then it has arrived and knows no close by a parent
            if (r.Outcome != Outcome.Returned)
                move.Causes(child, m => m.Close, CloseReferral.WithParent(move.Reason));
        }
        if (r.Relation == Relation.Return && r.ArrivedAt is null && r.ParentId is { } parent)
            move.Causes(parent, m => m.ReturnFailed, new ReturnProgress(r.Id, r.ReferralNo));
        return null;
    }

    /// <summary>Scheduling hears the end and frees the place; here it is only forgotten.</summary>
    public static void LetBookingGo(Referral r)
    {
        r.BookingId = null;
        r.BookingResource = null;
        r.BookingStartsAt = null;
        r.BookingEndsAt = null;
        r.BookingCodeHash = null;
    }
}
