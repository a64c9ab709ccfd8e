using System.Text.Json.Nodes;
using ReferralService.Deadlines;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Treatment;

/// <summary>The visit or admission is open.</summary>
/// <param name="VisitNo">The hospital's visit or admission number.</param>
internal sealed record StartTreatment(string? VisitNo, string? Clinician) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Text(VisitNo, "/visitNo", 64);
        checks.Text(Clinician, "/clinician", 64, required: false);
    }

    public static void Open(Referral r, Move<StartTreatment> move)
    {
        r.VisitNo = move.Command.VisitNo;
        r.Clinician = move.Command.Clinician ?? r.Clinician;
        r.TreatmentStartedAt ??= move.Now;
    }
}

/// <summary>Progress, for the sender to read.</summary>
internal sealed record InterimNote(string? Text) : ICommand
{
    public void Check(Checks checks) => checks.Text(Text, "/text", 20_000);

    public static void Write(Referral r, Move<InterimNote> move)
    {
        move.Words = move.Command.Text;
        r.TreatmentStartedAt ??= move.Now;
    }
}

/// <summary>Treated: what was found and done, what comes next, and whether rehab below makes sense.</summary>
internal sealed record CompleteTreatment(
    string? DiagnosisResult, string? MainResults, string? TreatmentCourse, string? NextPlan, bool? RehabEligible) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Text(DiagnosisResult, "/diagnosisResult", 2000);
        checks.Text(MainResults, "/mainResults", 20_000, required: false);
        checks.Text(TreatmentCourse, "/treatmentCourse", 20_000);
        checks.Text(NextPlan, "/nextPlan", 20_000, required: false);
        checks.Required(RehabEligible, "/rehabEligible");
    }

    public static void Conclude(Referral r, Move<CompleteTreatment> move)
    {
        var c = move.Command;
        r.RehabEligible = c.RehabEligible;
        r.TreatmentStartedAt ??= move.Now;
        r.TreatedAt = move.Now;
        r.ReturnSince = move.Now;
        // who counts the closed loop counts as its timer did
        move.Extras.LoopFrom = Timers.LoopFrom(r, move.Alliance);
        move.Detail = new JsonObject { ["loopFrom"] = move.Extras.LoopFrom.ToString() };
        move.Words = new JsonObject
        {
            ["diagnosisResult"] = c.DiagnosisResult, ["mainResults"] = c.MainResults,
            ["treatmentCourse"] = c.TreatmentCourse, ["nextPlan"] = c.NextPlan,
        }.ToJsonString(ServiceDefaults.Json.Lenient);
    }
}

/// <summary>The loop closes without a way back.</summary>
internal sealed record CompleteWithoutReturn(string? Reason, string? Text) : ICommand
{
    public void Check(Checks checks) => Reasons.Check(checks, Reason, Text);

    public static Problem? Conclude(Referral r, Move<CompleteWithoutReturn> move)
    {
        if (move.Give("CompleteWithoutReturn", move.Command.Reason, move.Command.Text) is { } unknown)
            return unknown;
        r.Outcome = global::Referrals.Contracts.Outcome.NotReturned;
        return Ending.Ends.At(r, move);
    }
}
