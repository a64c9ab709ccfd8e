using Dapper;
using SchedulingService.Needs;

namespace SchedulingService.Waiting;

/// <summary>Everybody who wants a place joins a line; who is served at once leaves it in the same change.</summary>
internal static class JoinLines
{
    /// <summary>True when the referral did not stand in line before; else its entry follows the newest news.</summary>
    public static Task<bool> Join(Change change, Need need)
    {
        var window = need.Window;
        return change.Connection.QuerySingleAsync<bool>("""
            insert into waiting (referral_id, institution, department, lines, rank, since, earliest, latest)
            values (@ReferralId, @Receiver, @Department, @lines, @Rank, @since, @From, @Until)
            on conflict (referral_id) do update set
                institution = excluded.institution, department = excluded.department, lines = excluded.lines,
                -- who has waited too long stays where that brought him
                rank = case when waiting.aged_at is null then excluded.rank else excluded.rank / 2 * 2 end, since = excluded.since, earliest = excluded.earliest, latest = excluded.latest
            -- xmax is zero in a row that was inserted
            returning xmax = 0
            """, new
        {
            need.ReferralId, need.Receiver, need.Department, lines = need.Lines.Select(l => l.Name).ToArray(),
            Rank = (short)need.Rank, since = need.Since ?? change.Now, window.From, window.Until,
        });
    }

    public static Task Leave(Change change, Guid referralId) =>
        change.Connection.ExecuteAsync("delete from waiting where referral_id = @referralId", new { referralId });
}
