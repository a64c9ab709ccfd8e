using System.Collections.Concurrent;
using System.Text.Json;
using Conformance;
using Microsoft.AspNetCore.Http;

namespace NotificationService.Tests;

/// <summary>The kit that integrators check their receivers with finds what is wrong, and nothing where all is well.</summary>
public sealed class ConformanceTests : IAsyncLifetime
{
    private readonly string _secret = Secrets.New();
    private Receiver _receiver = null!;

    public async Task InitializeAsync() => _receiver = await Receiver.Start();

    public async Task DisposeAsync() => await _receiver.DisposeAsync();

    private async Task<IReadOnlyList<string>> Check(Uri? state = null)
    {
        using var check = new ReceiverCheck(new(_receiver.Url), _secret, state, Generated.Source("tests/contracts/golden"));
        return await check.Run();
    }

    private bool IsGood(Received received) => SignatureTests.Verifies(received, _secret)
        && Math.Abs(received.Timestamp - DateTimeOffset.UtcNow.ToUnixTimeSeconds()) <= 300;

    [Fact]
    public async Task A_receiver_that_verifies_and_remembers_passes()
    {
        await using var state = await Receiver.Start();
        var acted = new ConcurrentDictionary<string, byte>();
        _receiver.Behaviour = (http, received) =>
        {
            if (IsGood(received))
                acted.TryAdd(received.Event.GetProperty("id").GetString()!, 0);
            return Receiver.Answer(http, IsGood(received) ? 204 : 401);
        };
        state.Behaviour = (http, _) => http.Response.WriteAsync(JsonSerializer.Serialize(acted.Keys));
        (await Check(new(state.Url))).Should().BeEmpty();
        acted.Count.Should().BeGreaterThan(60, "every event type there is");
    }

    [Fact]
    public async Task A_receiver_that_believes_everything_is_told_of_each_forgery()
    {
        var wrong = await Check();
        wrong.Should().HaveCount(8).And.OnlyContain(line => line.Contains("expected a refusal"));
    }

    [Fact]
    public async Task A_receiver_that_refuses_what_it_knows_already_or_does_not_know_is_told()
    {
        var seen = new ConcurrentDictionary<string, byte>();
        _receiver.Behaviour = (http, received) => Receiver.Answer(http,
            !IsGood(received) ? 401
            : !seen.TryAdd(received.Id, 0) ? 409
            : received.Type.Contains("later-version") ? 400 : 204);
        (await Check()).Should().HaveCount(2).And.Contain(line => line.StartsWith("the same message again")).And.Contain(line => line.StartsWith("an event of a type"));
    }

    [Fact]
    public async Task A_receiver_that_acts_twice_is_found_out_by_its_own_account()
    {
        await using var state = await Receiver.Start();
        var acted = new ConcurrentQueue<string>();
        _receiver.Behaviour = (http, received) =>
        {
            if (IsGood(received))
                acted.Enqueue(received.Event.GetProperty("id").GetString()!);
            return Receiver.Answer(http, IsGood(received) ? 204 : 401);
        };
        state.Behaviour = (http, _) => http.Response.WriteAsync(JsonSerializer.Serialize(acted));
        (await Check(new(state.Url))).Should().ContainSingle().Which.Should().Contain("more than once");
    }
}
