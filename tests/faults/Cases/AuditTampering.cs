using Deployed;
using Npgsql;

namespace Faults.Cases;

/// <summary>X23: the service's own role cannot change its audit, and what a superuser changes or removes is found.</summary>
internal static class AuditTampering
{
    public static async Task Run(Scene scene)
    {
        var work = Work.Start(scene, writers: 3);
        await scene.Wait(scene.Pick(2, 4, 8));
        await work.Stop();
        foreach (var service in scene.Alliance.Services)
        {
            foreach (var statement in new[]
            {
                "update audit set subject = 'nobody'", "delete from audit", "truncate audit", "alter table audit disable trigger all", "drop table audit",
                "update audit_seal set hash = ''", "delete from audit_seal",
            })
                scene.Expect(await Refused(service.Database.App, statement), $"{service.Name} may {statement}");
        }
        // sealed within seconds, and then held against every row
        var database = scene.Referral.Database;
        await scene.Eventually(async () => await Verified(scene, "Nothing is unsealed"), "every audit row is sealed", 20);
        var victim = (await database.Query<long>("select id from audit order by id limit 1 offset 2"))[0];
        var row = (await database.Query<string>("select to_jsonb(a)::text from audit a where id = @victim", new { victim }))[0];
        foreach (var (what, change) in new[]
        {
            ("a changed subject", "update audit set subject = 'somebody-else' where id = @victim"),
            ("a changed verdict", "update audit set verdict = 'denied' where id = @victim"),
            ("a moved time", "update audit set at = at - interval '1 day' where id = @victim"),
            ("a removed row", "delete from audit where id = @victim"),
        })
        {
            await Super(database.Super, change, victim);
            scene.Expect(await Verified(scene, "BROKEN"), $"{what} is not found");
            await Super(database.Super, "delete from audit where id = @victim", victim);
            await database.Execute("insert into audit overriding system value select * from jsonb_populate_record(null::audit, @row::jsonb)", new { row });
            scene.Expect(!await Verified(scene, "BROKEN"), $"after {what} was put back the chain is still broken");
        }
        await database.Execute("insert into audit (at, subject, institution, role, purpose, action, verdict) values (now() - interval '1 hour', 'ghost', 'x', 'x', 'x', 'x', 'allowed')");
        await database.Execute("delete from audit where subject = 'ghost'");
    }

    private static async Task<bool> Refused(string connection, string statement)
    {
        try
        {
            await using var source = NpgsqlDataSource.Create(connection);
            await using var command = source.CreateCommand(statement);
            await command.ExecuteNonQueryAsync();
            return false;
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.UndefinedTable)
        {
            return true;
        }
    }

    private static async Task Super(string connection, string statement, long victim)
    {
        await using var source = NpgsqlDataSource.Create(connection);
        // a superuser's own session: triggers that guard the table do not stop him
        await using var command = source.CreateCommand($"set session_replication_role = replica; {statement.Replace("@victim", victim.ToString(), StringComparison.Ordinal)}");
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<bool> Verified(Scene scene, string says)
    {
        var output = await Programs.Says("referral", scene.Alliance.Settings("referral"), "audit", "verify");
        return output.Contains(says, StringComparison.Ordinal);
    }
}
