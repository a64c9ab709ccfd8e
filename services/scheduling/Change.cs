using System.Diagnostics;
using Dapper;
using Npgsql;
using Referrals.Contracts;
using SchedulingService.Bookings;
using SchedulingService.Needs;
using ServiceDefaults.Auth;
using ServiceDefaults.Messaging;

namespace SchedulingService;

/// <summary>Opens changes; hands what each said to the relay once it is committed.</summary>
internal sealed class Changes(
    NpgsqlDataSource database, TimeProvider clock, AppointmentCodes codes, Outbox outbox)
{
    public async Task<Change> Begin(CancellationToken ct)
    {
        var connection = await database.OpenConnectionAsync(ct);
        var transaction = await connection.BeginTransactionAsync(ct);
        // PostgreSQL keeps microseconds: what is compared later must not be finer
        var now = clock.GetUtcNow();
        return new(connection, transaction, now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMicrosecond)), codes, outbox);
    }
}

/// <summary>
/// One transaction: rows, inbox, events and audit become real together or not at all. Its locks are taken in one order
/// everywhere, so that no two changes wait for each other: the referral's row in <c>need</c>, then the lines
/// (<see cref="Waiting.Line"/>), then nothing that anybody else could hold while he waits. A row of <c>waiting</c> goes with
/// its need; only <see cref="Waiting.AgeWaiting"/> locks it alone, and waits for nobody.
/// </summary>
internal sealed class Change(
    NpgsqlConnection connection, NpgsqlTransaction transaction, DateTimeOffset now, AppointmentCodes codes,
    Outbox outbox) : IAsyncDisposable
{
    private readonly List<(Guid Id, string Type, string Subject, DateTimeOffset At, SchedulingFacts Facts, string? Trace)> _events = [];

    public NpgsqlConnection Connection => connection;
    public NpgsqlTransaction Transaction => transaction;
    public DateTimeOffset Now => now;
    public AppointmentCodes Codes => codes;

    /// <summary>Tells an event about a referral with the commit. There is no other way to publish.</summary>
    public async Task Say(string type, Need need, SchedulingFacts facts) => Say(type, need, await NextAttempt(need), facts);

    /// <summary>As the other one, where the statement that made the change has taken the next number.</summary>
    public void Say(string type, Need need, long attempt, SchedulingFacts facts) =>
        _events.Add((Guid.NewGuid(), type, need.ReferralNo, now, facts with
        {
            ReferralId = need.ReferralId, ReferralNo = need.ReferralNo, Attempt = attempt,
        }, Trace));

    /// <summary>Tells an event that is about no referral, with the commit.</summary>
    public void Say(string type, string subject, DateTimeOffset at, SchedulingFacts facts) => _events.Add((Guid.NewGuid(), type, subject, at, facts, Trace));

    // of the moment in which it is said: the commit, shared by many, belongs to none of them
    private static string? Trace => Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } trace } ? trace : null;

    // what is said about a referral is numbered, so that its hearers can tell older news from newer
    private Task<long> NextAttempt(Need need) =>
        connection.QuerySingleAsync<long>("""
            update need set attempt = attempt + 1 where referral_id = @ReferralId returning attempt
            """, new { need.ReferralId });

    public Task Audit(Caller caller, string action, params Guid[] targets) =>
        Auditing.Write(connection, now, caller, action, denied: false, targets.Select(t => t.ToString()));

    /// <summary>What has no id of its own: a quota of a department, a calendar.</summary>
    public Task Audit(Caller caller, string action, string target) =>
        Auditing.Write(connection, now, caller, action, denied: false, [target]);

    public async Task Commit()
    {
        IReadOnlyList<OutboxMessage> written = [];
        if (_events.Count > 0)
        {
            // with a place that is held goes where it is and what to bring
            var held = _events.Where(e => e.Type is SchedulingEvents.Booked or SchedulingEvents.Rescheduled).Select(e => e.Facts.BookingId!.Value).ToArray();
            var told = held.Length == 0 ? [] : await Instructions.Of(connection, held);
            written = (await connection.QueryAsync<OutboxMessage>("""
                insert into outbox (message_id, exchange, routing_key, body)
                select id, @exchange, type, body
                from unnest(@ids, @types, @bodies) with ordinality as said (id, type, body, position)
                order by position
                returning id, message_id, exchange, routing_key, body
                """, new
                {
                    exchange = SchedulingEvents.Exchange,
                    ids = _events.Select(e => e.Id).ToArray(),
                    types = _events.Select(e => e.Type).ToArray(),
                    bodies = _events.Select(e => EventBodies.Write(e.Id, e.Type, e.Subject, e.At, told.GetValueOrDefault(e.Facts.BookingId ?? default) is { } instruction
                        ? e.Facts with { Place = instruction.Place, Bring = instruction.Bring } : e.Facts, e.Trace)).ToArray(),
                })).AsList();
        }
        await transaction.CommitAsync();
        outbox.Committed(written);
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await connection.DisposeAsync();
    }
}
