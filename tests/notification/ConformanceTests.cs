using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Conformance;
using Microsoft.AspNetCore.Http;

namespace NotificationService.Tests;

/// <summary>The kit that integrators check their receivers with finds what is wrong, and nothing where all is well.</summary>
public sealed class ConformanceTests : IAsyncLifetime
{
    private static readonly JsonSerializerOptions AsItIs = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly string _secret = Secrets.New();
    private Receiver _receiver = null!;

    public async Task InitializeAsync() => _receiver = await Receiver.Start();

    public async Task DisposeAsync() => await _receiver.DisposeAsync();

    private async Task<IReadOnlyList<string>> Check(Uri? state = null, TimeSpan? answerWithin = null)
    {
        using var check = new ReceiverCheck(new(_receiver.Url), _secret, state, Generated.Source("tests/contracts/golden"), answerWithin ?? ReceiverCheck.Usual);
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
        wrong.Should().HaveCount(13).And.OnlyContain(line => line.Contains("expected a refusal"));
    }

    [Fact]
    public async Task A_receiver_that_refuses_what_it_knows_already_or_does_not_know_is_told()
    {
        var seen = new ConcurrentDictionary<string, byte>();
        _receiver.Behaviour = (http, received) => Receiver.Answer(http,
            !IsGood(received) ? 401
            : !seen.TryAdd(received.Id, 0) ? 409
            : received.Type.Contains("later-version") ? 400 : 204);
        (await Check()).Should().HaveCount(3).And.Contain(line => line.StartsWith("the same message again")).And.Contain(line => line.StartsWith("the same message at another time"))
            .And.Contain(line => line.StartsWith("an event of a type"));
    }

    // each of them does one thing wrong and everything else right
    [Theory]
    [InlineData("verifies a text made anew", "changed by one blank", "bytes as they came")]
    [InlineData("compares the beginning", "one character was changed", "compare all of it")]
    [InlineData("does not look at the time", "ten minutes ago|ten minutes in the future", "five minutes")]
    [InlineData("takes what has no id", "without an id", "lacks webhook-id")]
    [InlineData("takes what has no time", "without a time", "lacks webhook-id")]
    [InlineData("takes what has no signature", "without a signature", "lacks webhook-id")]
    [InlineData("takes any version", "of a version that does not exist", "Only v1")]
    [InlineData("tries the first signature only", "second signature fits|another version beside", "try each")]
    [InlineData("refuses what comes late", "event 2 of a referral|event 4 of a referral", "higher sequence")]
    [InlineData("refuses a type", "an event referral.rated", "Take every type")]
    [InlineData("refuses members it does not know", "members it does not know|beyond ASCII", "Ignore what you do not know|bytes as they came")]
    [InlineData("redirects a type", "an event referral.rated", "never followed")]
    [InlineData("hangs on a type", "an event referral.rated", "afterwards")]
    public async Task What_a_receiver_does_wrong_is_named_with_what_to_do(string fault, string named, string advice)
    {
        var highest = new ConcurrentDictionary<string, long>();
        _receiver.Behaviour = async (http, received) =>
        {
            var data = received.Event.GetProperty("data");
            var late = received.Type.EndsWith("note-added") && received.Sequence < highest.AddOrUpdate(received.Event.GetProperty("subject").GetString()!, received.Sequence, (_, known) => Math.Max(known, received.Sequence));
            var rated = received.Type == "referral.up.rated";
            var good = IsGood(received);
            var takes = fault switch
            {
                "verifies a text made anew" => IsGood(received with { Body = JsonNode.Parse(received.Body)!.ToJsonString(AsItIs) }),
                "compares the beginning" => good || Math.Abs(received.Timestamp - DateTimeOffset.UtcNow.ToUnixTimeSeconds()) <= 300 && Signature.Of(received.Id, received.Timestamp, received.Body, [Secrets.KeyOf(_secret)])[..20] is var begins && received.Signature.StartsWith(begins),
                "does not look at the time" => SignatureTests.Verifies(received, _secret),
                "takes what has no id" => good || received.Id.Length == 0,
                "takes what has no time" => good || received.Timestamp == 0,
                "takes what has no signature" => good || received.Signature.Length == 0,
                "takes any version" => good || received.Signature.StartsWith("v2,"),
                "tries the first signature only" => good && IsGood(received with { Signature = received.Signature.Split(' ')[0] }),
                "refuses what comes late" => good && !late,
                "refuses a type" => good && !rated,
                "refuses members it does not know" => good && !data.TryGetProperty("memberOfALaterVersion", out _),
                _ => good,
            };
            if (fault == "hangs on a type" && rated)
                await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            else
                await Receiver.Answer(http, fault == "redirects a type" && rated ? 302 : takes ? 204 : 401);
        };
        var wrong = await Check(answerWithin: fault.StartsWith("hangs") ? TimeSpan.FromSeconds(5) : null);
        foreach (var name in named.Split('|'))
            wrong.Should().ContainSingle(line => line.Contains(name), fault);
        wrong.Should().HaveCount(named.Split('|').Length, fault).And.OnlyContain(line => advice.Split('|').Any(line.Contains));
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
