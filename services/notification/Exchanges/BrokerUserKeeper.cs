using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>
/// Holds the broker to what the table says: users that were revoked, or whose making was not committed, are taken away,
/// also when the broker was not there at that moment.
/// </summary>
internal sealed class BrokerUserKeeper(NpgsqlDataSource database, BrokerManagement broker, Signals signals, ILogger<BrokerUserKeeper> log) : BackgroundService
{
    private static readonly TimeSpan Sweep = TimeSpan.FromMinutes(5), Again = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!broker.IsOffered)
            return;
        while (!stoppingToken.IsCancellationRequested)
        {
            var pause = Sweep;
            try
            {
                await Keep(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                pause = Again;
                log.LogWarning("Users of the broker are kept as they are: {Reason}", e is BrokerManagementException ? e.Message : e.GetType().Name);
            }
            await signals.BrokerUsers.Wait(pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task Keep(CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await BrokerUser.TakeTurn(connection, transaction);
        var known = (await connection.QueryAsync<string>("select name from broker_user where revoked_at is null", transaction: transaction)).ToHashSet();
        var there = await broker.Users(ct);
        foreach (var user in there.Where(u => u.StartsWith("i-", StringComparison.Ordinal) && !known.Contains(u)))
            await broker.DeleteUser(user, ct);
        foreach (var user in known.Except(there))
            log.LogWarning("The broker has lost {User}: its owner must rotate it", user);
    }
}
