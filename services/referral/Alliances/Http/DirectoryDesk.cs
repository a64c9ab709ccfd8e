using Dapper;
using Npgsql;
using ReferralService.Alliances.Import;
using ReferralService.Alliances.Sheets;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Http;

/// <summary>
/// Reads and changes entries of the directory. A change, its audit row and the news for every instance are one
/// transaction; the instance that answered knows it at once, the others within a second.
/// </summary>
internal sealed class DirectoryDesk(NpgsqlDataSource database, AllianceDirectory directory, Access access, Once once, Cursors cursors, TimeProvider clock)
{
    public const int MostRows = 200;

    /// <summary>PostgreSQL knows no NUL: what holds one is nobody's name.</summary>
    public static string Storable(string text) => text.Replace('\0', '\uFFFD');

    public AllianceSnapshot Alliance => directory.Current;
    public DateOnly Today => ChinaTime.DayOf(clock.GetUtcNow());
    public DateTimeOffset Now => clock.GetUtcNow();

    /// <summary>The caller, when the directory is for them: people of an institution in it, and who watches over it.</summary>
    public (Caller? Caller, IResult? Refused) Reader(HttpContext http)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return (null, new ProblemResult(incomplete!));
        return caller.Role is Role.Operator or Role.Regulator or Role.Auditor || directory.Current.Find(caller.Institution)?.Code == caller.Institution
            ? (caller, null) : (null, new ProblemResult(Problems.Forbidden));
    }

    private static async Task<(T Entry, long Version)?> Find<T>(NpgsqlConnection connection, Sheet<T> sheet, string key) where T : class, IEntry, new()
    {
        var rows = await connection.QueryAsync<T, long, (T, long)>(
            $"select e.*, e.version as row_version from ({sheet.Select}) e where e.key = @key", (entry, version) => (entry, version), new { key }, splitOn: "row_version");
        foreach (var row in rows)
            return row;
        return null;
    }

    public async Task<IResult> Get<T>(HttpContext http, Sheet<T> sheet, string key, Func<T, Caller, T>? shown = null) where T : class, IEntry, new()
    {
        var (caller, refused) = Reader(http);
        if (caller is null)
            return refused!;
        await using var connection = await database.OpenConnectionAsync();
        if (await Find(connection, sheet, key) is not { } found)
            return new ProblemResult(Problems.NotFound);
        http.Response.Headers.ETag = ETags.Of(found.Version);
        if (ETags.Unchanged(http.Request, ETags.Of(found.Version)))
            return TypedResults.StatusCode(304);
        return TypedResults.Ok(shown is null ? found.Entry : shown(found.Entry, caller));
    }

    /// <summary>A page of entries in the order of their keys. <paramref name="where"/> is a literal of the code; values travel as parameters.</summary>
    public async Task<IResult> List<T>(HttpContext http, Sheet<T> sheet, string where, DynamicParameters values, string? cursor, int? limit, Func<T, Caller, T>? shown = null)
        where T : class, IEntry, new()
    {
        var (caller, refused) = Reader(http);
        if (caller is null)
            return refused!;
        if (limit is < 1 or > MostRows)
            return new ProblemResult(Problems.Bad("limit", $"1 to {MostRows}.", $"1 至 {MostRows}。"));
        var list = $"{sheet.Name}|{where}|{string.Join('|', values.ParameterNames.Select(n => values.Get<object?>(n)))}";
        if (cursor is not null)
        {
            if (cursors.Open(list, cursor) is not { } after)
                return new ProblemResult(Problems.Bad("cursor", "Not a cursor of this list: start again without one.", "游标无效，请重新查询。"));
            values.Add("after", after);
            where += " and e.key > @after";
        }
        var rows = limit ?? 50;
        values.Add("rows", rows + 1);
        await using var connection = await database.OpenConnectionAsync();
        // the tag is older than the rows, never newer: a change in between is seen the next time
        var etag = $"\"d{await connection.ExecuteScalarAsync<long>("select number from directory_version")}\"";
        http.Response.Headers.ETag = etag;
        if (ETags.Unchanged(http.Request, etag))
            return TypedResults.StatusCode(304);
        var found = (await connection.QueryAsync<T, string, (T Entry, string Key)>(
            $"select e.*, e.key as row_key from ({sheet.Select}) e where {where} order by e.key limit @rows", (entry, key) => (entry, key), values, splitOn: "row_key")).AsList();
        var next = found.Count > rows ? cursors.Seal(list, found[rows - 1].Key) : null;
        return TypedResults.Ok(new DirectoryPage<T>([.. found.Take(rows).Select(f => shown is null ? f.Entry : shown(f.Entry, caller))], next));
    }

    /// <summary>
    /// Makes an entry what the body says. A new one needs no precondition, a change names the version it saw, and the
    /// same again changes nothing.
    /// </summary>
    public async Task<IResult> Put<T>(HttpContext http, Sheet<T> sheet, string key, Func<T, T> keyed) where T : class, IEntry, new()
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(incomplete!);
        var (body, malformed, _) = await RequestBody.Read<T>(http);
        if (body is null)
            return new ProblemResult(malformed!);
        var entry = keyed(body);
        var checks = new Checks();
        entry.Check(checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        return await Write(http, caller, sheet, key, entry);
    }

    private async Task<IResult> Write<T>(HttpContext http, Caller caller, Sheet<T> sheet, string key, T entry) where T : class, IEntry, new()
    {
        await using var connection = await database.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var before = await Find(connection, sheet, key);
        // who may not write what stands there may not write over it either
        if (!sheet.Allows(entry, caller, directory.Current, Today) || before is { } known && !sheet.Allows(known.Entry, caller, directory.Current, Today) && caller.Role != Role.Regulator)
        {
            await transaction.RollbackAsync();
            await access.Denied(connection, caller, "write-" + sheet.Name, null, key);
            return new ProblemResult(Problems.Forbidden);
        }
        try
        {
            await connection.ExecuteAsync("set constraints all immediate", transaction: transaction);
            await using var command = new NpgsqlCommand(sheet.Upsert, connection, transaction);
            foreach (var parameter in sheet.Parameters(entry, before?.Version ?? 0, caller))
                command.Parameters.Add(parameter);
            var changed = await command.ExecuteNonQueryAsync() > 0;
            var after = (await Find(connection, sheet, key))!.Value;
            if (before is { } stood)
            {
                if (after.Version != (changed ? stood.Version + 1 : stood.Version))
                    return new ProblemResult(Problems.StaleEtag);
                if (changed && ETags.Check(http.Request, stood.Version) is { } stale)
                    return new ProblemResult(stale);
            }
            else if (!changed)
                return new ProblemResult(new Problem(Problems.LostRace) { RetryAfter = 1 });
            if (changed)
            {
                await Audit(connection, caller, entry is MembershipEntry { OverrideReason: not null } ? "override-tight-parent" : "write-" + sheet.Name, key);
                await ImportAlliance.Changed(connection);
                await transaction.CommitAsync();
                await directory.Refresh();
            }
            http.Response.Headers.ETag = ETags.Of(after.Version);
            return before is null ? TypedResults.Created(http.Request.Path, after.Entry) : TypedResults.Ok(after.Entry);
        }
        catch (PostgresException e) when (Constraints.Explain(e) is { } reason)
        {
            return new ProblemResult(new Problem(reason.Type) { Errors = [reason.Error] });
        }
    }

    /// <summary>A command that is carried out once for each Idempotency-Key; afterwards this instance knows what it changed.</summary>
    public async Task<IResult> Once<T>(IdempotencyKey key, Func<NpgsqlConnection, NpgsqlTransaction, Task<Reply<T>>> step, Func<T, string>? location = null) where T : class
    {
        try
        {
            var answer = await once.Run(key, step, location);
            await directory.Refresh();
            return answer;
        }
        catch (PostgresException e) when (Constraints.Explain(e) is { } reason)
        {
            return new ProblemResult(new Problem(reason.Type) { Errors = [reason.Error] });
        }
    }

    public Task Audit(NpgsqlConnection connection, Caller caller, string action, string target) => connection.ExecuteAsync("""
        insert into audit (at, subject, institution, role, purpose, action, verdict, target)
        values (@now, @Subject, @Institution, @role, @Purpose, @action, 'allowed', @target)
        """, new { now = clock.GetUtcNow(), caller.Subject, caller.Institution, role = caller.Role.ToString(), caller.Purpose, action, target = target.Length > 80 ? target[..80] : target });
}

/// <summary>One page; <c>Next</c> is the cursor of the following one.</summary>
internal sealed record DirectoryPage<T>(IReadOnlyList<T> Items, string? Next);
