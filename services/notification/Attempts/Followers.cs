using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>What waits behind a message of the same referral at an endpoint that is told in order.</summary>
internal static class Followers
{
    /// <summary>
    /// They are due when the message is. Earlier, each turn would look through all of them for something to send, and hold
    /// up every endpoint that has its turn with it; later, they would stay behind once it has arrived.
    /// </summary>
    public static async Task ComeWith(NpgsqlConnection connection, NpgsqlTransaction transaction, params Guid[] messages)
    {
        if (messages.Length > 0)
            await connection.ExecuteAsync("""
                update message follower set due_at = m.due_at
                from message m join endpoint e on e.id = m.endpoint_id
                where m.id = any(@messages) and m.state = 'Waiting' and e.in_order
                    and follower.endpoint_id = m.endpoint_id and follower.referral_id = m.referral_id and follower.state = 'Waiting'
                    and follower.position > m.position and follower.due_at <> m.due_at
                """, new { messages }, transaction);
    }
}
