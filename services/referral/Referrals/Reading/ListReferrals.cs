using System.Globalization;
using Dapper;
using Microsoft.AspNetCore.Mvc;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Reading;

/// <summary>What a worklist may be narrowed to.</summary>
internal sealed record ListFilter
{
    /// <summary>sender, receiver, drafter (a village clinic) or familyDoctor; sender and receiver when absent.</summary>
    [FromQuery(Name = "as")] public string? As { get; init; }
    [FromQuery(Name = "state")] public string[]? State { get; init; }
    [FromQuery(Name = "open")] public bool? Open { get; init; }
    [FromQuery(Name = "direction")] public string? Direction { get; init; }
    [FromQuery(Name = "kind")] public string? Kind { get; init; }
    [FromQuery(Name = "priority")] public string? Priority { get; init; }
    [FromQuery(Name = "department")] public string? Department { get; init; }
    /// <summary>The other party's institution code.</summary>
    [FromQuery(Name = "institution")] public string? Institution { get; init; }
    /// <summary>The caller's own number for the case.</summary>
    [FromQuery(Name = "ownNo")] public string? OwnNo { get; init; }
    [FromQuery(Name = "deadlineBefore")] public string? DeadlineBefore { get; init; }
    [FromQuery(Name = "changedSince")] public string? ChangedSince { get; init; }
    /// <summary>newest first when absent; priority: emergencies, urgent ones, contracted residents, then who waits longest.</summary>
    [FromQuery(Name = "order")] public string? Order { get; init; }
}

/// <summary>Worklists and search: keyset pages, newest first or in the order of priority.</summary>
internal sealed class ListReferrals(Wall wall, Access access, AllianceDirectory directory, Cursors cursors)
{
    public const int MostRows = 100;
    public const int MostCounted = 1000;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/referrals", ([AsParameters] ListFilter filter, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, ListReferrals list) =>
                list.Handle(http, filter, cursor, limit))
            .Describe("listReferrals", "Referrals", "Worklists of the caller's institution: masked, newest first, in keyset pages.")
            .Produces<ReferralPage>().Produces(304).Refuses(400, 403);
        routes.MapGet("/v1/referrals/count", ([AsParameters] ListFilter filter, HttpContext http, ListReferrals list) => list.Count(http, filter))
            .Describe("countReferrals", "Referrals", "How many rows a list has, counted up to 1 000.")
            .Produces<ReferralCount>().Refuses(400, 403);
    }

    private async Task<IResult> Handle(HttpContext http, ListFilter filter, string? cursor, int? limit)
    {
        var (query, caller, refused) = Read(http, filter);
        if (refused is not null)
            return refused;
        if (limit is < 1 or > MostRows)
            return new ProblemResult(Problems.Bad("limit", $"1 to {MostRows}.", $"1 至 {MostRows}。"));
        var list = caller!.Institution + filter;
        var order = filter.Order is null ? "listed_at desc, id desc" : Rank + ", listed_at, id";
        if (cursor is not null)
        {
            if (cursors.Open(list, cursor) is not { } position)
                return new ProblemResult(Problems.Bad("cursor", "Not a cursor of this list: start again without one.", "游标无效，请重新查询。"));
            var parts = position.Split('|');
            query!.Parameters.Add("before", DateTimeOffset.Parse(parts[0], CultureInfo.InvariantCulture));
            query.Parameters.Add("beforeId", Guid.Parse(parts[1]));
            query.And(filter.Order is null ? "(listed_at, id) < (@before, @beforeId)" : $"({Rank}, listed_at, id) > (@rank, @before, @beforeId)");
            if (filter.Order is not null)
                query.Parameters.Add("rank", int.Parse(parts[2], CultureInfo.InvariantCulture));
        }
        var rows = limit ?? 20;
        query!.Parameters.Add("rows", rows + 1);

        var found = await wall.Query<Referral>(caller, query.Rows(Columns, $"order by {order} limit @rows"), query.Parameters);
        var next = found.Count > rows ? cursors.Seal(list, Position(found[rows - 1])) : null;
        foreach (var referral in found)
            access.Shield(caller, referral);
        var page = found.Take(rows).Select(r => ReferralLine.Of(r, directory.Current, caller.Institution)).ToArray();

        var etag = $"\"{Hash(page)}\"";
        http.Response.Headers.ETag = etag;
        http.Response.Headers.CacheControl = "private, no-cache";
        if (ETags.Unchanged(http.Request, etag))
            return TypedResults.StatusCode(304);
        if (next is not null)
            http.Response.Headers.Link = $"<{Again(http.Request, next)}>; rel=\"next\"";
        return TypedResults.Ok(new ReferralPage(page, next));
    }

    // what a line shows, and what decides whether the caller is shielded from it: a third of the row
    private const string Columns = """
        id, referral_no, episode_id, direction, kind, priority, green_channel, state, state_since, next_deadline, next_deadline_at,
        sender, receiver, external, origin, department, claimed_by, contracted, sensitive, flags, patient_masked, patient_sex, patient_birth_year,
        sender_own_no, receiver_own_no, drafted_at, submitted_at, changed_at, listed_at
        """;

    // the reason that a line shows is the reason it stands there
    private const string Rank = "(case priority when 'Emergency' then 0 when 'Urgent' then 2 else 4 end + case when contracted then 0 else 1 end)";

    private static string Position(Referral last) =>
        $"{last.SubmittedAt ?? last.DraftedAt:O}|{last.Id}|{last.Priority switch { Priority.Emergency => 0, Priority.Urgent => 2, Priority.Routine => 4 } + (last.Contracted ? 0 : 1)}";

    private async Task<IResult> Count(HttpContext http, ListFilter filter)
    {
        var (query, caller, refused) = Read(http, filter);
        if (refused is not null)
            return refused;
        var count = (await wall.Query<int>(caller!,
            $"select count(*)::int from ({query!.Rows("id", $"limit {MostCounted + 1}")}) counted", query.Parameters)).Single();
        return TypedResults.Ok(new ReferralCount(Math.Min(count, MostCounted), count > MostCounted));
    }

    /// <summary>What makes a referral the caller's, what is his own number then, and which institution is the other party.</summary>
    private sealed record Side(string Mine, string OwnNo, string Other)
    {
        private const string AnyOwnNo = "(sender = @me and sender_own_no = @ownNo or receiver = @me and receiver_own_no = @ownNo)";
        private const string Either = "(sender = @institution or receiver = @institution)";

        public static readonly Side Sender = new("sender = @me", "sender_own_no = @ownNo", "receiver = @institution");
        public static readonly Side Receiver = new("receiver = @me and submitted_at is not null", "receiver_own_no = @ownNo", "sender = @institution");
        public static readonly Side OnlyReceiver = Receiver with { Mine = Receiver.Mine + " and sender <> @me" };
        public static readonly Side Drafter = new("origin = @me", AnyOwnNo, Either);
        public static readonly Side FamilyDoctor = new("family_clinic = @me and family_doctor = @myself and submitted_at is not null", AnyOwnNo, Either);
    }

    private sealed class Query(IReadOnlyList<Side> sides)
    {
        private readonly List<Func<Side, string>> _where = [];

        public DynamicParameters Parameters { get; } = new();

        public void And(string condition) => _where.Add(_ => condition);
        public void And(Func<Side, string> condition) => _where.Add(condition);

        /// <summary>
        /// The first rows of each side, and of them the first: each side is read along its own index, as far as the page
        /// reaches. One condition with "or" would gather and sort all that an institution ever sent or received.
        /// </summary>
        public string Rows(string columns, string first) => sides is [var side]
            ? Of(side, columns, first)
            : $"select * from ({string.Join(" union all ", sides.Select(s => $"({Of(s, columns, first)})"))}) sides {first}";

        private string Of(Side side, string columns, string first) =>
            $"select {columns} from referral where {string.Join(" and ", _where.Select(w => w(side)).Prepend(side.Mine))} {first}";
    }

    // every condition is one of these literals; values travel as parameters
    private static (Query?, Caller?, IResult?) Read(HttpContext http, ListFilter filter)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (incomplete is not null)
            return (null, null, new ProblemResult(incomplete));
        if (!Access.SeesPatients(caller!.Role))
            return (null, null, new ProblemResult(Problems.Forbidden));
        var checks = new Checks();
        IReadOnlyList<Side> sides = filter.As switch
        {
            "sender" => [Side.Sender],
            "receiver" => [Side.Receiver],
            "drafter" => [Side.Drafter],
            "familyDoctor" => [Side.FamilyDoctor],
            null => [Side.Sender, Side.OnlyReceiver],
            _ => [],
        };
        checks.That(sides.Count > 0, "as", "sender, receiver, drafter or familyDoctor.", "应为 sender、receiver、drafter 或 familyDoctor。");
        var query = new Query(sides);
        query.Parameters.Add("me", caller.Institution);
        if (filter.As is "familyDoctor")
            query.Parameters.Add("myself", caller.Subject);
        checks.That(filter.Order is null or "priority", "order", "priority, or leave it out.", "应为 priority，或不填。");
        if (filter.State is { Length: > 0 } states)
        {
            var known = states.Where(s => Enum.TryParse<ReferralState>(s, out var state) && state.ToString() == s).Select(Enum.Parse<ReferralState>).ToArray();
            checks.That(states.Length <= 21 && known.Length == states.Length, "state", "Not a state of a referral.", "不是有效的状态。");
            query.Parameters.Add("states", states);
            query.And("state = any(@states)");
            // years of ended ones need not be looked through for what can only be open
            if (filter.Open is null && known.All(s => s < ReferralState.Completed))
                query.And("ended_at is null");
        }
        if (filter.Open is { } open)
            query.And(open ? "ended_at is null" : "ended_at is not null");
        Enumerated<Direction>(filter.Direction, "direction");
        Enumerated<ReferralKind>(filter.Kind, "kind");
        Enumerated<Priority>(filter.Priority, "priority");
        Text(filter.Department, "department", _ => "department = @department");
        Text(filter.Institution, "institution", side => side.Other);
        Text(filter.OwnNo, "ownNo", side => side.OwnNo);
        Time(filter.DeadlineBefore, "deadlineBefore", "next_deadline_at < @deadlineBefore");
        Time(filter.ChangedSince, "changedSince", "changed_at >= @changedSince");
        return checks.Passed ? (query, caller, null) : (null, null, new ProblemResult(checks.Problem));

        void Enumerated<T>(string? value, string name) where T : struct, Enum
        {
            if (value is null)
                return;
            checks.That(Enum.TryParse<T>(value, out var known) && known.ToString() == value, name,
                "Not an allowed value.", "不在允许的取值范围内。");
            query.Parameters.Add(name, value);
            query.And($"{name} = @{name}");
        }

        void Text(string? value, string name, Func<Side, string> condition)
        {
            if (value is null)
                return;
            checks.That(value.Length is > 0 and <= 64 && !value.Any(char.IsControl), name, "1 to 64 characters.", "1 至 64 个字符。");
            query.Parameters.Add(name, value);
            query.And(condition);
        }

        void Time(string? value, string name, string condition)
        {
            if (value is null)
                return;
            var known = DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time);
            checks.That(known, name, "A time such as 2026-03-01T09:30:00+08:00.", "时间格式如 2026-03-01T09:30:00+08:00。");
            query.Parameters.Add(name, time.ToUniversalTime());
            query.And(condition);
        }
    }

    // equal pages have equal tags: ids and the moment of their newest change
    private static string Hash(IReadOnlyList<ReferralLine> page) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(
        page.SelectMany(l => (byte[])[.. l.Id.ToByteArray(), .. BitConverter.GetBytes(l.ChangedAt.UtcTicks)]).ToArray()))[..24];

    private static string Again(HttpRequest request, string cursor)
    {
        var query = Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(request.QueryString.Value);
        query["cursor"] = cursor;
        return Microsoft.AspNetCore.WebUtilities.QueryHelpers.AddQueryString(request.Path, query.SelectMany(p => p.Value, (p, v) => KeyValuePair.Create(p.Key, v)));
    }
}

/// <summary>One page; <c>Next</c> is the cursor of the following one.</summary>
internal sealed record ReferralPage(IReadOnlyList<ReferralLine> Items, string? Next);

/// <summary>At most 1 000 are counted; <c>More</c> says that there are further ones.</summary>
internal sealed record ReferralCount(int Count, bool More);
