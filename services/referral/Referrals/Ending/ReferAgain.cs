using Referrals.Contracts;
using ReferralService.Referrals.Decision;
using ReferralService.Referrals.Intake;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Ending;

/// <summary>
/// The one-call next step after a refusal, an expiry or an end that was a mistake: a linked referral of the same
/// episode with patient, slip and consent of this one, to another target. What ended stays as it is.
/// </summary>
/// <param name="Institution">
/// Code or exact name of the target. Absent: the same again, where it did not refuse, or where the slip is mended.
/// </param>
/// <param name="PatientAgrees">The patient was asked about the new target; an emergency does not wait for it.</param>
/// <param name="Slip">The slip mended; absent: as it was.</param>
internal sealed record ReferAgain(string? Institution, string? Department, string? Clinician, bool? PatientAgrees, ReferralForm? Slip) : ICommand
{
    [System.Text.Json.Serialization.JsonIgnore]
    public NewReferral? Next { get; init; }

    /// <summary>The treated referral that waits for a way back: this return continues in the new one.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public Guid? Parent { get; init; }

    public void Check(Checks checks)
    {
        checks.Text(Institution, "/institution", 100, required: false);
        checks.Text(Department, "/department", 16, required: false);
        checks.Text(Clinician, "/clinician", 64, required: false);
        Slip?.Check(checks, "/slip", linked: true);
    }

    /// <summary>Once: the next one after that follows from the referral that was created, unless nobody ever sent it.</summary>
    public static bool NotYet(Referral r) => !r.GoesOn;

    /// <summary>Nobody is referred again who has died, whose case goes on under another number, or who was the wrong person.</summary>
    public static bool MayFollow(Referral r) => r.Reason is not ("DIED" or "DUPLICATE" or "WRONG_PATIENT");

    /// <summary>True when a target that has had it may be asked again: it did not refuse, or reads another slip.</summary>
    public bool MayAskAgain(Referral r, string target) =>
        Slip is not null || !r.At(ReferralState.Declined, ReferralState.Expired) && target == r.Receiver;

    public static Problem? Follow(Referral r, Move<ReferAgain> move)
    {
        var next = move.Command.Next!.Referral;
        if (r.Tried.Contains(next.Receiver) && !move.Command.MayAskAgain(r, next.Receiver))
            return Refusals.TriedBefore;
        if (!next.IsEmergency && !r.Tried.Contains(next.Receiver) && move.Command.PatientAgrees != true)
            return Refusals.Rule("/patientAgrees", "The patient must agree to another hospital.", "改转须经患者同意。");
        r.LinkWith(move.Command.Next);
        if (move.Command.Parent is { } parent)
            move.Causes(parent, m => m.Return, new Treatment.ReturnPatient(new()) { Child = move.Command.Next }, required: true);
        return null;
    }
}
