using System.Text.Json.Nodes;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Journey;

/// <summary>The patient leaves for the receiver; downward this is the discharge.</summary>
/// <param name="Transport">Ambulance, Self, Family or Other.</param>
/// <param name="DepartedAt">When the patient left; now when absent.</param>
/// <param name="ExpectedArrival">Needed downward, agreed upward.</param>
internal sealed record DispatchPatient(
    Transport? Transport, DateTimeOffset? DepartedAt, DateTimeOffset? ExpectedArrival, string? Text) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Time(DepartedAt, "/departedAt");
        checks.Time(ExpectedArrival, "/expectedArrival");
        checks.That(ExpectedArrival is null || DepartedAt is null || ExpectedArrival > DepartedAt, "/expectedArrival",
            "After the departure.", "须晚于出发时间。");
        checks.Text(Text, "/text", Reasons.TextLimit, required: false);
    }

    public static Problem? Leave(Referral r, Move<DispatchPatient> move)
    {
        var departed = move.Command.DepartedAt ?? move.Now;
        if (departed > move.Now.AddMinutes(5))
            return Refusals.Rule("/departedAt", "Not in the future.", "不能晚于当前时间。");
        if (departed < r.SubmittedAt)
            return Refusals.Rule("/departedAt", "Not before the referral was submitted.", "不能早于转诊提交时间。");
        if (move.Command.ExpectedArrival < departed)
            return Refusals.Rule("/expectedArrival", "After the departure.", "须晚于出发时间。");
        r.DispatchedAt = departed;
        r.ExpectedArrival = move.Command.ExpectedArrival ?? r.BookingStartsAt ?? r.ExpectedArrival;
        move.Words = move.Command.Text;
        if (move.Command.Transport is { } transport)
            move.Detail = new JsonObject { ["transport"] = transport.ToString() };
        return null;
    }
}

internal enum Transport { Ambulance, Self, Family, Other }

/// <summary>Another day or hour of arrival.</summary>
internal sealed record ChangeArrival(DateTimeOffset? ExpectedArrival, string? Text) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Required(ExpectedArrival, "/expectedArrival");
        checks.Time(ExpectedArrival, "/expectedArrival");
        checks.Text(Text, "/text", Reasons.TextLimit, required: false);
    }

    public static Problem? Move(Referral r, Move<ChangeArrival> move)
    {
        if (move.Command.ExpectedArrival < move.Now)
            return Refusals.Rule("/expectedArrival", "In the future.", "须晚于当前时间。");
        r.ExpectedArrival = move.Command.ExpectedArrival;
        r.DispatchedAt ??= move.Now;
        move.Words = move.Command.Text;
        return null;
    }
}
