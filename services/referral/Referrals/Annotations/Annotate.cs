using ReferralService.Referrals;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Annotations;

/// <summary>Words beside the referral: a note while it runs, an addendum at any time. What was written stays.</summary>
internal sealed record Annotate(string? Text) : ICommand
{
    public void Check(Checks checks) => checks.Text(Text, "/text", 20_000);

    public static void Note(Referral r, Move<Annotate> move) => move.Words = move.Command.Text;

    public static void Addendum(Referral r, Move<Annotate> move) => move.Words = move.Command.Text;

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

/// <summary>Something attached: coded facts and where it lies, with the mark of mutual recognition (互认) where it has one.</summary>
/// <param name="RepeatReason">Why the receiver did again what the sender's recognised result already says.</param>
internal sealed record AttachResult(
    string? Title, string? ItemCode, string? Laboratory, bool Recognised, DateOnly? QualityUntil, string? Reference,
    string? RepeatReason = null) : ICommand
{
    /// <summary>The receiver's own examination of an item that came with a recognised result.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool Repeats { get; init; }

    public void Check(Checks checks)
    {
        checks.Text(Title, "/title", 200);
        checks.Text(ItemCode, "/itemCode", 64, required: Recognised);
        checks.Text(Laboratory, "/laboratory", 100, required: Recognised);
        checks.Text(Reference, "/reference", 500);
        checks.Text(RepeatReason, "/repeatReason", Reasons.TextLimit, required: false);
    }

    /// <summary>A result that the receiver need not repeat, and one that it repeated.</summary>
    public const string RecognisedFlag = "RECOGNISED_RESULT", RepeatedFlag = "REPEATED_EXAMINATION";

    public static Problem? Keep(Referral r, Move<AttachResult> move)
    {
        var c = move.Command;
        if (c.Repeats && c.RepeatReason is null)
            return Refusals.Rule("/repeatReason", "A recognised result of this item came with the referral: say why it was repeated.", "转诊单已附互认结果，重复检查须说明理由。");
        move.Words = new System.Text.Json.Nodes.JsonObject { ["title"] = c.Title, ["reference"] = c.Reference, ["repeatReason"] = c.RepeatReason }
            .ToJsonString(ServiceDefaults.Json.Lenient);
        move.Detail = new()
        {
            ["itemCode"] = c.ItemCode, ["laboratory"] = c.Laboratory, ["recognised"] = c.Recognised,
            ["qualityUntil"] = c.QualityUntil?.ToString("yyyy-MM-dd"), ["repeated"] = c.Repeats,
        };
        List<string> flags = [];
        if (c.Recognised)
            flags.Add(RecognisedFlag);
        if (c.Repeats)
            flags.Add(RepeatedFlag);
        move.Extras.Flags = flags;
        // partners hear of no draft: what was attached to one is counted with its submission
        if (c.Recognised && r.SubmittedAt is null)
            r.Flags = [.. r.Flags.Union([RecognisedFlag])];
        return null;
    }
}
