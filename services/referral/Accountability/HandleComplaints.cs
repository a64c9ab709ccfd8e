using System.Globalization;
using Dapper;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using ReferralService.Alliances;
using ReferralService.Patients;
using ReferralService.Referrals.Reading;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Accountability;

/// <summary>
/// Complaints (投诉) about a referral, under its number: filed by one party, answered by the other, decided by the
/// alliance's office where they do not agree. Each step is kept; the words lie under the patient's key.
/// </summary>
internal sealed class HandleComplaints(
    NpgsqlDataSource database, Once once, ReferralStore store, GetReferral referrals, SlipReader slips, PatientKeys keys, Access access,
    AllianceDirectory directory, Cursors cursors)
{
    private const int MostRows = 100;
    private const string Columns = "no, referral_id, referral_no, about, filed_by, against, state, version, filed_at, due_at, answered_at, escalated_at, decision, ended_at";
    private static readonly Role[] Filing = [Role.Clinician, Role.Coordinator, Role.Head, Role.Registrar, Role.AllianceOffice];
    private static readonly Role[] Answering = [Role.Coordinator, Role.Head];
    private static readonly Complaint Sample = new()
    {
        No = "C26030200000017", ReferralNo = "U260302000001239", About = ComplaintSubject.Refusal, FiledBy = "12210681DEM0001022",
        Against = "12210600DEM0000149", Version = 1, FiledAt = new(2026, 3, 2, 1, 0, 0, TimeSpan.Zero), DueAt = new(2026, 3, 7, 1, 0, 0, TimeSpan.Zero),
    };

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/referrals/{id}/complaints", (string id, HttpContext http, HandleComplaints complaints) => complaints.File(http, id))
            .Accepts<FileComplaint>("application/json")
            .Describe("fileComplaint", "Accountability", "Complain of a party of a referral.",
                "By the other party, for itself or for its patient; the alliance's office for anybody. The accused answers within five days.")
            .Produces<ComplaintView>(201).RefusesLikeACommand()
            .Example(new FileComplaint(ComplaintSubject.Refusal, "12210600DEM0000149", "三次联系均无人应答"), ComplaintView.Of(Sample, false));
        routes.MapGet("/v1/referrals/{id}/complaints", (string id, HttpContext http, HandleComplaints complaints) => complaints.OfReferral(http, id))
            .Describe("listComplaintsOfReferral", "Accountability", "Complaints about a referral with all that was said, for complainant, accused and office.")
            .Produces<ComplaintList>().Refuses(400, 403, 404);
        routes.MapGet("/v1/complaints", ([FromQuery] string? state, [FromQuery] bool? overdue, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, HandleComplaints complaints) =>
                complaints.List(http, state, overdue ?? false, cursor, limit))
            .Describe("listComplaints", "Accountability", "Complaints by or against the caller's institution, newest first; for the office those of its members.")
            .Produces<ComplaintPage>().Refuses(400, 403);
        Step<SayToComplaint>(routes, "answer", "Answer it, as the accused.", ComplaintSide.Accused, new("已电话致歉并安排就诊"), c => c.Text, _ => null);
        Step<SayToComplaint>(routes, "close", "The answer satisfies.", ComplaintSide.Complainant, new("认可答复"), c => c.Text, _ => null);
        Step<SayToComplaint>(routes, "escalate", "The answer does not satisfy, or did not come in time: the alliance's office decides.", ComplaintSide.Complainant, new("答复与事实不符"), c => c.Text, _ => null);
        Step<SayToComplaint>(routes, "withdraw", "Take it back.", ComplaintSide.Complainant, new("误会已澄清"), c => c.Text, _ => null);
        Step<DecideComplaint>(routes, "decide", "Decide, as the alliance's office; not of its own house, nor where it spoke for a side.", ComplaintSide.Office, new(ComplaintDecision.Upheld, "属推诿，责令整改"), c => c.Text, c => c.Decision);
    }

    private static void Step<T>(IEndpointRouteBuilder routes, string step, string summary, ComplaintSide side, T example, Func<T, string?> text, Func<T, ComplaintDecision?> decision)
        where T : class, ICommand => routes
        .MapPost($"/v1/complaints/{{no}}/{step}", (string no, HttpContext http, HandleComplaints complaints) => complaints.Take(http, no, step, side, text, decision))
        .Accepts<T>("application/json")
        .Describe($"{step}Complaint", "Accountability", summary)
        .Produces<ComplaintView>().RefusesLikeACommand(ifMatch: true)
        .Example(example, ComplaintView.Of(Sample.After(step, side, Sample.FiledAt.AddDays(6), ComplaintDecision.Upheld) ?? Sample with { Version = 2 }, false));

    private async Task<IResult> File(HttpContext http, string id)
    {
        var (caller, body, key, refused) = await Once.Read<FileComplaint>(http);
        if (refused is not null)
            return refused;
        var (found, _, hidden) = await referrals.Find(http, id, "file-complaint");
        if (found is not { } referral)
            return hidden!;
        if (!Filing.Contains(caller!.Role) || !access.IsParty(caller, referral))
            return new ProblemResult(Problems.Forbidden);
        var filedBy = caller.Role == Role.AllianceOffice ? caller.OnBehalfOf ?? caller.Institution : caller.Institution;
        var wrapped = (await store.Find(id))!.Value.WrappedKey;
        return await once.Run<ComplaintView>(key!, async (connection, transaction) =>
        {
            if (body!.Against == filedBy || body.Against != referral.Sender && !referral.Tried.Contains(body.Against!) || referral.SubmittedAt is null)
                return Refusals.Rule("/against", "Another institution that has or had this referral.", "须为该转诊单的另一方或曾接收的机构。");
            var now = once.Now;
            var number = await connection.ExecuteScalarAsync<long>("select nextval('complaint_number')", transaction: transaction);
            var complaint = new Complaint
            {
                No = $"C{ChinaTime.DayOf(now):yyMMdd}{number:00000000}", ReferralId = referral.Id, ReferralNo = referral.ReferralNo, About = body.About!.Value,
                FiledBy = filedBy, Against = body.Against!, State = ComplaintState.Filed, Version = 1, FiledAt = now, DueAt = now + Complaint.ToAnswer,
            };
            await connection.ExecuteAsync("""
                insert into complaint (no, referral_id, referral_no, about, filed_by, against, state, version, filed_at, due_at)
                values (@No, @ReferralId, @ReferralNo, @about, @FiledBy, @Against, @state, @Version, @FiledAt, @DueAt)
                """, new
            {
                complaint.No, complaint.ReferralId, complaint.ReferralNo, about = complaint.About.ToString(), complaint.FiledBy, complaint.Against,
                state = complaint.State.ToString(), complaint.Version, complaint.FiledAt, complaint.DueAt,
            }, transaction);
            await Said(connection, transaction, complaint, "file", caller, body.Text!, wrapped);
            return new Reply<ComplaintView>(ComplaintView.Of(complaint, false), null, 201);
        }, c => $"/v1/referrals/{referral.Id}/complaints");
    }

    private async Task<IResult> Take<T>(HttpContext http, string no, string step, ComplaintSide side, Func<T, string?> text, Func<T, ComplaintDecision?> decision)
        where T : class, ICommand
    {
        var (caller, body, key, refused) = await Once.Read<T>(http);
        if (refused is not null)
            return refused;
        await using (var looking = await database.OpenConnectionAsync())
            if (await Find(looking, null, no) is not { } known || !Sides(caller!, known).Any())
            {
                await access.Denied(looking, caller!, step + "-complaint", null, no);
                return new ProblemResult(Problems.NotFound);
            }
            else if (!Sides(caller!, known).Contains(side) || side == ComplaintSide.Accused && !Answering.Contains(caller!.Role)
                || side == ComplaintSide.Office && await IsInvolved(looking, caller!, known))
            {
                await access.Denied(looking, caller!, step + "-complaint", known.ReferralId, no);
                return new ProblemResult(Problems.Forbidden);
            }
        return await once.Run<ComplaintView>(key!, async (connection, transaction) =>
        {
            var complaint = (await Find(connection, transaction, no, forUpdate: true))!;
            if (ETags.Check(http.Request, complaint.Version) is { } stale)
                return stale;
            if (complaint.After(step, side, once.Now, decision(body!)) is not { } after)
                return new Problem(Refusals.NotInThisState) { More = new Dictionary<string, object?> { ["state"] = complaint.State.ToString() } };
            await connection.ExecuteAsync("""
                update complaint set (state, version, due_at, answered_at, escalated_at, decision, ended_at)
                    = (@state, @Version, @DueAt, @AnsweredAt, @EscalatedAt, @decision, @EndedAt)
                where no = @No
                """, new
            {
                after.No, state = after.State.ToString(), after.Version, after.DueAt, after.AnsweredAt, after.EscalatedAt,
                decision = after.Decision?.ToString(), after.EndedAt,
            }, transaction);
            await Said(connection, transaction, after, step, caller!, text(body!)!, (await store.Find(complaint.ReferralId.ToString()))?.WrappedKey);
            http.Response.Headers.ETag = ETags.Of(after.Version);
            return ComplaintView.Of(after, false);
        });
    }

    private static Task<Complaint?> Find(NpgsqlConnection connection, NpgsqlTransaction? transaction, string no, bool forUpdate = false) =>
        connection.QuerySingleOrDefaultAsync<Complaint>(
            "select " + Columns + " from complaint where no = @no" + (forUpdate ? " for update" : ""), new { no = no.ToUpperInvariant() }, transaction);

    // words and audit row are written with the step, or nothing is
    private async Task Said(NpgsqlConnection connection, NpgsqlTransaction transaction, Complaint complaint, string verb, Caller caller, string text, byte[]? wrapped)
    {
        await connection.ExecuteAsync("""
            with said as (
                insert into complaint_step (no, version, verb, to_state, at, subject, institution, role, words)
                values (@No, @Version, @verb, @state, @at, @Subject, @Institution, @role, @words)
            )
            insert into audit (at, subject, institution, role, purpose, action, verdict, referral_id, target)
            values (@at, @Subject, @Institution, @role, @Purpose, @action, 'allowed', @ReferralId, @No)
            """, new
        {
            complaint.No, complaint.Version, verb, state = complaint.State.ToString(), at = once.Now, caller.Subject, caller.Institution,
            role = caller.Role.ToString(), caller.Purpose, action = verb + "-complaint", complaint.ReferralId,
            words = wrapped is null ? null : keys.Seal(wrapped, text),
        }, transaction);
    }

    // complainant and accused by their institution; the office of an alliance that one of them belongs to
    private IEnumerable<ComplaintSide> Sides(Caller caller, Complaint complaint)
    {
        var office = caller.Role == Role.AllianceOffice;
        if (office && new[] { complaint.FiledBy, complaint.Against }.Any(i => i == caller.Institution
                || directory.Current.ShareAnAlliance(caller.Institution, i, ChinaTime.DayOf(once.Now))))
            yield return ComplaintSide.Office;
        if (!Filing.Contains(caller.Role))
            yield break;
        if (complaint.FiledBy == (office ? caller.OnBehalfOf ?? caller.Institution : caller.Institution))
            yield return ComplaintSide.Complainant;
        if (!office && complaint.Against == caller.Institution)
            yield return ComplaintSide.Accused;
    }

    // nobody judges in their own cause, nor where they spoke for a side
    private static async Task<bool> IsInvolved(NpgsqlConnection connection, Caller caller, Complaint complaint) =>
        new[] { caller.Institution, caller.OnBehalfOf }.Any(i => i == complaint.FiledBy || i == complaint.Against)
        || await connection.ExecuteScalarAsync<bool>(
            "select exists (select from complaint_step where no = @No and institution = @Institution)", new { complaint.No, caller.Institution });

    private sealed record StepRow(string No, string Verb, string ToState, DateTimeOffset At, string Institution, string Role, byte[]? Words)
    {
        public StepRow() : this("", "", "", default, "", "", null)
        {
        }
    }

    private async Task<IResult> OfReferral(HttpContext http, string id)
    {
        var (found, caller, hidden) = await referrals.Find(http, id, "complaints");
        if (found is not { } referral)
            return hidden!;
        var wrapped = (await store.Find(id))?.WrappedKey;
        await access.Read(caller!, "read-complaints", referral.Id);
        await using var connection = await database.OpenConnectionAsync();
        // an institution of another leg is a party of the referral and yet no party of this quarrel
        var complaints = (await connection.QueryAsync<Complaint>("select " + Columns + " from complaint where referral_id = @Id order by filed_at, no", new { referral.Id }))
            .Where(c => Sides(caller!, c).Any()).ToArray();
        var steps = (await connection.QueryAsync<StepRow>("""
            select no, verb, to_state, at, institution, role, words from complaint_step where no = any(@nos) order by no, version
            """, new { nos = complaints.Select(c => c.No).ToArray() })).ToLookup(s => s.No);
        return TypedResults.Ok(new ComplaintList([.. complaints.Select(c => ComplaintView.Of(c, c.DueAt < once.Now) with
        {
            Steps = [.. steps[c.No].Select(s => new ComplaintStep(s.Verb, s.ToState, s.At, s.Institution, s.Role, slips.Words(wrapped, s.Words)))],
        })]));
    }

    private async Task<IResult> List(HttpContext http, string? state, bool overdue, string? cursor, int? limit)
    {
        var (known, incomplete) = Caller.Of(http);
        if (known is not { } caller)
            return new ProblemResult(incomplete!);
        if (limit is < 1 or > MostRows)
            return new ProblemResult(Problems.Bad("limit", $"1 to {MostRows}.", $"1 至 {MostRows}。"));
        if (state is not null && (!Enum.TryParse<ComplaintState>(state, out var parsed) || parsed.ToString() != state))
            return new ProblemResult(Problems.Bad("state", "Not a state of a complaint.", "不是有效的投诉状态。"));
        var list = $"complaints|{caller.Institution}|{caller.Role}|{state}|{overdue}";
        (DateTime At, string No)? before = null;
        if (cursor is not null)
        {
            if (cursors.Open(list, cursor) is not { } position)
                return new ProblemResult(Problems.Bad("cursor", "Not a cursor of this list: start again without one.", "游标无效，请重新查询。"));
            var parts = position.Split('|');
            before = (new(long.Parse(parts[0], CultureInfo.InvariantCulture), DateTimeKind.Utc), parts[1]);
        }
        if (!Filing.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        var today = ChinaTime.DayOf(once.Now);
        var mine = caller.Role == Role.AllianceOffice
            ? directory.Current.AlliancesOf(caller.Institution, today).SelectMany(directory.Current.MembersOf)
                .Where(m => m.Since <= today && (m.Until is null || m.Until >= today)).Select(m => m.Institution).Append(caller.Institution).Distinct().ToArray()
            : [caller.Institution];
        await using var connection = await database.OpenConnectionAsync();
        var rows = limit ?? 20;
        var found = (await connection.QueryAsync<Complaint>("select " + Columns + """
             from complaint
            where (filed_by = any(@mine) or against = any(@mine))
              and (@state::text is null or state = @state) and (not @overdue or due_at < @now)
              and (@at::timestamptz is null or (filed_at, no) < (@at, @no))
            order by filed_at desc, no desc limit @most
            """, new { mine, state, overdue, now = once.Now, at = before?.At, no = before?.No, most = rows + 1 })).AsList();
        var page = found.Take(rows).ToArray();
        return TypedResults.Ok(new ComplaintPage([.. page.Select(c => ComplaintView.Of(c, c.DueAt < once.Now))],
            found.Count > rows ? cursors.Seal(list, $"{page[^1].FiledAt.UtcTicks}|{page[^1].No}") : null));
    }
}

/// <summary>A complaint without the words; <see cref="Steps"/> has them where they may be read.</summary>
/// <param name="DueAt">Until when the accused must answer, or the office decide.</param>
internal sealed record ComplaintView(
    string No, string ReferralNo, ComplaintSubject About, string FiledBy, string Against, ComplaintState State, int Version, DateTimeOffset FiledAt,
    DateTimeOffset? DueAt, bool Overdue, DateTimeOffset? AnsweredAt, DateTimeOffset? EscalatedAt, ComplaintDecision? Decision, DateTimeOffset? EndedAt)
{
    public IReadOnlyList<ComplaintStep>? Steps { get; init; }

    public static ComplaintView Of(Complaint c, bool overdue) => new(c.No, c.ReferralNo, c.About, c.FiledBy, c.Against, c.State, c.Version, c.FiledAt,
        c.DueAt, overdue, c.AnsweredAt, c.EscalatedAt, c.Decision, c.EndedAt);
}

/// <summary>What was done and said.</summary>
internal sealed record ComplaintStep(string Verb, string State, DateTimeOffset At, string Institution, string Role, string? Text);

internal sealed record ComplaintList(IReadOnlyList<ComplaintView> Items);

internal sealed record ComplaintPage(IReadOnlyList<ComplaintView> Items, string? Next);
