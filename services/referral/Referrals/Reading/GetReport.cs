using ReferralService.Alliances;
using ReferralService.Referrals.Decision;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Reading;

/// <summary>The report that ended an examination, a reading or a consultation, for a party that treats; audited.</summary>
internal sealed class GetReport(Wall wall, GetReferral referrals, SlipReader slips, AllianceDirectory directory, Access access)
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapGet("/v1/referrals/{id}/report", (string id, HttpContext http, GetReport get) => get.Handle(http, id))
        .Describe("getReport", "Referrals", "The report of an examination, reading or consultation, with its recommendation and whether a value is critical (危急值).",
            "409 where none was filed. For a party with purpose TREATMENT; the reading is audited.")
        .Produces<FiledReport>().Refuses(400, 403, 404, 409);

    private sealed record Row(DateTimeOffset At, string Institution, string Subject, string? Reason, byte[]? Words, byte[]? WrappedKey);

    private async Task<IResult> Handle(HttpContext http, string id)
    {
        var (found, caller, refused) = await referrals.Find(http, id, "report");
        if (found is not { } referral)
            return refused!;
        if (!referrals.MaySeePatient(caller!, referral))
        {
            await access.Denied(caller!, "read-report", referral.Id, id);
            return new ProblemResult(Problems.Forbidden);
        }
        var filed = (await wall.Query<Row>(caller!, """
            select h.at, h.institution, h.subject, h.reason, h.words, p.wrapped_key
            from history h
            join referral r on r.id = h.referral_id
            join patient p on p.id = r.patient_id
            where h.referral_id = @Id and h.verb = 'report'
            """, new { referral.Id })).SingleOrDefault();
        if (filed is null)
            return new ProblemResult(Refusals.NotInThisState);
        await access.Read(GetReferral.Audited(caller!, referral), "read-report", referral.Id);
        return TypedResults.Ok(new FiledReport(referral.ReferralNo, filed.At, new(filed.Institution, directory.Current.NameOf(filed.Institution)), filed.Subject,
            slips.Words(filed.WrappedKey, filed.Words), filed.Reason, referral.Flags.Contains(ReportResult.CriticalValue)));
    }
}

/// <summary>A report as it was filed.</summary>
/// <param name="Recommendation">What should follow, of the list Advice.</param>
/// <param name="Critical">A critical value (危急值).</param>
internal sealed record FiledReport(
    string ReferralNo, DateTimeOffset At, Named Institution, string Subject, string? Text, string? Recommendation, bool Critical);
