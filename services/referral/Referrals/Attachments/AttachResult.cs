using System.Text.Json.Nodes;
using Dapper;
using Npgsql;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Attachments;

/// <summary>
/// A result, with its mark of mutual recognition (互认) where it has one. Whoever repeats an examination whose recognised
/// result is on file and in date says why, and is counted.
/// </summary>
internal sealed record AttachResult(
    string? Title, string? ItemCode, string? Laboratory, bool Recognised, DateOnly? QualityUntil, string? Reference) : ICommand
{
    /// <summary>A result that the receiver need not repeat.</summary>
    public const string RecognisedFlag = "RECOGNISED_RESULT";
    /// <summary>Flag of a result that repeats a recognised one.</summary>
    public const string Repeated = "REPEATED_EXAMINATION";
    public const string RepeatList = "RepeatExamination";

    /// <summary>A file that was handed in for this referral; a reference stands in its place where it lies elsewhere.</summary>
    public Guid? Attachment { get; init; }
    /// <summary>The mark as it is printed, e.g. 全国HR.</summary>
    public string? Mark { get; init; }
    /// <summary>Day of the examination; today when absent.</summary>
    public DateOnly? ExaminedOn { get; init; }
    /// <summary>Why it was done again: a code of the list RepeatExamination.</summary>
    public string? RepeatReason { get; init; }
    public string? RepeatText { get; init; }

    /// <summary>The recognised result of the same item that the patient had already.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public RecognisedResult? OnFile { get; init; }

    /// <summary>False when the file is not there, not one's own, or attached already.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool FileIsThere { get; init; } = true;

    public void Check(Checks checks)
    {
        checks.Text(Title, "/title", 200);
        checks.Text(ItemCode, "/itemCode", 64, required: Recognised);
        checks.Text(Laboratory, "/laboratory", 100, required: Recognised);
        checks.Text(Reference, "/reference", 500, required: Attachment is null);
        checks.Text(Mark, "/mark", 40, required: false);
        if (Recognised)
            checks.Required(QualityUntil, "/qualityUntil");
        checks.Day(QualityUntil, "/qualityUntil");
        checks.Day(ExaminedOn, "/examinedOn");
        checks.Text(RepeatReason, "/repeatReason", 64, required: false);
        checks.Text(RepeatText, "/repeatText", Reasons.TextLimit, required: false);
    }

    public static Problem? Keep(Referral r, Move<AttachResult> move)
    {
        var (c, today) = (move.Command, ChinaTime.DayOf(move.Now));
        if (!c.FileIsThere)
            return Refusals.Rule("/attachment", "No file of yours with this id waits to be attached to this referral.", "没有您上传的、待附加到该转诊单的此文件。");
        var examined = c.ExaminedOn ?? today;
        if (examined > today)
            return Refusals.Rule("/examinedOn", "Not in the future.", "不能晚于今日。");
        if (c.Recognised && c.QualityUntil < examined)
            return Refusals.Rule("/qualityUntil", "The laboratory's quality mark had run out: the result is not recognised.", "检查时质控已过期，不属于互认结果。");

        var repeats = c.OnFile is { } known && known.QualityUntil >= examined;
        if (repeats)
        {
            if (c.RepeatReason is null)
                return new Problem(Refusals.RecognisedResultOnFile)
                {
                    Errors = [new("/repeatReason", new("Say why it was done again: a code of the list RepeatExamination.", "请从 RepeatExamination 代码表中选择重复检查的理由。"))],
                    More = new Dictionary<string, object?>
                    {
                        ["onFile"] = c.OnFile, ["allowed"] = move.Alliance.ReasonCodes(RepeatList, today),
                    },
                };
            if (move.Give(RepeatList, c.RepeatReason, c.RepeatText) is { } unknown)
                return unknown with { Errors = [.. unknown.Errors.Select(e => e with { Pointer = e.Pointer == "/text" ? "/repeatText" : "/repeatReason" })] };
        }
        move.Words = new JsonObject { ["title"] = c.Title, ["reference"] = c.Reference, ["repeatText"] = repeats ? c.RepeatText : null }
            .ToJsonString(ServiceDefaults.Json.Lenient);
        move.Detail = new()
        {
            ["itemCode"] = c.ItemCode, ["laboratory"] = c.Laboratory, ["recognised"] = c.Recognised, ["mark"] = c.Mark,
            ["examinedOn"] = examined.ToString("yyyy-MM-dd"), ["qualityUntil"] = c.QualityUntil?.ToString("yyyy-MM-dd"),
            ["repeated"] = repeats,
        };
        if (c.Attachment is { } file)
            move.Detail["attachment"] = file.ToString();
        string[] flags = [.. c.Recognised ? [RecognisedFlag] : Array.Empty<string>(), .. repeats ? [Repeated] : Array.Empty<string>()];
        move.Extras.Flags = flags;
        // partners hear of no draft: what was attached to one is counted with its submission
        if (r.SubmittedAt is null)
            r.Flags = [.. r.Flags.Union(flags)];
        return null;
    }

    // of the same person, by the person's row or by the number where there is one: in this referral or in one that went
    // out, never from the sandbox into what is real; of a sensitive illness only to whom it is known anyway
    private const string Known = """
        select h.institution, h.detail ->> 'laboratory' as laboratory, h.detail ->> 'mark' as mark,
               (h.detail ->> 'qualityUntil')::date as quality_until, h.at
        from history h
        join referral r on r.id = h.referral_id
        join patient p on p.id = r.patient_id
        where h.verb = 'attach' and h.detail ->> 'recognised' = 'true' and h.detail ->> 'itemCode' = @item and not r.in_error
          and h.institution <> @institution
          and (r.id = @referral or r.submitted_at is not null and r.synthetic = @synthetic
               and (not r.sensitive or r.sender = any(@mine) or r.receiver = any(@mine) or r.origin = any(@mine)))
          and (r.patient_id = @person or p.id_index = (select id_index from patient where id = @person))
        order by (h.detail ->> 'qualityUntil')::date desc, h.at desc
        limit 1
        """;

    private const string File = """
        select exists (
            select from attachment a
            where a.id = @file and a.referral_id = @referral and a.institution = @institution and a.scan <> 'Infected'
              and not exists (select from history h where h.verb = 'attach' and h.detail ->> 'attachment' = a.id::text))
        """;

    /// <summary>Looks up the file, and what is on file of the same examination.</summary>
    public static async Task<(AttachResult, IReadOnlyList<Birth>, Problem?)> Prepare(Preparing<AttachResult> about)
    {
        var (command, referral) = (about.Command, about.Referral);
        if (command.Attachment is null && command.ItemCode is null)
            return (command, [], null);
        await using var connection = await about.Services.GetRequiredService<NpgsqlDataSource>().OpenConnectionAsync();
        var institution = about.Actor.Institution;
        if (command.Attachment is { } file)
            command = command with { FileIsThere = await connection.ExecuteScalarAsync<bool>(File, new { file, referral = referral.Id, institution }) };
        if (command.ItemCode is { } item)
            command = command with
            {
                OnFile = await connection.QuerySingleOrDefaultAsync<RecognisedResult>(Known, new
                {
                    item, institution, person = referral.PatientId, referral = referral.Id, synthetic = referral.Synthetic,
                    mine = new[] { institution, about.Actor.OnBehalfOf ?? institution },
                }),
            };
        return (command, [], null);
    }
}

/// <summary>A result with a mark of mutual recognition: whose, and until when its quality holds.</summary>
internal sealed record RecognisedResult(string Institution, string? Laboratory, string? Mark, DateOnly QualityUntil, DateTimeOffset At);
