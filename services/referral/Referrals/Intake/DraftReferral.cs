using ReferralService.Referrals.Attachments;
using ReferralService.Referrals.Treatment;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Intake;

/// <summary>The sender begins to write; the receiver sees nothing of it.</summary>
internal sealed record DraftReferral;

/// <summary>The sender rewrites a draft.</summary>
/// <param name="Slip">The whole form again.</param>
internal sealed record AmendReferral(ReferralForm Slip) : ICommand
{
    /// <summary>What the form says about the row, worked out before the move.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public NewReferral? Rewritten { get; init; }

    public void Check(Checks checks)
    {
        checks.Required(Slip, "/slip");
        // whether the patient may be left out depends on the draft
        Slip?.Check(checks, "/slip", linked: true);
    }

    public static void Rewrite(Referral r, Move<AmendReferral> move)
    {
        var to = move.Command.Rewritten!.Referral;
        (r.Priority, r.GreenChannel, r.PatientClass, r.Kind, r.Direction) = (to.Priority, to.GreenChannel, to.PatientClass, to.Kind, to.Direction);
        (r.PatientMasked, r.PatientSex, r.PatientBirthYear, r.Identified) = (to.PatientMasked, to.PatientSex, to.PatientBirthYear, to.Identified);
        (r.Receiver, r.Department, r.Clinician, r.Tried, r.External) = (to.Receiver, to.Department, to.Clinician, to.Tried, to.External);
        (r.DiagnosisCode, r.DiagnosisGroup, r.Eligibility) = (to.DiagnosisCode, to.DiagnosisGroup, to.Eligibility);
        // what a linked draft has of its family it keeps
        r.Sensitive = to.Sensitive || r.Relation is not null && r.Sensitive;
        var requested = r.Flags.Contains(SubmitReferral.RequestedByPatient);
        (r.Purposes, r.StandingAgreement) = (to.Purposes, to.StandingAgreement);
        // what is attached stays attached, a wish stays one, and a planned check leaves the plan below alone
        r.Flags = [.. to.Flags.Union(r.Flags.Intersect([AttachResult.RecognisedFlag, AttachResult.Repeated, SubmitReferral.RequestedByPatient, ReferFurther.PlannedCheckFlag]))];
        (r.ExpectedArrival, r.ConsentAt, r.FollowUpsPlanned, r.NextFollowUpOn) = (to.ExpectedArrival, to.ConsentAt, to.FollowUpsPlanned, to.NextFollowUpOn);
        // a wish stays one however it is rewritten: its channel and its deadline
        (r.Channel, r.SenderClinician, r.SenderOwnNo) = (requested ? r.Channel : to.Channel, to.SenderClinician, to.SenderOwnNo);
        (r.FirstContactAt, r.CalledAt, r.DispatchedAt) = (to.FirstContactAt, to.CalledAt, to.DispatchedAt);
        r.SlipVersion++;
        r.Author = move.Actor.Subject;
        move.NewSlip = new(r.SlipVersion, move.Command.Rewritten.Slip.Content, move.Actor.Subject);
        // the person of a linked draft is the whole episode's: who that is has a correction of its own
        move.NewIdentity = r.Relation is null ? move.Command.Rewritten.Identity : null;
    }
}

/// <summary>The sender drops a draft; its history keeps that it was there.</summary>
internal sealed record DiscardReferral : ICommand
{
    public void Check(Checks checks)
    {
    }
}

/// <summary>The sender asks its head (or the lead hospital) to sign.</summary>
internal sealed record SendForReview : ICommand
{
    public void Check(Checks checks)
    {
    }
}

/// <summary>The approver signs: the referral goes out.</summary>
internal sealed record ApproveReferral : ICommand
{
    /// <summary>What was looked up for this submission.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public SubmissionFacts Facts { get; init; } = SubmissionFacts.None;

    public void Check(Checks checks)
    {
    }

    public static Problem? Sign(Referral r, Move<ApproveReferral> move)
    {
        if (move.Actor.Subject == r.Author)
            return Refusals.Rule("", "Nobody approves what they wrote themselves.", "不能审核自己填写的转诊单。");
        return SubmitReferral.Leave(r, move, move.Command.Facts with { Reviewed = true });
    }
}

/// <summary>The approver sends it back to be mended.</summary>
internal sealed record SendBackReferral(string? Reason, string? Text) : ICommand
{
    public void Check(Checks checks) => Reasons.Check(checks, Reason, Text);

    public static Problem? Explain(Referral r, Move<SendBackReferral> move) =>
        move.Give("SendBack", move.Command.Reason, move.Command.Text);
}
