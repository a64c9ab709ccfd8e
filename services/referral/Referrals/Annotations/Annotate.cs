using ReferralService.Referrals;
using ReferralService.Referrals.Journey;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Annotations;

/// <summary>Words beside the referral: a note while it runs, an addendum at any time. What was written stays.</summary>
internal sealed record Annotate(string? Text) : ICommand
{
    /// <summary>In an addendum to an emergency: times that are known only now.</summary>
    public EmergencyTimes? Times { get; init; }

    public void Check(Checks checks)
    {
        checks.Text(Text, "/text", 20_000);
        Times?.Check(checks, "/times");
    }

    public static Problem? Note(Referral r, Move<Annotate> move)
    {
        move.Words = move.Command.Text;
        return move.Command.Times is null ? null : Refusals.Rule("/times", "Say it in an addendum.", "请在 addendum 中填写。");
    }

    public static Problem? Addendum(Referral r, Move<Annotate> move)
    {
        move.Words = move.Command.Text;
        return move.Command.Times?.NoteOn(r, move.Now, "/times");
    }

    /// <summary>A discarded draft was never there for anybody else.</summary>
    public static bool WasSubmitted(Referral r) => r.SubmittedAt is not null;

    public static bool WasRight(Referral r) => !r.InError;

    public static void InError(Referral r, Move<MarkInError> move)
    {
        r.InError = true;
        move.Reason = "ENTERED_IN_ERROR";
        move.Words = move.Command.Text;
    }

    public static Problem? Consent(Referral r, Move<FileConsent> move)
    {
        if (move.Command.At > move.Now.AddMinutes(5))
            return Refusals.Rule("/at", "Not in the future.", "不能晚于当前时间。");
        r.ConsentAt = move.Command.At ?? move.Now;
        move.Detail = new() { ["form"] = move.Command.Form.ToString() };
        return null;
    }

    public static void Rate(Referral r, Move<RateReferral> move)
    {
        r.Rating = move.Command.Rating;
        move.Words = move.Command.Text;
    }
}

/// <summary>Entered in error: it leaves the indicators, its certificate is revoked.</summary>
internal sealed record MarkInError(string? Text) : ICommand
{
    public void Check(Checks checks) => checks.Text(Text, "/text", Reasons.TextLimit);
}

/// <summary>The consent is on file; for an emergency within a day.</summary>
internal sealed record FileConsent(ConsentForm? Form, DateTimeOffset? At) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Required(Form, "/form");
        checks.Time(At, "/at");
    }
}

/// <summary>How the patient (or who decides for them) agreed.</summary>
internal enum ConsentForm { Written, Verbal, Guardian }

/// <summary>Satisfaction, 1 (bad) to 5 (good).</summary>
internal sealed record RateReferral(int? Rating, string? Text) : ICommand
{
    public void Check(Checks checks)
    {
        checks.That(Rating is >= 1 and <= 5, "/rating", "1 to 5.", "1 至 5。");
        checks.Text(Text, "/text", Reasons.TextLimit, required: false);
    }
}
