using Microsoft.AspNetCore.Http;

namespace NotificationService.Tests;

/// <summary>Receivers as bad as they come, with a time-out of one second instead of fifteen.</summary>
public sealed class BadReceiverTests(BadReceiverTests.Impatient service) : IClassFixture<BadReceiverTests.Impatient>
{
    public sealed class Impatient() : Service(null, ("Webhooks:Timeout", "00:00:01"), ("Webhooks:Schedule", "0s 1s 1s 1s 1s 1s 1s 1s 1s 1s"));

    internal static async Task Hang(HttpContext http) => await Task.Delay(Timeout.Infinite, http.RequestAborted);

    private static async Task DripBody(HttpContext http)
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
        var sent = 0L;
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
        await good.Has(8, "the good receiver goes on", 3);
        good.Taken.Select(r => r.Sequence).Should().Equal(1, 2, 3, 4, 5, 6, 7, 8);
        await Eventually.Is(() => Task.FromResult(bad.Requests.Count >= 3), "the bad one is tried again", 20);
        sent.Should().BeLessThan(64_000_000, "the answer is cut off");

        mended = true;
        bad.Taken.Clear();
        await bad.Has(8, "the bad one, mended", 20);
        bad.Taken.Select(r => r.Sequence).Should().Equal([1, 2, 3, 4, 5, 6, 7, 8], "every intermediate event arrives, in order");

        async Task Gigabyte(HttpContext http)
        {
            http.Response.StatusCode = 500;
            http.Response.ContentLength = 1_000_000_000;
            var chunk = new byte[64 * 1024];
            for (var left = 1_000_000_000L; left > 0 && !http.RequestAborted.IsCancellationRequested; left -= chunk.Length)
            {
                await http.Response.Body.WriteAsync(chunk.AsMemory(0, (int)Math.Min(chunk.Length, left)), http.RequestAborted);
                Interlocked.Add(ref sent, chunk.Length);
            }
        }

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
