using System.Net;
using FluentAssertions;
using Npgsql;
using ServiceDefaults.Storage;
using TestKit;
using Xunit;

namespace ReferralService.Tests;

/// <summary>The next version's migrations run while this version serves.</summary>
public sealed class UpgradeTests : IAsyncLifetime
{
    // tables of its own: a version to come would be in everybody's way
    private readonly ReferralHost _host = new();

    public Task InitializeAsync() => _host.InitializeAsync();

    public Task DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Nobody_outside_notices_not_even_while_the_migration_waits_for_a_long_reader()
    {
        using var end = new CancellationTokenSource();
        var (answers, served) = (new List<HttpStatusCode>(), 0);
        var traffic = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!end.IsCancellationRequested)
            {
                var referral = await A.Submitted(_host);
                var accepted = await referral.Tries("accept");
                var read = await _host.As(referral.Receiver).GetAsync($"/v1/referrals/{referral.Id}");
                lock (answers)
                    answers.AddRange([accepted.StatusCode, read.StatusCode]);
                Interlocked.Increment(ref served);
            }
        })).ToArray();

        await using var reader = new NpgsqlConnection(_host.Database.Super);
        await reader.OpenAsync();
        await using var report = await reader.BeginTransactionAsync();
        await using (var look = new NpgsqlCommand("select count(*) from referral", reader, report))
            await look.ExecuteScalarAsync();

        var migrations = Migrations.Run(_host.Database.Owner, typeof(UpgradeTests).Assembly);
        await Eventually.Is(async () => await Waiting() > 0, "the migration waits for the reader's lock", seconds: 60);
        // a migration that kept its place in the queue would hold up every one of these
        var before = Volatile.Read(ref served);
        await Eventually.Is(() => Task.FromResult(Volatile.Read(ref served) >= before + 20), "requests are served meanwhile", seconds: 120);
        migrations.IsCompleted.Should().BeFalse("the reader is still there");

        await report.RollbackAsync();
        (await migrations.WaitAsync(TimeSpan.FromSeconds(120))).Should().Be(1);
        before = Volatile.Read(ref served);
        await Eventually.Is(() => Task.FromResult(Volatile.Read(ref served) >= before + 20), "and after it", seconds: 120);
        await end.CancelAsync();
        await Task.WhenAll(traffic);

        answers.Should().OnlyContain(status => status == HttpStatusCode.OK);
        (await Migrations.Run(_host.Database.Owner, typeof(UpgradeTests).Assembly)).Should().Be(0, "what ran is not run again");
        (await _host.Anonymous().GetAsync("/health/ready")).StatusCode.Should().Be(HttpStatusCode.OK, "tables newer than the service are no trouble");
    }

    private async Task<long> Waiting() => (await _host.Database.Query<long>(
        "select count(*) from pg_locks join pg_class on pg_class.oid = relation where relname = 'referral' and mode = 'AccessExclusiveLock' and not granted")).Single();
}
