using System.Threading.Channels;
using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>An attempt that was made; without an answer nothing was sent and the message is given back.</summary>
internal sealed record Attempted(ClaimedMessage Message, Answer? Answer, DateTimeOffset StartedAt, TimeSpan Took);

/// <summary>
/// Writes down what came of the attempts: all that end at the same moment share one commit. What cannot be written
/// is tried again; if the process dies first, the message is sent again under the same id.
/// </summary>
internal sealed class Recorder(
    NpgsqlDataSource database, EndpointHealth health, WebhookSettings settings, Telemetry telemetry, TimeProvider clock,
    ILogger<Recorder> log)
{
    private const int BatchSize = 200;

    private readonly Channel<(Attempted Attempt, TaskCompletionSource Written)> _queue =
        Channel.CreateUnbounded<(Attempted, TaskCompletionSource)>(new() { SingleReader = true });

    /// <summary>Returns when the attempt is written down.</summary>
    public Task Record(Attempted attempt)
    {
        var written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return _queue.Writer.TryWrite((attempt, written)) ? written.Task : Task.CompletedTask;
    }

    /// <summary>Nothing more will be recorded: <see cref="Run"/> ends with what it has.</summary>
    public void Complete() => _queue.Writer.TryComplete();

    public async Task Run()
    {
        var batch = new List<(Attempted Attempt, TaskCompletionSource Written)>(BatchSize);
        while (await _queue.Reader.WaitToReadAsync())
        {
            batch.Clear();
            while (batch.Count < BatchSize && _queue.Reader.TryRead(out var next))
                batch.Add(next);
            await WritePatiently(batch.ConvertAll(b => b.Attempt));
            foreach (var (_, written) in batch)
                written.TrySetResult();
        }
    }

    private async Task WritePatiently(IReadOnlyList<Attempted> attempts)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await Write(attempts);
                return;
            }
            catch (Exception e)
            {
                if (tries is 1 or 10 || tries % 100 == 0)
                    log.LogWarning("Attempts cannot be written down ({Tries} tries): {Reason} {SqlState}", tries, e.GetType().Name, (e as PostgresException)?.SqlState);
                // while the service stops, the lease takes over: the messages are sent again
                if (_queue.Reader.Completion.IsCompleted && tries >= 3)
                    return;
                await Task.Delay(Math.Min(2000, 100 * tries));
            }
        }
    }

    private async Task Write(IReadOnlyList<Attempted> attempts)
    {
        var now = clock.GetUtcNow();
        var made = attempts.Where(a => a.Answer is not null).ToArray();
        await using var connection = await database.OpenConnectionAsync();
        if (made.Length == attempts.Count && Array.TrueForAll(made, a => a.Answer!.Succeeded && !a.Message.Failing))
        {
            // by far the most frequent case: one statement, nothing else changes
            await WriteAttempts(connection, null, made, now);
        }
        else
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await WriteAttempts(connection, transaction, made, now);
            await Followers.ComeWith(connection, transaction, [.. made.Where(a => !a.Answer!.Succeeded).Select(a => a.Message.Id)]);
            await GiveBack(connection, transaction, [.. attempts.Where(a => a.Answer is null).Select(a => a.Message.Id)]);
            var changes = await health.Note(connection, transaction, made, now);
            await transaction.CommitAsync();
            health.Tell(changes);
        }
        foreach (var attempt in made)
            telemetry.Attempted(attempt.Answer!.Failure ?? "delivered");
    }

    private async Task WriteAttempts(NpgsqlConnection connection, NpgsqlTransaction? transaction, IReadOnlyList<Attempted> made, DateTimeOffset now)
    {
        if (made.Count == 0)
            return;
        var verdicts = made.Select(a => Verdict.Of(a.Message.Step, a.Answer!, settings.Schedule, now, Random.Shared.NextDouble())).ToArray();
        await connection.ExecuteAsync("""
            with made as (
                select * from unnest(@Messages, @Endpoints, @StartedAt, @Took, @Statuses, @Failures, @Answers, @States, @Steps, @DueAt)
                    as m(message_id, endpoint_id, started_at, took, status, failure, answer, state, step, due_at)),
            kept as (
                insert into attempt (endpoint_id, message_id, started_at, duration_ms, status, failure, answer)
                select endpoint_id, message_id, started_at, took, status, failure, answer from made order by started_at)
            update message m
            set state = d.state, step = d.step, due_at = d.due_at, attempts = m.attempts + 1, leased_until = null,
                ended_at = case when d.state = 'Waiting' then null else @Now end
            from made d
            -- delivered by another worker meanwhile: it stays delivered
            where m.id = d.message_id and m.state = 'Waiting'
            """, new
        {
            Now = now,
            Messages = made.Select(a => a.Message.Id).ToArray(),
            Endpoints = made.Select(a => a.Message.EndpointId).ToArray(),
            StartedAt = made.Select(a => a.StartedAt).ToArray(),
            Took = made.Select(a => (int)a.Took.TotalMilliseconds).ToArray(),
            Statuses = made.Select(a => a.Answer!.Status).ToArray(),
            Failures = made.Select(a => a.Answer!.Failure).ToArray(),
            Answers = made.Select(a => a.Answer!.Text).ToArray(),
            States = verdicts.Select(v => v.State.ToString()).ToArray(),
            Steps = verdicts.Select(v => v.Step).ToArray(),
            DueAt = verdicts.Select(v => v.DueAt).ToArray(),
        }, transaction);
    }

    private static async Task GiveBack(NpgsqlConnection connection, NpgsqlTransaction transaction, Guid[] messages)
    {
        if (messages.Length > 0)
            await connection.ExecuteAsync("update message set leased_until = null where id = any(@messages)", new { messages }, transaction);
    }
}
