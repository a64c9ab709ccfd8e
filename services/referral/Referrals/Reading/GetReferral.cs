using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Privacy;
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
            .Describe("getReferral", "Referrals", "One referral by id or number; slip and patient for a party with purpose TREATMENT, audited.",
                "A sensitive illness is masked here too: reveal shows it, for an hour to the same person. Whoever broke the glass sees it for four hours.")
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
        // what is shown can change without the referral: opened, restricted, corrected, erased, what it is linked with sent
        if (ETags.Unchanged(http.Request, etag) && referral is { Sensitive: false, Opened: null, Restricted: false, LinkedId: null } && !await slips.PersonChanged(referral))
            return TypedResults.StatusCode(304);
        var (slip, identity) = MaySeePatient(caller!, referral)
            ? await slips.Read(referral, Audited(caller!, referral), clock.GetUtcNow()) : (null, null);
        var possible = actions.Of(referral, caller!);
        access.Shield(caller!, referral);
        if (Access.IsHiddenLink(caller!, referral))
            (referral.LinkedId, referral.LinkedNo) = (null, null);
        return TypedResults.Ok(ReferralView.Of(referral, directory.Current, possible, slip, identity));
    }

    private async Task<IResult> ListActions(HttpContext http, string id)
    {
        var (found, caller, refused) = await Find(http, id, "available-actions");
        if (found is not { } referral)
            return refused!;
        http.Response.Headers.ETag = ETags.Of(referral.EtagVersion);
        return TypedResults.Ok(new AvailableActions(referral.State, WaitingFor.Of(referral), actions.Of(referral, caller!), actions.Candidates(referral, caller!)));
    }

    /// <summary>The referral when the caller is a party of it; otherwise 404, and an audit row of the denial.</summary>
    public async Task<(Referral? Referral, Caller? Caller, IResult? Refused)> Find(HttpContext http, string id, string action)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (incomplete is not null)
            return (null, null, new ProblemResult(incomplete));
        var referral = (Guid.TryParse(id, out var key) ? await wall.Query<Referral>(caller!, ById, new { id = key })
            : await wall.Query<Referral>(caller!, ByNumber, new { number = id.ToUpperInvariant() })).SingleOrDefault();
        var party = referral is not null && access.MayRead(caller!, referral);
        if (party && Access.SeesPatients(caller!.Role))
            return (referral, caller, null);
        // what was asked for and not shown is named in the audit all the same
        await access.Denied(caller!, action, referral?.Id ?? (await store.Find(id))?.Referral.Id, id);
        return (null, caller, new ProblemResult(party ? Problems.Forbidden : Problems.NotFound));
    }

    // whether the caller opened it is asked only where that decides something
    private static readonly string Columns = $"""
        {ReferralColumns.Names},
        case when sensitive or ended_at is not null or current_setting('referral.institution') not in (sender, receiver)
             then opened_by(id, current_setting('referral.institution'), current_setting('referral.subject'), current_setting('referral.now')::timestamptz) end as opened,
        ended_at is not null and is_restricted(patient_id) as restricted,
        drafted_by(linked_id) as link_drafted_by, was_discarded(linked_id) as link_discarded
        """;

    internal static readonly string ById = $"select {Columns} from referral where id = @id";
    internal static readonly string ByNumber = $"select {Columns} from referral where referral_no = @number";

    /// <summary>Notes on a referral that was read to be decided about as what this caller may read it.</summary>
    public async Task SayHowItIsRead(Caller caller, Referral referral)
    {
        if ((await wall.Query<Referral>(caller, ById, new { id = referral.Id })).SingleOrDefault() is { } read)
            (referral.Opened, referral.Restricted) = (read.Opened, read.Restricted);
    }

    /// <summary>A party that treats sees the patient; a sensitive illness only once it was revealed. Whoever broke the glass sees both.</summary>
    public bool MaySeePatient(Caller caller, Referral referral) =>
        referral.Opened == OpeningKind.BreakGlass
        || !referral.Restricted && caller.Purpose == "TREATMENT" && CaresFor(caller, referral) && (!referral.Sensitive || referral.Opened == OpeningKind.Reveal);

    /// <summary>
    /// Who may show itself what is masked: a party that cares for the patient; of a sensitive illness its sender and
    /// the department that treats it.
    /// </summary>
    public bool MayReveal(Caller caller, Referral referral) =>
        referral.Opened == OpeningKind.BreakGlass
        || !referral.Restricted && CaresFor(caller, referral) && KnowsTheIllness(caller, referral);

    /// <summary>Whose desk hands the patient a copy: sender or receiver; of a sensitive illness its sender and the department that treats it.</summary>
    public bool MayHandOut(Caller caller, Referral referral) => caller.Role != Role.AllianceOffice
        && (access.SidesOf(caller, referral) & (Side.Sender | Side.Receiver)) != 0 && KnowsTheIllness(caller, referral);

    private bool KnowsTheIllness(Caller caller, Referral referral) =>
        !referral.Sensitive || access.SidesOf(caller, referral).HasFlag(Side.Sender) || caller.Institution == referral.Origin
        || access.SidesOf(caller, referral).HasFlag(Side.Receiver) && Treats(caller.Department, referral.Department);

    /// <summary>The caller as the audit shall name it: whoever broke the glass reads for that reason.</summary>
    public static Caller Audited(Caller caller, Referral referral) =>
        referral.Opened == OpeningKind.BreakGlass ? caller with { Purpose = BreakGlass.Told } : caller;

    private bool CaresFor(Caller caller, Referral referral) => caller.Role != Role.AllianceOffice
        && ((access.SidesOf(caller, referral) & (Side.Sender | Side.Receiver | Side.Drafter)) != 0
            || caller.Institution == referral.Origin || Access.IsFamilyDoctor(caller, referral));

    // a department treats what its sections treat; where none is named yet, every one may have to
    private static bool Treats(string? mine, string? its) =>
        mine is not null && (its is null || its == mine || its.StartsWith(mine + ".", StringComparison.Ordinal));
}

/// <summary>What is possible now.</summary>
/// <param name="Candidates">After a refusal, an expiry or on a waiting list: other institutions that could take the patient.</param>
internal sealed record AvailableActions(string State, string WaitingFor, IReadOnlyList<string> Actions, IReadOnlyList<Candidate>? Candidates = null);
