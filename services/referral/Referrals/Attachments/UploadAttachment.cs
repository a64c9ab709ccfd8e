using System.Security.Cryptography;
using Dapper;
using Npgsql;
using ReferralService.Patients;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Attachments;

/// <summary>
/// Takes a file for a referral: at most 5 MB, of a type that its content proves, sealed under the patient's key. It is
/// there for nobody until <c>attach</c> says what it is; one that nobody attaches within a day is thrown away.
/// </summary>
internal sealed class UploadAttachment(Once once, ReferralStore store, Access access, PatientKeys keys, IConfiguration configuration)
{
    public const int Limit = 5 * 1024 * 1024;

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/v1/referrals/{id}/attachments", (string id, HttpContext http, UploadAttachment upload) => upload.Handle(http, id))
        .Accepts<byte[]>(FileTypes.Taken[0], FileTypes.Taken[1..])
        .Describe("uploadAttachment", "Attachments", "Hand in a file of at most 5 MB: PDF, JPEG, PNG or DICOM; attach then says what it is.",
            "The type is told by the content. Nobody sees the file before it is attached, and one that nobody attaches is gone after a day. Roles: " + string.Join(", ", Roles.Desk) + ".")
        .Produces<UploadedFile>(201).RefusesLikeACommand()
        .Example("\"JVBERi0xLjc=\"", new UploadedFile(new("019aa3a8-5c1e-7d31-9a53-0d6f7b1c2e51"), "image/jpeg", 48211, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "NotScanned"));

    private const string Insert = """
        insert into attachment (id, referral_id, institution, subject, media_type, size, sha256, scan, content, created_at)
        values (@id, @referral, @Institution, @Subject, @type, @size, @hash, @scan, @content, @Now)
        """;

    private async Task<IResult> Handle(HttpContext http, string id)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(incomplete!);
        var (content, type, unusable) = await Read(http);
        if (unusable is not null)
            return new ProblemResult(unusable);
        var (key, keyless) = IdempotencyKey.Of(http.Request, caller.Scope, content);
        if (keyless is not null)
            return new ProblemResult(keyless);
        var found = await store.Find(id);
        if (found is not { } read || !access.IsParty(caller, read.Referral))
        {
            await access.Denied(caller, "upload", found?.Referral.Id, id);
            return new ProblemResult(Problems.NotFound);
        }
        var (referral, wrapped) = read;
        if (!Roles.Desk.Contains(caller.Role) || (access.SidesOf(caller, referral) & (Side.Sender | Side.Receiver)) == 0)
        {
            await access.Denied(caller, "upload", referral.Id, id);
            return new ProblemResult(Problems.Forbidden);
        }
        return await once.Run<UploadedFile>(key!, async (connection, transaction) =>
        {
            if (referral.IsFinal)
                return (Problem)Refusals.NotInThisState;
            if (wrapped is null)
                return (Problem)Refusals.Erased;
            var uploaded = new UploadedFile(Guid.CreateVersion7(once.Now), type!, content.Length, Convert.ToHexStringLower(SHA256.HashData(content)),
                configuration["Attachments:Clamd"] is null ? "NotScanned" : "Pending");
            await connection.ExecuteAsync(Insert, new
            {
                id = uploaded.Id, referral = referral.Id, caller.Institution, caller.Subject, type, size = content.Length,
                hash = SHA256.HashData(content), scan = uploaded.Scan, content = keys.SealBytes(wrapped, content), once.Now,
            }, transaction);
            return new Reply<UploadedFile>(uploaded, null, 201);
        }, uploaded => $"/v1/referrals/{referral.Id}/attachments/{uploaded.Id}");
    }

    private static async Task<(byte[] Content, string? Type, Problem? Problem)> Read(HttpContext http)
    {
        var declared = http.Request.GetTypedHeaders().ContentType?.MediaType.Value;
        if (!FileTypes.Taken.Contains(declared, StringComparer.OrdinalIgnoreCase))
            return ([], null, WrongType("Send one of: ", "请上传以下类型之一："));
        if (http.Request.ContentLength > Limit)
            return ([], null, TooLarge());
        using var body = new MemoryStream();
        var buffer = new byte[64 * 1024];
        int read;
        while ((read = await http.Request.Body.ReadAsync(buffer, http.RequestAborted)) > 0)
        {
            body.Write(buffer, 0, read);
            if (body.Length > Limit)
                return ([], null, TooLarge());
        }
        var content = body.ToArray();
        if (content.Length == 0)
            return ([], null, Problems.Bad("", "The file is empty.", "文件为空。"));
        return FileTypes.Of(content) is { } type && type.Equals(declared, StringComparison.OrdinalIgnoreCase)
            ? (content, type, null)
            : ([], null, WrongType("The content is not what the header says. Taken are: ", "文件内容与声明的类型不符，可接受的类型："));
    }

    private static Problem WrongType(string en, string zh)
    {
        var taken = string.Join(", ", FileTypes.Taken);
        return new(Problems.WrongMediaType) { Detail = new(en + taken, zh + taken) };
    }

    private static Problem TooLarge() => new(Problems.TooLarge) { More = new Dictionary<string, object?> { ["limit"] = Limit } };
}

/// <summary>A file that was taken.</summary>
/// <param name="Sha256">Of the bytes as they were sent, in hexadecimal.</param>
/// <param name="Scan">NotScanned, Pending, Clean or Infected.</param>
internal sealed record UploadedFile(Guid Id, string MediaType, int Size, string Sha256, string Scan);
