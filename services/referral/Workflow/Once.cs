using System.Text.Json;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace ReferralService.Workflow;

/// <summary>What came of a command that moves no referral: an answer to keep for repetitions, or a refusal that leaves nothing behind.</summary>
internal readonly record struct Reply<T>(T? Answer, Problem? Refusal, int Status = 200) where T : class
{
    public static implicit operator Reply<T>(T answer) => new(answer, null);
    public static implicit operator Reply<T>(Problem refusal) => new(null, refusal);
}

/// <summary>How an answer is kept where its words are not for whoever reads the database, and how it is opened for a repetition.</summary>
internal sealed record Kept(Func<string, string> Close, Func<string, string> Open);

/// <summary>Commands that move no referral: once for each Idempotency-Key, all of it in one transaction.</summary>
internal sealed class Once(NpgsqlDataSource database, TimeProvider clock)
{
    private const int Rounds = 5;

    public DateTimeOffset Now => clock.GetUtcNow();

    /// <summary>Caller, body and key, or the first refusal of those that need no look at the tables.</summary>
    public static async Task<(Caller? Caller, T? Body, IdempotencyKey? Key, IResult? Refused)> Read<T>(HttpContext http, bool optional = false) where T : class, ICommand
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return (null, null, null, new ProblemResult(unusable!));
        var (body, malformed, bytes) = await RequestBody.Read<T>(http, optional);
        if (malformed is not null)
            return (null, null, null, new ProblemResult(malformed));
        var checks = new Checks();
        body!.Check(checks);
        if (!checks.Passed)
            return (null, null, null, new ProblemResult(checks.Problem));
        var (key, keyless) = IdempotencyKey.Of(http.Request, caller.Scope, bytes);
        return keyless is not null ? (null, null, null, new ProblemResult(keyless)) : (caller, body, key, null);
    }

    /// <summary>A repetition gets the kept answer; of two at once the second waits for the first.</summary>
    public async Task<IResult> Run<T>(
        IdempotencyKey key, Func<NpgsqlConnection, NpgsqlTransaction, Task<Reply<T>>> step, Func<T, string>? location = null, Kept? kept = null) where T : class
    {
        for (var round = 1; ; round++)
        {
            await using var connection = await database.OpenConnectionAsync();
            try
            {
                var (answered, reused) = await Idempotency.Find(connection, key);
                if (answered is not null)
                    return Idempotency.Replay(kept is null ? answered : answered with { Body = kept.Open(answered.Body) });
                if (reused is not null)
                    return new ProblemResult(reused);
                await using var transaction = await connection.BeginTransactionAsync();
                var (answer, refusal, status) = await step(connection, transaction);
                if (answer is null)
                    return new ProblemResult(refusal!);
                var body = JsonSerializer.Serialize(answer, ServiceDefaults.Json.Lenient);
                await Idempotency.Keep(connection, transaction, key, new(status, kept?.Close(body) ?? body, null, location?.Invoke(answer)));
                await transaction.CommitAsync();
                return new Answered(body, status, location?.Invoke(answer));
            }
            catch (PostgresException e) when (round < Rounds && (Idempotency.IsRepetition(e) || e.SqlState == PostgresErrorCodes.DeadlockDetected))
            {
                // undone as a whole: look again
            }
        }
    }

    private sealed class Answered(string body, int status, string? location) : IResult
    {
        public Task ExecuteAsync(HttpContext http)
        {
            http.Response.Headers.Location = location;
            http.Response.StatusCode = status;
            http.Response.ContentType = "application/json; charset=utf-8";
            return http.Response.WriteAsync(body, http.RequestAborted);
        }
    }
}
