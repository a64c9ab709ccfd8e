using Dapper;
using Microsoft.AspNetCore.Http;
using Npgsql;
using ServiceDefaults.Http;

namespace ServiceDefaults.Storage;

/// <summary>An answer as it is kept for repetitions. Answers to commands carry no patient data.</summary>
public sealed record KeptAnswer(int Status, string Body, string? Etag, string? Location);

/// <summary>
/// Answers to commands, kept in the table <c>idempotency_key</c> and written in the transaction of the change
/// itself: either both are there or neither.
/// </summary>
public static class Idempotency
{
    private sealed record Row(byte[] Fingerprint, int Status, string Body, string? Etag, string? Location);

    /// <summary>The kept answer of a repetition; 422 when the key belongs to another request; both null when it is new.</summary>
    public static async Task<(KeptAnswer? Answer, Problem? Problem)> Find(NpgsqlConnection connection, IdempotencyKey key)
    {
        var row = await connection.QuerySingleOrDefaultAsync<Row>("""
            select fingerprint, status, body, etag, location
            from idempotency_key
            where scope = @Scope and key = @Key
            """, key);
        if (row is null)
            return (null, null);
        return row.Fingerprint.AsSpan().SequenceEqual(key.Fingerprint)
            ? (new(row.Status, row.Body, row.Etag, row.Location), null)
            : (null, Problems.KeyReused);
    }

    /// <summary>Keeps an answer inside the caller's transaction. A second writer of the same key waits, then fails on <c>idempotency_key_pk</c>.</summary>
    public static Task Keep(NpgsqlConnection connection, NpgsqlTransaction transaction, IdempotencyKey key, KeptAnswer answer) =>
        connection.ExecuteAsync("""
            insert into idempotency_key (scope, key, fingerprint, status, body, etag, location)
            values (@Scope, @Key, @Fingerprint, @Status, @Body, @Etag, @Location)
            """, new { key.Scope, key.Key, key.Fingerprint, answer.Status, answer.Body, answer.Etag, answer.Location }, transaction);

    /// <summary>True for the error of the writer that came second.</summary>
    public static bool IsRepetition(PostgresException e) =>
        e is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "idempotency_key_pk" };

    /// <summary>The kept answer, marked as a replay.</summary>
    public static IResult Replay(KeptAnswer answer) => new Replayed(answer);

    private sealed class Replayed(KeptAnswer answer) : IResult
    {
        public Task ExecuteAsync(HttpContext http)
        {
            http.Response.StatusCode = answer.Status;
            http.Response.Headers["Idempotency-Replayed"] = "true";
            if (answer.Etag is not null)
                http.Response.Headers.ETag = answer.Etag;
            if (answer.Location is not null)
                http.Response.Headers.Location = answer.Location;
            http.Response.ContentType = "application/json; charset=utf-8";
            return http.Response.WriteAsync(answer.Body, http.RequestAborted);
        }
    }
}
