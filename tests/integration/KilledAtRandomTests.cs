using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using FluentAssertions;
using Deployed;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Integration.Tests;

/// <summary>No chosen moment: the services are killed wherever they happen to be.</summary>
public sealed class KilledAtRandomTests(AllianceFixture alliance, ITestOutputHelper output) : IntegrationTest(alliance, output)
{
    private const int Writers = 8;
    // enough that something is always under way, little enough that a killed service finds a processor to start on
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private static readonly int Kills = Environment.GetEnvironmentVariable("REFERRAL_FULL") == "1" ? 20 : 4;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly ITestOutputHelper _output = output;

    [Fact]
    public async Task Services_killed_under_load_lose_nothing_that_was_acknowledged_and_double_nothing()
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        using var stop = new CancellationTokenSource();
        var made = new ConcurrentBag<(string Key, Guid Id)>();
        var writers = Enumerable.Range(0, Writers).Select(_ => Task.Run(() => Write(made, stop.Token))).ToArray();
        var order = Enumerable.Range(0, Kills).Select(n => Alliance.Services[random.Next(3)]).ToArray();
        foreach (var service in order)
        {
            await Task.Delay(random.Next(200, 1500));
            await service.Kill();
            var killed = Stopwatch.GetTimestamp();
            await service.Start();
            _output.WriteLine($"{service.Name} ready {Stopwatch.GetElapsedTime(killed).TotalSeconds:0.0} s after its kill");
        }
        await stop.CancelAsync();
        await Task.WhenAll(writers);
        _output.WriteLine($"seed {seed}: {made.Count} referrals");

        await FinalRead.Holds(Alliance, seconds: 60);
        var stand = await Referral.Database.Query<Guid>("select id from referral where drafted_at >= @Began", new { Alliance.Began });
        stand.Should().BeEquivalentTo(made.Select(m => m.Id), "each acknowledged submission stands once, and nothing else does");
        await Eventually.Is(async () => await Count(Referral, "select count(*) from referral where drafted_at >= @Began and state <> 'Scheduled'", new { Alliance.Began }) == 0,
            "every referral is booked", seconds: 30);
        await FinalRead.Holds(Alliance);
    }

    private async Task Write(ConcurrentBag<(string, Guid)> made, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            var (key, slip) = (Guid.NewGuid().ToString(), A.UpwardSlip());
            var submitted = await Insist(() => A.Submission(Referral, key, slip), 201);
            var id = submitted.GetProperty("id").GetGuid();
            made.Add((key, id));
            var acceptance = Guid.NewGuid().ToString();
            await Insist(() => Referral.As(Alliance.Tertiary)
                .Command($"/v1/referrals/{id}/accept", new { department = "03.03" }, ifMatch: "*", key: acceptance), 200);
            await Task.Delay(Pause, CancellationToken.None);
        }
    }

    // what a good client does: the same key until there is an answer
    private static async Task<JsonElement> Insist(Func<Task<HttpResponseMessage>> request, int expected)
    {
        for (var began = Stopwatch.GetTimestamp(); ; await Task.Delay(50))
            try
            {
                using var answer = await request();
                if ((int)answer.StatusCode == 503 && Stopwatch.GetElapsedTime(began) < Patience)
                    continue;
                ((int)answer.StatusCode).Should().Be(expected, await answer.Content.ReadAsStringAsync());
                return await answer.Json();
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException && Stopwatch.GetElapsedTime(began) < Patience)
            {
            }
    }
}
