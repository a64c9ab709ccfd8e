using System.Text.Json;
using Npgsql;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace SchedulingService.Http;

/// <summary>A command as it was sent: who, what, and the key that makes a repetition harmless.</summary>
internal sealed record Command<T>(Caller Caller, T Body, IdempotencyKey Key);

/// <summary>What came of a command: an answer that is kept for repetitions, or a refusal that is not.</summary>
internal readonly record struct Reply(KeptAnswer? Answer, Problem? Refusal)
{
    public static Reply Done(int status, object body, string? etag = null, string? location = null) =>
        new(new(status, JsonSerializer.Serialize(body, Json.Lenient), etag, location), null);

    public static implicit operator Reply(Problem refusal) => new(null, refusal);
    public static implicit operator Reply(ProblemType refusal) => new(null, refusal);
}

/// <summary>Reads commands and carries them out: once for each Idempotency-Key, in one transaction.</summary>
internal sealed class Commands(Changes changes)
{
    private const int Rounds = 5;

    /// <summary>The command, or the first refusal of those that need no look at the tables.</summary>
    public static async Task<(Command<T>? Command, IResult? Refused)> Read<T>(HttpContext http) where T : class
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return (null, new ProblemResult(unusable!));
        var body = await RequestBody.Read<T>(http);
        if (body.Value is not { } value)
            return (null, new ProblemResult(body.Problem!));
        var (key, keyProblem) = IdempotencyKey.Of(http.Request, caller.Scope, body.Bytes);
        return key is null
            ? (null, new ProblemResult(keyProblem!))
            : (new(caller, value, key), null);
    }

    /// <summary>
    /// A repetition gets the kept answer. A step that refuses leaves nothing behind. Two requests with one key: the
    /// second waits for the first and replays it.
    /// </summary>
    public async Task<IResult> Run(IdempotencyKey key, Func<Change, Task<Reply>> step, CancellationToken ct)
    {
        for (var round = 1; ; round++)
        {
            await using var change = await changes.Begin(ct);
            try
            {
                var (kept, reused) = await Idempotency.Find(change.Connection, key);
                if (kept is not null)
                    return Idempotency.Replay(kept);
                if (reused is not null)
                    return new ProblemResult(reused);
                var reply = await step(change);
                if (reply.Answer is not { } answer)
                    return new ProblemResult(reply.Refusal!);
                await Idempotency.Keep(change.Connection, change.Transaction, key, answer);
                await change.Commit();
                return new FirstAnswer(answer);
            }
            catch (PostgresException e) when (round < Rounds && (Idempotency.IsRepetition(e)
                || e.SqlState == PostgresErrorCodes.DeadlockDetected || e.ConstraintName == "booking_of_code"))
            {
                // the transaction is gone and nothing was done: look again
            }
        }
    }

    private sealed class FirstAnswer(KeptAnswer answer) : IResult
    {
        public Task ExecuteAsync(HttpContext http)
        {
            http.Response.StatusCode = answer.Status;
            http.Response.Headers.ETag = answer.Etag;
            http.Response.Headers.Location = answer.Location;
            http.Response.ContentType = "application/json; charset=utf-8";
            return http.Response.WriteAsync(answer.Body, http.RequestAborted);
        }
    }
}
