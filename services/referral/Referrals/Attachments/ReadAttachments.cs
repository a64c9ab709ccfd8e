using System.Text.Json;
using System.Text.Json.Nodes;
using ReferralService.Alliances;
using ReferralService.Patients;
using ReferralService.Referrals.Reading;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Attachments;

/// <summary>What is attached to a referral, and one file of it. For parties; a file only with purpose TREATMENT, audited.</summary>
internal sealed class ReadAttachments(Wall wall, GetReferral referrals, SlipReader slips, PatientKeys keys, Access access, AllianceDirectory directory, TimeProvider clock)
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/referrals/{id}/attachments", (string id, HttpContext http, ReadAttachments read) => read.List(http, id))
            .Describe("listAttachments", "Attachments", "Results attached to a referral, with their marks of mutual recognition (互认); titles for a party with purpose TREATMENT.")
            .Produces<AttachmentList>().Refuses(400, 403, 404);
        routes.MapGet("/v1/referrals/{id}/attachments/{attachment}", (string id, Guid attachment, HttpContext http, ReadAttachments read) => read.Get(http, id, attachment))
            .Describe("getAttachment", "Attachments", "One attached file. The reading is audited; what was found infected is never handed out.")
            .Produces<byte[]>(200, FileTypes.Taken[0], FileTypes.Taken[1..]).Refuses(400, 403, 404, 409, 410);
    }

    private sealed record Row(
        long Version, DateTimeOffset At, string Institution, string Detail, string? Reason, byte[]? Words, byte[]? WrappedKey,
        Guid? Id, string? MediaType, int? Size, byte[]? Sha256, string? Scan);

    private const string Attached = """
        select h.version, h.at, h.institution, h.detail::text as detail, h.reason, h.words, p.wrapped_key,
               a.id, a.media_type, a.size, a.sha256, a.scan
        from history h
        join referral r on r.id = h.referral_id
        join patient p on p.id = r.patient_id
        left join attachment a on a.id = (h.detail ->> 'attachment')::uuid and a.referral_id = h.referral_id
        where h.referral_id = @Id and h.verb = 'attach'
        order by h.version
        """;

    private async Task<IResult> List(HttpContext http, string id)
    {
        var (found, caller, refused) = await referrals.Find(http, id, "attachments");
        if (found is not { } referral)
            return refused!;
        var words = referrals.MaySeePatient(caller!, referral);
        if (words)
            await access.Read(GetReferral.Audited(caller!, referral), "read-attachments", referral.Id);
        var rows = await wall.Query<Row>(caller!, Attached, new { referral.Id });
        var shielded = access.ShieldedFrom(caller!, referral);
        return TypedResults.Ok(new AttachmentList(referral.ReferralNo, [.. rows.Select(row => Entry(row, words, shielded))]));
    }

    private AttachmentEntry Entry(Row row, bool words, bool shielded)
    {
        var detail = JsonNode.Parse(row.Detail)!.AsObject();
        // what was examined, where and why again gives a sensitive illness away
        string? Told(string member) => shielded ? null : (string?)detail[member];
        var said = words && row.WrappedKey is not null && slips.Words(row.WrappedKey, row.Words) is { } text ? JsonNode.Parse(text)!.AsObject() : null;
        return new(row.At, new(row.Institution, directory.Current.NameOf(row.Institution)), (string?)said?["title"], (string?)said?["reference"],
            Told("itemCode"), Told("laboratory"), (bool?)detail["recognised"] ?? false, Told("mark"),
            Day(detail, "examinedOn"), Day(detail, "qualityUntil"), shielded ? null : row.Reason,
            row.Id is { } id ? new(id, row.MediaType!, row.Size!.Value, Convert.ToHexStringLower(row.Sha256!), row.Scan!) : null);
    }

    private static DateOnly? Day(JsonObject detail, string member) => (string?)detail[member] is { } day ? DateOnly.ParseExact(day, "yyyy-MM-dd") : null;

    private sealed record File(string MediaType, string Scan, byte[] Content, byte[]? WrappedKey);

    // the row that says who read it is written by the statement that reads it; what nobody attached is not there
    private const string Read = """
        with file as (
            select a.media_type, a.scan, a.content, p.wrapped_key
            from attachment a
            join referral r on r.id = a.referral_id
            join patient p on p.id = r.patient_id
            where a.id = @attachment and a.referral_id = @id
              and exists (select from history h where h.referral_id = a.referral_id and h.verb = 'attach' and h.detail ->> 'attachment' = a.id::text)
        ),
        audited as (
            insert into audit (at, subject, institution, role, purpose, action, verdict, referral_id, target)
            select @now, @Subject, @Institution, @role, @Purpose, 'read-attachment', 'allowed', @id, @target from file
        )
        select media_type, scan, content, wrapped_key from file
        """;

    private async Task<IResult> Get(HttpContext http, string id, Guid attachment)
    {
        var (found, caller, refused) = await referrals.Find(http, id, "attachment");
        if (found is not { } referral)
            return refused!;
        if (!referrals.MaySeePatient(caller!, referral))
        {
            await access.Denied(caller!, "read-attachment", referral.Id, attachment.ToString());
            return new ProblemResult(Problems.Forbidden);
        }
        var file = (await wall.Query<File>(caller!, Read, new
        {
            attachment, id = referral.Id, now = clock.GetUtcNow(), caller!.Subject, caller.Institution, role = caller.Role.ToString(), GetReferral.Audited(caller, referral).Purpose,
            target = attachment.ToString(),
        })).SingleOrDefault();
        if (file is null)
            return new ProblemResult(Problems.NotFound);
        if (file.Scan is "Infected")
            return new ProblemResult(Refusals.Infected);
        if (file.Scan is "Pending")
            return new ProblemResult(new Problem(Refusals.NotScannedYet) { RetryAfter = 5 });
        if (file.WrappedKey is not { } wrapped)
            return new ProblemResult(Refusals.Erased);
        // it is shown by whoever asked for it, never by the address it came from
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers.ContentSecurityPolicy = "default-src 'none'; sandbox";
        return TypedResults.File(keys.OpenBytes(wrapped, file.Content), file.MediaType, attachment.ToString("n"));
    }
}

/// <summary>What is attached, in order.</summary>
internal sealed record AttachmentList(string ReferralNo, IReadOnlyList<AttachmentEntry> Items);

/// <summary>A result: what it is, whose mark it carries, until when its quality holds, and its file where there is one.</summary>
/// <param name="RepeatReason">Why the examination was done although a recognised result was on file.</param>
internal sealed record AttachmentEntry(
    DateTimeOffset At, Named Institution, string? Title, string? Reference, string? ItemCode, string? Laboratory, bool Recognised, string? Mark,
    DateOnly? ExaminedOn, DateOnly? QualityUntil, string? RepeatReason, UploadedFile? File);
