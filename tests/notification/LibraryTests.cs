using System.Diagnostics;
using System.Text.Json;

namespace NotificationService.Tests;

/// <summary>The libraries of npm that receivers verify with, <c>standardwebhooks</c> and <c>svix</c>, judge what was really sent.</summary>
public sealed class LibraryTests(LibraryTests.Timeless service) : IClassFixture<LibraryTests.Timeless>
{
    public sealed class Timeless : Service
    {
        public Timeless() : this(new(DateTimeOffset.UtcNow))
        {
        }

        private Timeless(TestClock clock) : base(clock) => Clock = clock;

        public TestClock Clock { get; }
    }

    /// <summary>A received webhook, the secret it is verified with, and the time it is verified at.</summary>
    private sealed record Case(string Id, long Timestamp, string Signature, string Body, string Secret, long Now)
    {
        public static Case Of(Received received, string secret) =>
            new(received.Id, received.Timestamp, received.Signature, received.Body, secret, received.Timestamp + 1);
    }

    private sealed record Says(bool StandardWebhooks, bool Svix);

    [Fact]
    public async Task They_accept_what_is_right_and_refuse_a_flipped_byte_an_old_timestamp_and_another_secret()
    {
        await using var receiver = await Receiver.Start();
        var referral = A.Referral();
        var owner = service.As(referral.Receiver);
        var (_, secret) = await owner.Listens(receiver.Url);
        var (_, another) = await owner.Listens(receiver.Url + "/other", ["scheduling.*"]);
        await service.Publish(referral.Next("submitted"));
        await receiver.Has(1, "the event");
        var right = Case.Of(receiver.Requests.Single(), secret);
        var flipped = Convert.FromBase64String(right.Signature["v1,".Length..]);
        flipped[7] ^= 1;
        await Judge(
            (right, true, "as it was sent"),
            (right with { Body = right.Body.Replace("Routine", "Urgente") }, false, "another body"),
            (right with { Body = right.Body + " " }, false, "a blank more"),
            (right with { Signature = "v1," + Convert.ToBase64String(flipped) }, false, "a flipped bit of the signature"),
            (right with { Id = Guid.NewGuid().ToString() }, false, "another id"),
            (right with { Timestamp = right.Timestamp + 1 }, false, "another time"),
            (right with { Secret = another }, false, "another endpoint's secret"),
            (right with { Now = right.Timestamp + 299 }, true, "almost five minutes old"),
            (right with { Now = right.Timestamp + 301 }, false, "more than five minutes old"),
            (right with { Now = right.Timestamp - 301 }, false, "from the future"));
    }

    [Fact]
    public async Task While_a_secret_is_replaced_both_verify_and_a_day_later_only_the_new_one()
    {
        await using var receiver = await Receiver.Start();
        var referral = A.Referral();
        var owner = service.As(referral.Receiver);
        var (id, old) = await owner.Listens(receiver.Url);
        var rotated = await owner.Command($"/v1/endpoints/{id}/rotate-secret");
        rotated.StatusCode.Should().Be(System.Net.HttpStatusCode.OK, await rotated.Content.ReadAsStringAsync());
        var fresh = (await rotated.Json()).GetProperty("secret").GetString()!;
        fresh.Should().StartWith("whsec_").And.NotBe(old);
        await service.Publish(referral.Next("submitted"));
        await receiver.Has(1, "within the overlap");
        service.Clock.Advance(TimeSpan.FromHours(23.9));
        await service.Publish(referral.Next("triage-started"));
        await receiver.Has(2, "at the end of the overlap");
        service.Clock.Advance(TimeSpan.FromHours(0.2));
        await service.Publish(referral.Next("accepted"));
        await receiver.Has(3, "after the overlap");
        var received = receiver.Requests.OrderBy(r => r.Sequence).ToArray();
        received[0].Signature.Split(' ').Should().HaveCount(2);
        received[2].Signature.Split(' ').Should().ContainSingle();
        await Judge(
            (Case.Of(received[0], old), true, "the old one within the overlap"),
            (Case.Of(received[0], fresh), true, "the new one within the overlap"),
            (Case.Of(received[1], old), true, "the old one at the end of the overlap"),
            (Case.Of(received[2], old), false, "the old one after the overlap"),
            (Case.Of(received[2], fresh), true, "the new one after the overlap"));
    }

    [Fact]
    public async Task A_secret_that_leaked_is_replaced_at_once()
    {
        await using var receiver = await Receiver.Start();
        var referral = A.Referral();
        var owner = service.As(referral.Receiver);
        var (id, old) = await owner.Listens(receiver.Url);
        var key = Guid.NewGuid().ToString();
        var rotated = await owner.Command($"/v1/endpoints/{id}/rotate-secret", new { overlapHours = 0 }, key: key);
        var fresh = (await rotated.Json()).GetProperty("secret").GetString()!;
        (await (await owner.Command($"/v1/endpoints/{id}/rotate-secret", new { overlapHours = 0 }, key: key)).Json())
            .GetProperty("secret").GetString().Should().Be(fresh, "a repetition rotates nothing");
        await service.Publish(referral.Next("submitted"));
        await receiver.Has(1, "the event");
        await Judge((Case.Of(receiver.Requests.Single(), old), false, "the leaked one"), (Case.Of(receiver.Requests.Single(), fresh), true, "the new one"));
        (await owner.Command($"/v1/endpoints/{id}/rotate-secret", new { overlapHours = 25 })).StatusCode.Should().Be(System.Net.HttpStatusCode.BadRequest);
    }

    private static async Task Judge(params (Case Case, bool Accepted, string What)[] cases)
    {
        var said = await Verify([.. cases.Select(c => c.Case)]);
        for (var i = 0; i < cases.Length; i++)
            said[i].Should().Be(new Says(cases[i].Accepted, cases[i].Accepted), cases[i].What);
    }

    private static async Task<Says[]> Verify(Case[] cases)
    {
        var folder = Generated.Source("tests/notification/npm");
        // npm writes this list when everything is in place
        if (!File.Exists(Path.Combine(folder, "node_modules/.package-lock.json")))
            await Run(folder, "npm", ["ci", "--loglevel=error"], "");
        var output = await Run(folder, "node", ["verify.mjs"], JsonSerializer.Serialize(cases, JsonSerializerOptions.Web));
        return JsonSerializer.Deserialize<Says[]>(output, JsonSerializerOptions.Web)!;
    }

    private static async Task<string> Run(string folder, string program, string[] arguments, string input)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
        };
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{program} is missing: install Node.js 18 or newer with npm.");
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(patience.Token), process.StandardError.ReadToEndAsync(patience.Token));
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync(patience.Token);
        process.ExitCode.Should().Be(0, "{0} should end well; it said: {1}", program, await errors);
        return await output;
    }
}
