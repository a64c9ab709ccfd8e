using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace NotificationService.Tests;

/// <summary>Receivers as bad as they come, with a time-out of three seconds instead of fifteen.</summary>
public sealed class BadReceiverTests(BadReceiverTests.Impatient service) : IClassFixture<BadReceiverTests.Impatient>
{
    public sealed class Impatient() : Service(null, ("Webhooks:Timeout", "00:00:03"), ("Webhooks:Schedule", "0s 1s 1s 1s 1s 1s 1s 1s 1s 1s"));

    private const long OneGigabyte = 1_000_000_000;

    internal static async Task Gigabyte(HttpContext http)
    {
        http.Response.StatusCode = 500;
        http.Response.ContentLength = OneGigabyte;
        var chunk = new byte[64 * 1024];
        for (var left = OneGigabyte; left > 0 && !http.RequestAborted.IsCancellationRequested; left -= chunk.Length)
            await http.Response.Body.WriteAsync(chunk.AsMemory(0, (int)Math.Min(chunk.Length, left)), http.RequestAborted);
    }

    internal static async Task Hang(HttpContext http) => await Task.Delay(Timeout.Infinite, http.RequestAborted);

    internal static async Task DripBody(HttpContext http)
    {
        http.Response.StatusCode = 500;
        while (!http.RequestAborted.IsCancellationRequested)
        {
            await http.Response.WriteAsync("x", http.RequestAborted);
            await http.Response.Body.FlushAsync(http.RequestAborted);
            await Task.Delay(100, http.RequestAborted);
        }
    }

    [Theory]
    [InlineData("hangs")]
    [InlineData("drips")]
    [InlineData("sends a gigabyte")]
    [InlineData("redirects")]
    [InlineData("breaks off")]
    public async Task A_receiver_that_misbehaves_delays_nobody_else_and_loses_nothing(string how)
    {
        await using var bad = await Receiver.Start();
        await using var good = await Receiver.Start();
        var mended = false;
        bad.Behaviour = (http, _) => mended ? Receiver.Answer(http, 204) : how switch
        {
            "hangs" => Hang(http),
            "drips" => DripBody(http),
            "sends a gigabyte" => Gigabyte(http),
            "redirects" => Redirect(http),
            _ => BreakOff(http),
        };
        var referral = A.Referral();
        await service.As(referral.Sender).Listens(bad.Url, inOrder: true);
        await service.As(referral.Receiver).Listens(good.Url, inOrder: true);
        await service.Publish(referral.Story(8));
        await good.Has(8, "the good receiver goes on");
        good.Sequences.Should().Equal(1, 2, 3, 4, 5, 6, 7, 8);
        await Eventually.Is(() => Task.FromResult(bad.Requests.Count >= 3), "the bad one is tried again", 30);

        mended = true;
        bad.Taken.Clear();
        await bad.Has(8, "the bad one, mended", 30);
        bad.Sequences.Should().Equal([1, 2, 3, 4, 5, 6, 7, 8], "every intermediate event arrives, in order");

        Task Redirect(HttpContext http)
        {
            http.Response.Headers.Location = good.Url;
            return Receiver.Answer(http, 302);
        }

        static Task BreakOff(HttpContext http)
        {
            http.Abort();
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task Of_a_gigabyte_next_to_nothing_is_read()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens($"http://{listener.LocalEndpoint}/");
        await owner.Command($"/v1/endpoints/{id}/test");

        using var connection = await listener.AcceptTcpClientAsync();
        await using var stream = connection.GetStream();
        await stream.ReadAtLeastAsync(new byte[64 * 1024], 1);
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {OneGigabyte}\r\n\r\n"));
        var sent = 0L;
        var sending = async () =>
        {
            for (var chunk = new byte[64 * 1024]; sent < OneGigabyte; sent += chunk.Length)
                await stream.WriteAsync(chunk);
        };
        await sending.Should().ThrowAsync<IOException>("the connection is closed");
        sent.Should().BeLessThan(100_000_000, "what was sent lay in the buffers of the sockets");
        await Eventually.Is(async () => (await DeliveryTests.Attempts(owner, id)) is [var a] && a.GetProperty("messageState").GetString() == "Delivered", "the status line decides");
    }

    [Fact]
    public async Task A_receiver_that_answers_200_and_then_drips_has_taken_the_message()
    {
        await using var bad = await Receiver.Start();
        bad.Behaviour = async (http, _) =>
        {
            await http.Response.Body.FlushAsync();
            await Hang(http);
        };
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens(bad.Url);
        await owner.Command($"/v1/endpoints/{id}/test");
        await Eventually.Is(async () => (await DeliveryTests.Attempts(owner, id)) is [var a] && a.GetProperty("messageState").GetString() == "Delivered", "the status line decides");
    }
}

/// <summary>All of them at once, beside one that is well.</summary>
public sealed class ManyBadReceiversTests(ManyBadReceiversTests.Patient service) : IClassFixture<ManyBadReceiversTests.Patient>
{
    // so many attempts that none is exhausted before the receivers are mended, however slow the machine
    public sealed class Patient() : Service(null, ("Webhooks:Timeout", "00:00:02"), ("Webhooks:Schedule", "0s " + string.Join(' ', Enumerable.Repeat("1s", 200))));

    [Fact]
    public async Task Many_bad_receivers_at_once_delay_no_healthy_one_and_once_mended_get_every_event_in_order()
    {
        await using var good = await Receiver.Start();
        var bad = new Dictionary<string, Receiver>();
        var mended = false;
        foreach (var (how, misbehave) in new (string, Func<HttpContext, Task>)[]
        {
            ("answers 500", http => Receiver.Answer(http, 500)), ("hangs", BadReceiverTests.Hang), ("drips", BadReceiverTests.DripBody), ("redirects", Redirect),
            ("sends without end", BadReceiverTests.Gigabyte),
        })
        {
            var receiver = bad[how] = await Receiver.Start();
            receiver.Behaviour = (http, _) => mended ? Receiver.Answer(http, 204) : misbehave(http);
        }
        try
        {
            var referral = A.Referral();
            var owner = service.As(referral.Sender);
            foreach (var receiver in bad.Values)
                await owner.Listens(receiver.Url, inOrder: true);
            // the same institution, and made last
            await owner.Listens(good.Url, inOrder: true);
            await service.Publish(referral.Next("submitted"));
            foreach (var (how, receiver) in bad)
                await Eventually.Is(() => Task.FromResult(receiver.Requests.Count >= 2), $"the one that {how} is tried again", 60);
            // now all five fail, and keep failing until the last of the healthy one's events is there
            await service.Publish([.. Enumerable.Range(0, 19).Select(_ => referral.Next("note-added"))]);
            await good.Has(20, "the healthy one", 60);
            good.Sequences.Should().Equal(Enumerable.Range(1, 20).Select(n => (long)n));
            good.Requests.Should().HaveCount(20, "at the first attempt each, and nothing of what was redirected");
            bad.Values.Should().OnlyContain(receiver => receiver.Taken.IsEmpty, "it waited for none of them");

            mended = true;
            foreach (var (how, receiver) in bad)
            {
                await receiver.Has(20, $"the one that {how}, mended", 120);
                receiver.Sequences.Should().Equal(Enumerable.Range(1, 20).Select(n => (long)n), "nothing is lost of the one that {0}", how);
            }
        }
        finally
        {
            foreach (var receiver in bad.Values)
                await receiver.DisposeAsync();
        }

        Task Redirect(HttpContext http)
        {
            http.Response.Headers.Location = good.Url;
            return Receiver.Answer(http, 302);
        }
    }
}
