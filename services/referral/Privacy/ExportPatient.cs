using Dapper;
using Npgsql;
using ReferralService.Alliances;
using ReferralService.Patients;
using ReferralService.Referrals;
using ReferralService.Referrals.Intake;
using ReferralService.Referrals.Reading;
using ReferralService.Workflow;
using ServiceDefaults.Auditing;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Privacy;

/// <summary>Everything that is kept about a person, as far as the caller's institution cares for them.</summary>
/// <param name="LeftOut">Referrals of the person that the caller may know of and that another desk hands out.</param>
internal sealed record PatientFile(
    Identity? Identity, int IdentityVersion, IReadOnlyList<EarlierIdentity> EarlierVersions, bool Restricted,
    IReadOnlyList<PatientFileContract> Contracts, IReadOnlyList<PatientFileReferral> Referrals, int LeftOut);

/// <summary>What was said of the person until it was corrected.</summary>
internal sealed record EarlierIdentity(Identity Identity, Named ReplacedBy, DateTimeOffset ReplacedAt);

/// <summary>A family-doctor contract (家庭医生签约).</summary>
internal sealed record PatientFileContract(string Id, string Type, Named Clinic, DateOnly Since, DateOnly? Until);

internal sealed record PatientFileReferral(
    ReferralLine Referral, IReadOnlyList<ReferralForm> Slips, IReadOnlyList<PatientFileEntry> History, IReadOnlyList<PatientFileComplaint> Complaints,
    IReadOnlyList<PatientFileAccess> SeenBy);

internal sealed record PatientFileEntry(string Event, DateTimeOffset At, Named Institution, string? Reason, string? Text);

/// <summary>What was said in a complaint about the referral.</summary>
internal sealed record PatientFileComplaint(string No, DateTimeOffset At, Named Institution, string? Text);

/// <summary>Who did, read or was refused what about the referral.</summary>
internal sealed record PatientFileAccess(DateTimeOffset At, Named Institution, string Role, string Purpose, string Action, string Verdict);

/// <summary>The copy that a patient may ask for: what is kept, and who looked at it.</summary>
internal sealed class ExportPatient(GetReferral referrals, Access access, Wall wall, NpgsqlDataSource database, PatientKeys keys, AllianceDirectory directory, TimeProvider clock)
{
    public const string Purpose = "PATIENT_REQUEST";

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapGet("/v1/referrals/{id}/patient-file", (string id, HttpContext http, ExportPatient export) => export.Handle(http, id))
        .Describe("exportPatient", "Privacy", "Everything kept about the patient, and who looked at it, to hand to them.",
            $"For a desk of sender or receiver whose token says purpose {Purpose}; audited. It holds every record of the person whose sender or receiver the caller's institution is; of a sensitive illness for its sender and for the department that treats it. Others are counted in leftOut. Files: listAttachments, getAttachment.")
        .Produces<PatientFile>().Refuses(400, 403, 404, 410);

    private sealed record Person(Guid Id, byte[]? WrappedKey, byte[]? Identity, byte[]? IdIndex, DateTimeOffset? RestrictedAt);
    private sealed record Step(Guid ReferralId, string Event, DateTimeOffset At, string Institution, string? Reason, byte[]? Words);
    private sealed record Written(Guid ReferralId, byte[] Content);
    private sealed record Earlier(byte[] Identity, string Institution, DateTimeOffset ReplacedAt);
    private sealed record Contract(string Id, string Type, string Clinic, DateOnly Since, DateOnly? Until);
    private sealed record Said(Guid ReferralId, string No, DateTimeOffset At, string Institution, byte[]? Words);
    private sealed record Seen(Guid ReferralId, DateTimeOffset At, string Institution, string Role, string Purpose, string Action, string Verdict);

    private async Task<IResult> Handle(HttpContext http, string id)
    {
        var (found, caller, refused) = await referrals.Find(http, id, "patient.export");
        if (found is not { } referral)
            return refused!;
        if (caller!.Purpose != Purpose || !Roles.Desk.Contains(caller.Role) || !referrals.MayHandOut(caller, referral))
        {
            await access.Denied(caller, "patient.export", referral.Id, id);
            return new ProblemResult(Problems.Forbidden);
        }
        // the wall shows of the person's records those that the caller is a party of
        var people = await wall.Query<Person>(caller, """
            select id, wrapped_key, identity, id_index, case when restriction_lifted_at is null then restricted_at end as restricted_at from patient
            where id = @PatientId or id_index = (select id_index from patient where id = @PatientId)
            """, new { referral.PatientId });
        var person = people.Single(p => p.Id == referral.PatientId);
        if (person.WrappedKey is not { } key)
            return new ProblemResult(Refusals.Erased);
        var ids = people.Where(p => p.WrappedKey is not null).Select(p => p.Id).ToArray();
        var known = (await wall.Query<Referral>(caller, $"select {ReferralColumns.Names} from referral where patient_id = any(@ids) order by drafted_at, id", new { ids }))
            .Where(r => access.IsParty(caller, r)).ToArray();
        var all = Array.FindAll(known, r => referrals.MayHandOut(caller, r));
        var these = Array.ConvertAll(all, r => r.Id);
        var slips = (await wall.Query<Written>(caller, "select referral_id, content from slip where referral_id = any(@these) order by version", new { these })).ToLookup(s => s.ReferralId);
        var steps = (await wall.Query<Step>(caller, """
            select h.referral_id, h.event, h.at, h.institution, h.reason, h.words
            from history h join referral r on r.id = h.referral_id
            where h.referral_id = any(@these) and (r.sender = @Institution or h.sequence is not null) order by h.version
            """, new { these, caller.Institution })).ToLookup(s => s.ReferralId);

        await using var connection = await database.OpenConnectionAsync();
        await AuditTrail.Write(connection, clock.GetUtcNow(), caller, "patient.export", denied: false, referral.Id);
        var seen = (await connection.QueryAsync<Seen>("""
            select referral_id, at, institution, role, purpose, action, verdict from audit where referral_id = any(@these) order by id
            """, new { these })).ToLookup(s => s.ReferralId);
        var said = (await connection.QueryAsync<Said>("""
            select c.referral_id, s.no, s.at, s.institution, s.words
            from complaint c join complaint_step s on s.no = c.no
            where c.referral_id = any(@these) and @Institution in (c.filed_by, c.against) order by s.no, s.version
            """, new { these, caller.Institution })).ToLookup(s => s.ReferralId);
        var earlier = (await connection.QueryAsync<Earlier>(
            "select identity, institution, replaced_at from identity_version where patient_id = @PatientId order by version", new { referral.PatientId })).AsList();
        var contracts = await connection.QueryAsync<Contract>(
            "select id, type, clinic, since, until from contract where patient_index = @index order by since, id", new { index = person.IdIndex });

        http.Response.Headers.ETag = ETags.Of(earlier.Count + 1);
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new PatientFile(
            person.Identity is null ? null : keys.Open<Identity>(key, person.Identity), earlier.Count + 1,
            [.. earlier.Select(e => new EarlierIdentity(keys.Open<Identity>(key, e.Identity), Who(e.Institution), e.ReplacedAt))], person.RestrictedAt is not null,
            [.. contracts.Select(c => new PatientFileContract(c.Id, c.Type, Who(c.Clinic), c.Since, c.Until))],
            [.. all.Select(r => Whole(r, people.Single(p => p.Id == r.PatientId).WrappedKey!))], known.Length - all.Length));

        PatientFileReferral Whole(Referral r, byte[] its) => new(ReferralLine.Of(r, directory.Current, caller!.Institution),
            [.. slips[r.Id].Select(s => keys.Open<ReferralForm>(its, s.Content))],
            [.. steps[r.Id].Select(s => new PatientFileEntry(s.Event, s.At, Who(s.Institution), s.Reason, s.Words is null ? null : keys.Open(its, s.Words)))],
            [.. said[r.Id].Select(s => new PatientFileComplaint(s.No, s.At, Who(s.Institution), s.Words is null ? null : keys.Open(its, s.Words)))],
            [.. seen[r.Id].Select(a => new PatientFileAccess(a.At, Who(a.Institution), a.Role, a.Purpose, a.Action, a.Verdict))]);

        Named Who(string institution) => new(institution, directory.Current.NameOf(institution));
    }
}
