using System.Text.Json;
using Dapper;
using Npgsql;
using ServiceDefaults;

namespace NotificationService;

/// <summary>
/// Reads the log into the inboxes of the staff, in its own time and at its own place, so that no webhook waits for it.
/// One line per referral and institution: the newest takes the place of what was there before, and whoever acts on a
/// referral has seen it.
/// </summary>
internal sealed class InboxWriter(NpgsqlDataSource database, Signals signals, ILogger<InboxWriter> log) : BackgroundService
{
    private const int BatchSize = 500;
    // what happens in between shares one commit
    private static readonly TimeSpan Collect = TimeSpan.FromMilliseconds(300), Sweep = TimeSpan.FromSeconds(1);

    private int _size = BatchSize;
    private bool _leaveOut;

    private sealed record Row(long Position, string Body);

    private sealed record Change(long Position, string Institution, Guid Thing, HeardEvent? Event, bool MustAct);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await Run(stoppingToken))
                {
                }
                await signals.LoggedForInbox.Wait(Sweep, stoppingToken);
                await Task.Delay(Collect, stoppingToken);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
            }
            catch (Exception e) when (e is not (NpgsqlException { IsTransient: true } or TimeoutException or PostgresException { SqlState: ['5', '3' or '7', ..] }))
            {
                // one event does not fit: it is found by going one by one, and left out, so that it stops nobody's inbox
                (_size, _leaveOut) = (1, _size == 1);
                if (_leaveOut)
                    log.LogError("An event is left out of the inboxes: {Reason} {SqlState}", e.GetType().Name, (e as PostgresException)?.SqlState);
            }
            catch (Exception e)
            {
                log.LogWarning("Inboxes stand still: {Reason} {SqlState}", e.GetType().Name, (e as PostgresException)?.SqlState);
                await Task.Delay(Sweep, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<bool> Run(CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // another instance that is at work holds the row: nothing is left for us
        if (await connection.QuerySingleOrDefaultAsync<long?>("select position from inbox_progress for update skip locked", transaction: transaction) is not { } position)
            return false;
        var rows = (await connection.QueryAsync<Row>(
            "select position, body from event where position > @position order by position limit @BatchSize", new { position, BatchSize = _size }, transaction)).AsList();
        if (rows.Count == 0)
            return false;
        if (!_leaveOut)
            await Write(connection, transaction, Newest(rows.SelectMany(ChangesOf)));
        await connection.ExecuteAsync("update inbox_progress set position = @Position", new { rows[^1].Position }, transaction);
        await transaction.CommitAsync(ct);
        var more = rows.Count == _size;
        // behind the one that did not fit it goes on as before
        if (_leaveOut)
            (_size, _leaveOut) = (BatchSize, false);
        return more;
    }

    private static IEnumerable<Change> ChangesOf(Row row)
    {
        var heard = JsonSerializer.Deserialize<HeardEvent>(row.Body, Json.Lenient)!;
        if (heard.Data is not { } facts || (facts.Id ?? facts.EndpointId) is not { } thing)
            yield break;
        var lines = InboxRules.Of(heard.Type!, facts);
        foreach (var institution in Party.Names(facts.Sender, facts.Receiver, facts.Institution, facts.OnBehalfOf, facts.AllianceOffice).Distinct())
            if (institution == facts.Institution || institution == facts.OnBehalfOf || InboxRules.Ends(facts))
                if (!lines.Any(l => l.Institution == institution))
                    yield return new(row.Position, institution, thing, null, false);
        foreach (var line in lines)
            yield return new(row.Position, line.Institution, thing, heard, line.MustAct);
    }

    // the alliance office hears the alarm and is no party: a department that gives the illness away is not for it
    private static bool MayKnow(string institution, HeardFacts facts) =>
        institution == facts.Sender || institution == facts.Receiver || institution == facts.PreviousReceiver || !Masking.IsSensitive(facts.Department, facts.PatientClass);

    // one statement touches a row once
    private static List<Change> Newest(IEnumerable<Change> changes) =>
        [.. changes.GroupBy(c => (c.Institution, c.Thing)).Select(g => g.MaxBy(c => c.Position)!).OrderBy(c => c.Institution, StringComparer.Ordinal).ThenBy(c => c.Thing)];

    private static async Task Write(NpgsqlConnection connection, NpgsqlTransaction transaction, List<Change> changes)
    {
        var settled = changes.Where(c => c.Event is null).ToArray();
        if (settled.Length > 0)
            await connection.ExecuteAsync("""
                update inbox_item i set open = false
                from unnest(@Institutions, @Things) as s(institution, thing)
                -- by the key: a plan along the index of what is open, which "and i.open" would allow, walks through the whole inbox for each
                where i.institution = s.institution and i.thing = s.thing and i.open is not false
                """, new { Institutions = settled.Select(c => c.Institution).ToArray(), Things = settled.Select(c => c.Thing).ToArray() }, transaction);
        var lines = changes.Where(c => c.Event is not null).ToArray();
        if (lines.Length > 0)
            await connection.ExecuteAsync("""
                insert into inbox_item (institution, thing, position, type, subject, direction, priority, department, must_act, occurred_at, critical, open)
                select *, true from unnest(@Institutions, @Things, @Positions, @Types, @Subjects, @Directions, @Priorities, @Departments, @MustAct, @Times, @Criticals)
                on conflict (institution, thing) do update
                set position = excluded.position, type = excluded.type, subject = excluded.subject, direction = excluded.direction, priority = excluded.priority,
                    department = excluded.department, must_act = excluded.must_act, occurred_at = excluded.occurred_at, critical = excluded.critical,
                    open = true, acknowledged_at = null, acknowledged_by = null
                where inbox_item.position < excluded.position
                """, new
            {
                Institutions = lines.Select(c => c.Institution).ToArray(),
                Things = lines.Select(c => c.Thing).ToArray(),
                Positions = lines.Select(c => c.Position).ToArray(),
                Types = lines.Select(c => c.Event!.Type).ToArray(),
                Subjects = lines.Select(c => c.Event!.Subject).ToArray(),
                Directions = lines.Select(c => c.Event!.Data!.Direction).ToArray(),
                Priorities = lines.Select(c => c.Event!.Data!.Priority).ToArray(),
                Departments = lines.Select(c => MayKnow(c.Institution, c.Event!.Data!) ? c.Event!.Data!.Department : null).ToArray(),
                MustAct = lines.Select(c => c.MustAct).ToArray(),
                Times = lines.Select(c => c.Event!.Time.ToUniversalTime()).ToArray(),
                Criticals = lines.Select(c => InboxRules.IsCritical(c.Event!.Type!, c.Event.Data!)).ToArray(),
            }, transaction);
    }
}
