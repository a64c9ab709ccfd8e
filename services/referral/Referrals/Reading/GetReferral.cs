using ReferralService.Alliances;
using ReferralService.Referrals.Decision;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Reading;

/// <summary>One referral by id or number, and what the caller can do with it.</summary>
internal sealed class GetReferral(Wall wall, ReferralStore store, Access access, Actions actions, SlipReader slips, AllianceDirectory directory, TimeProvider clock)
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/referrals/{id}", (string id, HttpContext http, GetReferral get) => get.Handle(http, id))
            .Describe("getReferral", "Referrals", "One referral by id or number; slip and patient for a party with purpose TREATMENT, audited.")
            .Produces<ReferralView>().Produces(304).Refuses(400, 403, 404);
        routes.MapGet("/v1/referrals/{id}/available-actions", (string id, HttpContext http, GetReferral get) => get.ListActions(http, id))
            .Describe("listAvailableActions", "Referrals", "What this caller can do now, computed from the state machine.")
            .Produces<AvailableActions>().Refuses(400, 403, 404);
    }

    private async Task<IResult> Handle(HttpContext http, string id)
    {
        var (found, caller, refused) = await Find(http, id, "read");
        if (found is not { } referral)
            return refused!;
        // the tag stands for state, leg, priority and slip: a note does not make a clerk's move stale
        var etag = ETags.Of(referral.EtagVersion);
        http.Response.Headers.ETag = etag;
        http.Response.Headers.CacheControl = "private, no-cache";
        if (ETags.Unchanged(http.Request, etag))
            return TypedResults.StatusCode(304);
        var (slip, identity) = MaySeePatient(caller!, referral)
            ? await slips.Read(referral, caller!, clock.GetUtcNow()) : (null, null);
        return TypedResults.Ok(ReferralView.Of(referral, directory.Current, actions.Of(referral, caller!), slip, identity));
    }

    private async Task<IResult> ListActions(HttpContext http, string id)
    {
        var (found, caller, refused) = await Find(http, id, "available-actions");
        if (found is not { } referral)
            return refused!;
        http.Response.Headers.ETag = ETags.Of(referral.EtagVersion);
        return TypedResults.Ok(new AvailableActions(referral.State, WaitingFor.Of(referral), actions.Of(referral, caller!), actions.Candidates(referral)));
    }

    /// <summary>The referral when the caller is a party of it; otherwise 404, and an audit row of the denial.</summary>
    public async Task<(Referral? Referral, Caller? Caller, IResult? Refused)> Find(HttpContext http, string id, string action)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (incomplete is not null)
            return (null, null, new ProblemResult(incomplete));
        var referral = (Guid.TryParse(id, out var key) ? await wall.Query<Referral>(caller!, ById, new { id = key })
            : await wall.Query<Referral>(caller!, ByNumber, new { number = id.ToUpperInvariant() })).SingleOrDefault();
        var party = referral is not null && access.IsParty(caller!, referral);
        if (party && Access.SeesPatients(caller!.Role))
            return (referral, caller, null);
        // what was asked for and not shown is named in the audit all the same
        await access.Denied(caller!, action, referral?.Id ?? (await store.Find(id))?.Referral.Id, id);
        return (null, caller, new ProblemResult(party ? Problems.Forbidden : Problems.NotFound));
    }

    internal static readonly string ById = $"select {ReferralColumns.Names} from referral where id = @id";
    internal static readonly string ByNumber = $"select {ReferralColumns.Names} from referral where referral_no = @number";

    /// <summary>
    /// A clinical party that treats sees the patient. A sensitive illness is shown only to the sender and to the
    /// department that treats it.
    /// </summary>
    public bool MaySeePatient(Caller caller, Referral referral)
    {
        var sides = access.SidesOf(caller, referral);
        if (caller.Purpose != "TREATMENT" || caller.Role == Role.AllianceOffice || (sides & (Side.Sender | Side.Receiver | Side.Drafter)) == 0
            && caller.Institution != referral.Origin && !Access.IsFamilyDoctor(caller, referral))
            return false;
        return !referral.Sensitive || sides.HasFlag(Side.Sender) || caller.Department is null || caller.Department == referral.Department;
    }
}

/// <summary>What is possible now.</summary>
/// <param name="Candidates">After a refusal, an expiry or on a waiting list: other institutions that could take the patient.</param>
internal sealed record AvailableActions(string State, string WaitingFor, IReadOnlyList<string> Actions, IReadOnlyList<Candidate>? Candidates = null);
