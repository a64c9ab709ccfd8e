using System.Diagnostics;
using System.Reflection;
using Dapper;
using Npgsql;
using ServiceDefaults.Storage;

namespace TestKit;

/// <summary>The real PostgreSQL and RabbitMQ that <c>tests/run</c> starts; nothing here stands in for them.</summary>
public static class Servers
{
    private static string Need(string name) => Environment.GetEnvironmentVariable(name)
        ?? throw new InvalidOperationException($"{name} is not set: run the tests with tests/run, which starts PostgreSQL and RabbitMQ.");

    public static string Postgres => Need("REFERRAL_TEST_POSTGRES");
    public static string RolePassword => Need("REFERRAL_TEST_ROLE_PASSWORD");
    /// <summary>Folder with one published program per service.</summary>
    public static string Apps => Need("REFERRAL_TEST_APPS");

    /// <summary>Folder of the servers, with their data.</summary>
    public static string Folder => Need("REFERRAL_TEST_SERVERS");

    /// <summary>Runs <c>deploy/lib/servers.sh VERB DIR …</c>, e.g. <c>broker-stop</c>.</summary>
    public static async Task<string> Control(string verb, params string[] arguments)
    {
        var start = new ProcessStartInfo(Need("REFERRAL_TEST_SERVERS_SH"), [verb, Folder, .. arguments])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
        };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? await output
            : throw new InvalidOperationException($"servers.sh {verb} ended with {process.ExitCode}: {await errors}");
    }

    /// <summary>A virtual host of its own, so that queues of two test runs never meet.</summary>
    public static async Task<string> NewVirtualHost()
    {
        var uri = new Uri(Need("REFERRAL_TEST_RABBITMQ"));
        var name = "test-" + Guid.NewGuid().ToString("n")[..8];
        await Control("rabbitmqctl", "add_vhost", name);
        await Control("rabbitmqctl", "set_permissions", "-p", name, uri.UserInfo.Split(':')[0], ".*", ".*", ".*");
        return new UriBuilder(uri) { Path = "/" + name }.Uri.ToString();
    }
}

/// <summary>A migrated database of one service.</summary>
/// <param name="App">Connection string of the service at run time.</param>
/// <param name="Owner">Connection string of the owner of the tables.</param>
/// <param name="Super">Connection string of the superuser, for looking and for faults.</param>
public sealed record TestDatabase(string App, string Owner, string Super) : IAsyncDisposable
{
    public static async Task<TestDatabase> Create(string service, Assembly migrations)
    {
        var name = $"{service}_{Guid.NewGuid().ToString("n")[..12]}";
        await using (var admin = new NpgsqlConnection(Servers.Postgres))
            await admin.ExecuteAsync($"create database {name} owner {service}_owner");
        string As(string user) => new NpgsqlConnectionStringBuilder(Servers.Postgres)
        {
            Database = name, Username = user, Password = Servers.RolePassword,
        }.ConnectionString;
        var super = new NpgsqlConnectionStringBuilder(Servers.Postgres) { Database = name }.ConnectionString;
        var database = new TestDatabase(As(service + "_app"), As(service + "_owner"), super);
        await Migrations.Run(database.Owner, migrations);
        return database;
    }

    /// <summary>Looks into the tables as the superuser.</summary>
    public async Task<IReadOnlyList<T>> Query<T>(string sql, object? parameters = null)
    {
        DapperTypes.Register();
        await using var connection = new NpgsqlConnection(Super);
        return (await connection.QueryAsync<T>(sql, parameters)).AsList();
    }

    public async Task<int> Execute(string sql, object? parameters = null)
    {
        DapperTypes.Register();
        await using var connection = new NpgsqlConnection(Super);
        return await connection.ExecuteAsync(sql, parameters);
    }

    public async ValueTask DisposeAsync()
    {
        var name = new NpgsqlConnectionStringBuilder(Super).Database;
        NpgsqlConnection.ClearAllPools();
        await using var admin = new NpgsqlConnection(Servers.Postgres);
        await admin.ExecuteAsync($"drop database if exists {name} with (force)");
    }
}
