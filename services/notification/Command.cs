using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace NotificationService;

/// <summary>The body of a command that says nothing beyond its address.</summary>
internal sealed record EmptyRequest;

/// <summary>A command as it was sent: who, what, the key that makes a repetition harmless, and the bytes it came in.</summary>
internal sealed record Command<T>(Caller Caller, T Body, IdempotencyKey Key, byte[] Bytes);

/// <summary>The steps every command shares: read, replay first, then the change and its kept answer in one commit.</summary>
internal static class Command
{
    /// <summary>What a change answers with, or why it is refused.</summary>
    public readonly record struct Outcome(KeptAnswer? Answer, Problem? Problem)
    {
        public static implicit operator Outcome(KeptAnswer answer) => new(answer, null);
        public static implicit operator Outcome(Problem problem) => new(null, problem);
    }

    /// <summary>The command, or the first refusal of those that need no look at the tables.</summary>
    /// <param name="check">What is wrong with the body, by itself.</param>
    /// <param name="optional">True where an absent body counts as <c>{}</c>.</param>
    public static async Task<(Command<T>? Command, IResult? Refusal)> Read<T>(HttpContext http, Func<T, byte[], Problem?>? check = null, bool optional = false)
        where T : class
    {
        var read = await RequestBody.Read<T>(http, optional);
        if (read.Problem is { } unreadable)
            return (null, new ProblemResult(unreadable));
        if (check?.Invoke(read.Value!, read.Bytes) is { } malformed)
            return (null, new ProblemResult(malformed));
        var (caller, noCaller) = Caller.Of(http);
        if (caller is null)
            return (null, new ProblemResult(noCaller!));
        var (key, noKey) = IdempotencyKey.Of(http.Request, caller.Scope, read.Bytes);
        return key is null ? (null, new ProblemResult(noKey!)) : (new(caller, read.Value!, key, read.Bytes), null);
    }

    /// <summary>Reads a command without a body.</summary>
    public static Task<(Command<EmptyRequest>? Command, IResult? Refusal)> Read(HttpContext http) => Read<EmptyRequest>(http, optional: true);

    /// <summary>
    /// Makes the change once per key. What <paramref name="change"/> wrote before it refused is rolled back.
    /// </summary>
    /// <param name="opened">Turns the stored body into the one to send; the stored one may be encrypted.</param>
    public static async Task<IResult> Once(NpgsqlConnection connection, IdempotencyKey key,
        Func<NpgsqlTransaction, Task<Outcome>> change, Func<string, string>? opened = null)
    {
        if (await Repetition() is { } repetition)
            return repetition;
        await using var transaction = await connection.BeginTransactionAsync();
        var (answer, problem) = await change(transaction);
        if (problem is not null)
            return new ProblemResult(problem);
        try
        {
            await Idempotency.Keep(connection, transaction, key, answer!);
            await transaction.CommitAsync();
        }
        catch (PostgresException e) when (Idempotency.IsRepetition(e))
        {
            await transaction.RollbackAsync();
            return await Repetition() ?? new ProblemResult(Problems.LostRace);
        }
        return new Fresh(answer! with { Body = Open(answer.Body) });

        async Task<IResult?> Repetition()
        {
            var (kept, reused) = await Idempotency.Find(connection, key);
            return kept is not null ? Idempotency.Replay(kept with { Body = Open(kept.Body) })
                : reused is not null ? new ProblemResult(reused)
                : null;
        }

        string Open(string body) => opened is null ? body : opened(body);
    }

    private sealed class Fresh(KeptAnswer answer) : IResult
    {
        public Task ExecuteAsync(HttpContext http)
        {
            http.Response.StatusCode = answer.Status;
            if (answer.Etag is not null)
                http.Response.Headers.ETag = answer.Etag;
            if (answer.Location is not null)
                http.Response.Headers.Location = answer.Location;
            http.Response.Headers.CacheControl = "no-store";
            http.Response.ContentType = "application/json; charset=utf-8";
            return http.Response.WriteAsync(answer.Body, http.RequestAborted);
        }
    }
}
