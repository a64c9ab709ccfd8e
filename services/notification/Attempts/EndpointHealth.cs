using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>
/// Keeps book of how endpoints fare: failing since when, left alone until when, disabled when the receiver is gone
/// or has failed for days, recovered with the first success.
/// </summary>
internal sealed class EndpointHealth(WebhookSettings settings, Signals signals, ILogger<EndpointHealth> log)
{
    /// <summary>What other workers must hear of after the commit.</summary>
    internal sealed record Changes(bool Recovered, IReadOnlyList<Guid> Disabled);

    private sealed record DisabledEndpoint(Guid Id, string Institution, string DisabledReason);

    public async Task<Changes> Note(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<Attempted> attempts, DateTimeOffset now)
    {
        var recovered = false;
        var disabled = new List<Guid>();
        // sorted: two recorders that meet the same endpoints take them in the same order
        foreach (var endpoint in attempts.GroupBy(a => a.Message.EndpointId).OrderBy(g => g.Key))
        {
            var failed = endpoint.Where(a => !a.Answer!.Succeeded).Select(a => a.Answer!).ToArray();
            var gone = failed.Any(a => a.Gone);
            if (failed.Length < endpoint.Count() && !gone)
            {
                if (endpoint.Any(a => a.Message.Failing))
                    recovered |= await NoteSuccess(connection, transaction, endpoint.Key);
            }
            else if (await NoteFailures(connection, transaction, endpoint.Key, failed, gone, now) is { } lost)
            {
                await OwnEvents.InsertDisabled(connection, transaction, lost.Id, lost.Institution, lost.DisabledReason, now);
                disabled.Add(lost.Id);
            }
        }
        return new(recovered, disabled);
    }

    public void Tell(Changes changes)
    {
        if (changes.Recovered)
            signals.Recovered.Wake();
        if (changes.Disabled.Count > 0)
            signals.Arrived.Wake();
        foreach (var endpoint in changes.Disabled)
            log.LogWarning("Endpoint {Endpoint} is disabled", endpoint);
    }

    private static async Task<bool> NoteSuccess(NpgsqlConnection connection, NpgsqlTransaction transaction, Guid endpoint) =>
        await connection.ExecuteAsync("""
            update endpoint
            -- one failure among successes is that message's own trouble: its schedule goes on
            set recovered = recovered or failures >= 2, failures = 0, failing_since = null, not_before = null, version = version + 1
            where id = @endpoint and failures > 0
            """, new { endpoint }, transaction) > 0;

    /// <summary>The endpoint when this disabled it.</summary>
    private async Task<DisabledEndpoint?> NoteFailures(NpgsqlConnection connection, NpgsqlTransaction transaction, Guid endpoint,
        IReadOnlyList<Answer> failed, bool gone, DateTimeOffset now) =>
        await connection.QuerySingleOrDefaultAsync<DisabledEndpoint>($"""
            with was as (
                select id, failures, failing_since, (@gone or failing_since <= @failingBefore) as lost
                from endpoint where id = @endpoint and state <> 'Disabled' for update),
            now_is as (
                update endpoint e
                set failures = was.failures + @count,
                    failing_since = coalesce(was.failing_since, @now),
                    not_before = greatest(e.not_before, @askedUntil,
                        -- overloaded: 2 s, 4 s, 8 s … to 5 min
                        case when @overloaded then @now + least(interval '5 minutes', interval '1 second' * power(2, least(was.failures + @count, 10))) end),
                    state = case when was.lost then 'Disabled' else e.state end,
                    disabled_reason = case when was.lost then case when @gone then 'Gone' else 'Failing' end end,
                    disabled_at = case when was.lost then @now end,
                    -- the sequencer keeps no messages for it from here on: resuming it goes back to this place
                    disabled_from = case when was.lost then {EventLog.LastPosition} end,
                    version = e.version + case when was.failing_since is null or was.lost then 1 else 0 end
                from was where e.id = was.id
                returning e.id, e.institution, e.state, e.disabled_reason)
            select id, institution, disabled_reason from now_is where state = 'Disabled'
            """, new
        {
            endpoint, gone, now,
            count = failed.Count,
            failingBefore = now - settings.DisableAfter,
            askedUntil = failed.Max(a => Verdict.LeftAloneUntil(a, now)),
            overloaded = failed.Any(a => a.Overloaded),
        }, transaction);
}
