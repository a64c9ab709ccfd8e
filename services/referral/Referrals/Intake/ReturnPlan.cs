using ServiceDefaults.Http;

namespace ReferralService.Referrals.Intake;

/// <summary>The rehab plan of a return: what, and when it is looked at again.</summary>
internal sealed record PlanForm(string? Goals, IReadOnlyList<PlannedFollowUp>? FollowUps)
{
    public void Check(Checks checks, string at)
    {
        checks.Text(Goals, at + "/goals", 4000, required: false);
        checks.That(FollowUps is null || FollowUps.Count <= 60, at + "/followUps", "At most 60.", "最多 60 次。");
        for (var i = 0; i < Math.Min(60, FollowUps?.Count ?? 0); i++)
            if (FollowUps![i] is { } planned)
            {
                checks.That(planned.DueInDays is >= 0 and <= 1000, $"{at}/followUps/{i}/dueInDays", "0 to 1000.", "0 至 1000。");
                checks.Text(planned.Task, $"{at}/followUps/{i}/task", 1000, required: false);
            }
            else
                checks.Required((object?)null, $"{at}/followUps/{i}");
    }
}

/// <summary>A medicine of the hospital's prescription that the primary level dispenses on.</summary>
/// <param name="Drug">通用名与规格</param>
/// <param name="Dose">用法用量</param>
/// <param name="Days">For how many days, 1 to 31.</param>
internal sealed record PrescribedDrug(string? Drug, string? Dose, int? Days)
{
    public const int MostDays = 31;

    public void Check(Checks checks, string at)
    {
        checks.Text(Drug, at + "/drug", 200);
        checks.Text(Dose, at + "/dose", 200);
        checks.That(Days is >= 1 and <= MostDays, at + "/days", $"1 to {MostDays}.", $"1 至 {MostDays} 天。");
    }
}

/// <param name="DueInDays">Days after the arrival.</param>
internal sealed record PlannedFollowUp(int? DueInDays, string? Task);
