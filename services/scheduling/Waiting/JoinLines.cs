using Dapper;
using SchedulingService.Needs;
using ServiceDefaults.Storage;

namespace SchedulingService.Waiting;

/// <summary>Everybody who wants a place joins a line; who is served at once leaves it in the same change.</summary>
internal static class JoinLines
{
    /// <summary>Where somebody stands in line since a join, and whether he stood there before.</summary>
    public sealed record Joined
    {
        public Guid ReferralId { get; init; }
        public bool IsNew { get; init; }
        public short Rank { get; init; }
        public DateTimeOffset Since { get; init; }
    }

    /// <summary>Returns all of them in the order of the line; the entries of those who stood in it before follow the newest news.</summary>
    public static async Task<IReadOnlyList<Joined>> Join(Change change, IReadOnlyList<Need> needs)
    {
        if (needs.Count == 0)
            return [];
        return [.. (await change.Connection.QueryAsync<Joined>("""
            insert into waiting (referral_id, institution, department, lines, rank, since, earliest, latest)
            select id, institution, department, lines::text[], rank, since, earliest, latest
            from unnest(@ids, @institutions, @departments, @lines, @ranks, @since, @earliest, @latest)
                as w (id, institution, department, lines, rank, since, earliest, latest)
            on conflict (referral_id) do update set
                institution = excluded.institution, department = excluded.department, lines = excluded.lines,
                -- who has waited too long stays where that brought him
                rank = case when waiting.aged_at is null then excluded.rank else excluded.rank / 2 * 2 end,
                since = excluded.since, earliest = excluded.earliest, latest = excluded.latest
            -- xmax is zero in a row that was inserted
            returning referral_id, xmax = 0 as is_new, rank, since
            """, new
        {
            ids = Each(n => n.ReferralId), institutions = Each(n => n.Receiver), departments = Each(n => n.Department),
            lines = Each(n => Arrays.Literal([.. n.Lines.Select(l => l.Name)])), ranks = Each(n => (short)n.Rank),
            since = Each(n => (n.Since ?? change.Now).ToUniversalTime()),
            earliest = Each(n => n.Window.From.ToUniversalTime()), latest = Each(n => n.Window.Until.ToUniversalTime()),
        })).OrderBy(j => j.Rank).ThenBy(j => j.Since).ThenBy(j => j.ReferralId)];

        T[] Each<T>(Func<Need, T> value) => [.. needs.Select(value)];
    }

    public static Task Leave(Change change, params Guid[] referrals) => referrals.Length == 0 ? Task.CompletedTask
        : change.Connection.ExecuteAsync("delete from waiting where referral_id = any (@referrals)", new { referrals });
}
