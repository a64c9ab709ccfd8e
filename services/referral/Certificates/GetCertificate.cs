using System.Text.Json;
using Dapper;
using Npgsql;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Patients;
using ReferralService.Referrals.Reading;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Certificates;

/// <summary>
/// The certificate that an insurer asks for before it pays the full share: who sent whom where, in which chain of
/// referrals, and whether it was used. No diagnosis, no department. It is read from the referral each time.
/// </summary>
internal sealed class GetCertificate(
    NpgsqlDataSource database, CertificateKeys keys, PatientKeys patients, GetReferral referrals, Access access, AllianceDirectory directory, TimeProvider clock)
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/certificates/{no}", (string no, HttpContext http, GetCertificate get) => get.ByNumber(http, no))
            .Describe("getCertificate", "Certificates", "A referral certificate by its number: what it says, whether it holds, and a signed copy.",
                "For insurers, and for the parties of the referral. The number is the referral's with the leg, U26…-1; without the leg the live one is meant. "
                + "The signed copy (JWS, ES256) can be verified without us with /.well-known/jwks.json; whether it was used or revoked since, only this call says.")
            .Produces<CertificateView>().Refuses(400, 403, 404);
        routes.MapGet("/v1/referrals/{id}/certificate", (string id, HttpContext http, GetCertificate get) => get.OfReferral(http, id))
            .Describe("getCertificateOfReferral", "Certificates", "The certificate of a referral's live leg, for its parties.")
            .Produces<CertificateView>().Refuses(400, 403, 404, 409);
        routes.MapPost("/v1/certificates/{no}/holder", (string no, HttpContext http, GetCertificate get) => get.Compare(http, no))
            .Accepts<Holder>("application/json")
            .Describe("compareCertificateHolder", "Certificates", "Whether the person who shows a certificate is the one it was issued for.",
                "Compares an identity number with the one on file and says yes or no; the number is neither stored nor logged. For insurers and the receiver.")
            .Produces<HolderAnswer>().Refuses(400, 403, 404, 408, 413, 415, 422)
            .Example(new Holder(IdType.ResidentId, "11010519491231002X"), new HolderAnswer(true));
        routes.MapGet("/.well-known/jwks.json", async (HttpContext http, CertificateKeys keys) =>
            {
                http.Response.Headers.CacheControl = $"public, max-age={(int)CertificateKeys.Announced.TotalSeconds / 4}";
                return TypedResults.Ok(await keys.Published());
            })
            .AllowAnonymous()
            .Describe("getCertificateKeys", "Certificates", "The public keys that certificates are verified with, RFC 7517.",
                "The next key stands here an hour before it signs; an old one until the last copy it signed has run out.")
            .Produces<KeySet>().Produces<ProblemBody>(429, "application/problem+json").Produces<ProblemBody>(503, "application/problem+json");
    }

    private async Task<IResult> ByNumber(HttpContext http, string no)
    {
        var (leg, _, refused) = await Find(http, no, "certificate");
        return refused ?? TypedResults.Ok(await View(leg!));
    }

    private async Task<IResult> OfReferral(HttpContext http, string id)
    {
        var (referral, caller, refused) = await referrals.Find(http, id, "certificate");
        if (refused is not null)
            return refused;
        if (await Read(referral!.ReferralNo, null) is not { } leg)
            return new ProblemResult(Refusals.NoCertificate);
        await access.Read(caller!, "certificate", referral.Id);
        return TypedResults.Ok(await View(leg));
    }

    private async Task<IResult> Compare(HttpContext http, string no)
    {
        var (holder, malformed, _) = await RequestBody.Read<Holder>(http);
        if (malformed is not null)
            return new ProblemResult(malformed);
        var checks = new Checks();
        checks.Required(holder!.IdType, "/idType");
        checks.Text(holder.IdNo, "/idNo", 40);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        var (leg, _, refused) = await Find(http, no, "certificate-holder");
        if (refused is not null)
            return refused;
        var asked = patients.Index(new(null, "0", null, null, null, null, null, null, holder.IdType, holder.IdNo!.Trim().ToUpperInvariant()));
        await using var connection = await database.OpenConnectionAsync();
        return TypedResults.Ok(new HolderAnswer(await connection.ExecuteScalarAsync<bool>(
            "select exists (select from referral r join patient p on p.id = r.patient_id where r.id = @ReferralId and p.id_index = @asked)",
            new { leg!.ReferralId, asked })));
    }

    // insurers look up any number they were shown; others must be a party. Each look leaves an audit row.
    private async Task<(CertifiedLeg? Leg, Caller? Caller, IResult? Refused)> Find(HttpContext http, string no, string action)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (incomplete is not null)
            return (null, null, new ProblemResult(incomplete));
        var leg = Parse(no) is var (referralNo, number) ? await Read(referralNo, number) : null;
        var party = leg is not null && (caller!.Institution == leg.Sender || leg.Tried.Contains(caller.Institution)
            || caller.Role == Role.AllianceOffice && new[] { leg.Sender, leg.Receiver }.Any(
                i => directory.Current.ShareAnAlliance(caller.Institution, i, ChinaTime.DayOf(clock.GetUtcNow()))));
        if (leg is null || !party && caller!.Role != Role.Insurer)
        {
            await access.Denied(caller!, action, leg?.ReferralId, no);
            return (null, caller, new ProblemResult(Problems.NotFound));
        }
        if (caller!.Role != Role.Insurer && !Access.SeesPatients(caller.Role))
        {
            await access.Denied(caller, action, leg.ReferralId, no);
            return (null, caller, new ProblemResult(Problems.Forbidden));
        }
        await access.Read(caller, action, leg.ReferralId);
        return (leg, caller, null);
    }

    private static (string No, int? Leg)? Parse(string no)
    {
        var parts = no.Trim().ToUpperInvariant().Split('-');
        if (parts[0].Length is 0 or > 40 || parts.Length > 2)
            return null;
        return parts.Length == 1 ? (parts[0], null) : int.TryParse(parts[1], out var leg) && leg is > 0 and < 100 ? (parts[0], leg) : null;
    }

    // an emergency that goes on to another hospital stays accepted: its next leg is certified from the redirect on
    private async Task<CertifiedLeg?> Read(string referralNo, int? leg)
    {
        await using var connection = await database.OpenConnectionAsync();
        return await connection.QuerySingleOrDefaultAsync<CertifiedLeg>("""
            select r.id as referral_id, r.referral_no, r.episode_id, r.direction, r.kind, r.priority, r.sender, r.tried[l.leg] as receiver,
                   r.patient_masked, r.patient_sex, r.patient_birth_year, r.tried, l.leg, l.leg = r.leg as is_last, l.issued_at,
                   (select min(at) from history h where h.referral_id = r.id and h.leg > l.leg) as sent_on_at,
                   (select min(at) from history h where h.referral_id = r.id
                       and (h.event = 'marked-in-error' or h.event = 'closed' and h.reason = 'ENTERED_IN_ERROR')) as in_error_at,
                   r.arrived_at, r.ended_at, r.state, greatest(r.booking_starts_at, r.expected_arrival) as expected_at
            from referral r
            cross join lateral (
                select coalesce(@leg, r.leg) as leg,
                       coalesce(min(h.at) filter (where h.event = 'accepted' and h.leg = coalesce(@leg, r.leg)),
                                case when bool_or(h.event in ('accepted', 'made-emergency') and h.leg < coalesce(@leg, r.leg) and r.priority = 'Emergency')
                                     then min(h.at) filter (where h.event = 'redirected' and h.leg = coalesce(@leg, r.leg)) end) as issued_at
                from history h where h.referral_id = r.id and h.sequence is not null
            ) l
            where r.referral_no = @referralNo and l.leg <= r.leg and l.issued_at is not null
              and r.kind not in ('DiagnosticReading', 'Advice')
            """, new { referralNo, leg });
    }

    private async Task<CertificateView> View(CertifiedLeg leg)
    {
        var now = clock.GetUtcNow();
        var alliance = directory.Current;
        var (status, since, reason) = leg.StandsAt(now);
        var chain = await Chain(leg);
        var view = new CertificateView(leg.No, status, since, reason, leg.ReferralNo, leg.Leg, leg.EpisodeId, leg.Direction, leg.Kind,
            leg.Priority == Priority.Emergency, new(leg.Sender, alliance.NameOf(leg.Sender)), new(leg.Receiver, alliance.NameOf(leg.Receiver)),
            leg.IssuedAt, leg.ValidUntil, alliance.ShareAnAlliance(leg.Sender, leg.Receiver, ChinaTime.DayOf(leg.IssuedAt)),
            new(leg.PatientMasked, leg.PatientSex, leg.PatientBirthYear), chain, null);
        if (status is not (CertificateStatus.Valid or CertificateStatus.Used))
            return view;
        // registered claims of RFC 7519 around the facts that the answer shows
        var until = status == CertificateStatus.Valid ? leg.ValidUntil : now + Certificates.LongestSignature;
        var most = now + Certificates.LongestSignature;
        var claims = JsonSerializer.SerializeToUtf8Bytes(new
        {
            iss = "referral", sub = leg.ReferralNo, jti = leg.No, iat = now.ToUnixTimeSeconds(), nbf = Math.Min(leg.IssuedAt.ToUnixTimeSeconds(), now.ToUnixTimeSeconds()),
            exp = (until < most ? until : most).ToUnixTimeSeconds(), certificate = view,
        }, ServiceDefaults.Json.Lenient);
        return view with { Signed = await keys.Sign(claims, Certificates.Type) };
    }

    private sealed record Link(string ReferralNo, Direction Direction, string Sender, string Receiver, DateTimeOffset AcceptedAt, DateTimeOffset? ArrivedAt, DateTimeOffset? EndedAt)
    {
        // Dapper fills what has a name
        public Link() : this("", default, "", "", default, null, null)
        {
        }
    }

    private async Task<IReadOnlyList<CertifiedStep>> Chain(CertifiedLeg leg)
    {
        await using var connection = await database.OpenConnectionAsync();
        var links = await connection.QueryAsync<Link>("""
            select r.referral_no, r.direction, r.sender, r.receiver, r.accepted_at, r.arrived_at, r.ended_at
            from referral r
            where r.episode_id = @EpisodeId and r.accepted_at is not null and not r.in_error
              and r.kind not in ('DiagnosticReading', 'Advice') and not (r.state = 'Closed' and r.reason = 'ENTERED_IN_ERROR')
            order by r.accepted_at, r.id
            """, new { leg.EpisodeId });
        return [.. links.Select(l => new CertifiedStep(l.ReferralNo, l.Direction, l.Sender, l.Receiver,
            directory.Current.ShareAnAlliance(l.Sender, l.Receiver, ChinaTime.DayOf(l.AcceptedAt)), l.AcceptedAt, l.ArrivedAt, l.EndedAt))];
    }
}

/// <summary>Who shows the certificate.</summary>
internal sealed record Holder(IdType? IdType, string? IdNo);

/// <summary>Whether the number is the one on file; also false when none is on file.</summary>
internal sealed record HolderAnswer(bool Matches);
