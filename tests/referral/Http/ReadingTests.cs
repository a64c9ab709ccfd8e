using System.IO.Compression;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Http;

/// <summary>Worklists, search and pages as their readers meet them: a poor link, a poller, a clerk with a number, a printer.</summary>
[Collection("referral")]
public sealed class ReadingTests(ReferralHost host)
{
    private static string NewNumber() => "HIS-" + Guid.NewGuid().ToString("n")[..12];

    private static string[] Numbers(JsonElement page) => [.. page.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("referralNo").GetString()!)];

    private static string? NextOf(HttpResponseMessage page) =>
        page.Headers.TryGetValues("Link", out var links) ? Regex.Match(links.Single(), "^<(.+)>; rel=\"next\"$").Groups[1].Value : null;

    private async Task<string[]> Found(string institution, string query) =>
        Numbers(await host.As(institution, "Registrar").GetAsync("/v1/referrals?" + query).Json());

    [Fact]
    public async Task Each_side_finds_a_referral_by_its_own_number_and_by_no_other()
    {
        var (senders, receivers) = (NewNumber(), NewNumber());
        var referral = await A.Submitted(host, slip => slip["senderOwnNo"] = senders);
        await referral.Does("accept", new { receiverOwnNo = receivers });

        (await Found(referral.Sender, "ownNo=" + senders)).Should().Equal(referral.No);
        (await Found(referral.Receiver, "ownNo=" + receivers)).Should().Equal(referral.No);
        (await Found(referral.Sender, "ownNo=" + receivers)).Should().BeEmpty("the hospital's number is the hospital's");
        (await Found(referral.Receiver, "ownNo=" + senders)).Should().BeEmpty();
        (await Found(ReferralHost.Stranger, "ownNo=" + senders)).Should().BeEmpty();
        (await Found(referral.Sender, "ownNo=" + senders[..^1] + "_")).Should().BeEmpty("a number is no pattern");
        (await host.As(referral.Sender).GetAsync("/v1/referrals/count?ownNo=" + senders).Json()).GetProperty("count").GetInt32().Should().Be(1);
    }

    [Fact]
    public async Task Page_by_page_every_row_comes_once_also_when_others_are_added_meanwhile()
    {
        var number = NewNumber();
        var written = new List<string>();
        // all at the same moment: the id alone decides
        for (var i = 0; i < 5; i++)
            written.Add((await A.Submitted(host, slip => slip["senderOwnNo"] = number)).No);
        var (read, address) = (new List<string>(), (string?)$"/v1/referrals?as=sender&ownNo={number}&limit=2");
        while (address is not null)
        {
            var answer = await host.As(ReferralHost.Township).GetAsync(address);
            var page = await answer.Json();
            read.AddRange(Numbers(page));
            address = NextOf(answer);
            page.TryGetProperty("next", out _).Should().Be(address is not null);
            host.Clock.Advance(TimeSpan.FromSeconds(1));
            await A.Submitted(host, slip => slip["senderOwnNo"] = number);
        }
        read.Should().OnlyHaveUniqueItems().And.BeEquivalentTo(written, "what was added later is newer than the first page");
    }

    [Fact]
    public async Task What_was_sent_and_what_was_received_stand_in_one_list()
    {
        var since = "changedSince=" + Uri.EscapeDataString(host.Clock.GetUtcNow().ToString("O"));
        var up = await A.Treated(host);
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        var down = await up.Returned();
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        var later = await A.Submitted(host, slip => slip["priority"] = "Routine");

        string[] mine = [later.No, down.No, up.No];
        foreach (var (institution, other) in new[] { (ReferralHost.Tertiary, ReferralHost.Township), (ReferralHost.Township, ReferralHost.Tertiary) })
        {
            // deadlines of other tests' referrals may have passed meanwhile
            async Task<string[]> Mine(string query) => [.. (await Found(institution, since + query)).Intersect(mine)];

            (await Mine("")).Should().Equal(mine);
            (await Mine("&as=sender")).Concat(await Mine("&as=receiver")).Should().BeEquivalentTo(mine, "each is on one side");
            (await Mine("&institution=" + other)).Should().Equal(mine);
            (await Mine("&institution=" + ReferralHost.Stranger)).Should().BeEmpty();
            (await Mine("&state=Submitted")).Should().Equal(later.No, down.No);
            (await Mine("&state=Submitted&state=Completed&open=true&order=priority")).Should().Equal(down.No, later.No);
            (await host.As(institution).GetAsync("/v1/referrals/count?" + since).Json()).GetProperty("count").GetInt32().Should().BeGreaterThanOrEqualTo(3);

            var (pages, address) = (new List<string>(), (string?)$"/v1/referrals?{since}&limit=1");
            while (address is not null)
            {
                var answer = await host.As(institution).GetAsync(address);
                pages.AddRange(Numbers(await answer.Json()));
                address = NextOf(answer);
            }
            pages.Should().OnlyHaveUniqueItems();
            pages.Intersect(mine).Should().Equal(mine);
        }
    }

    [Fact]
    public async Task A_cursor_belongs_to_its_list_and_to_its_institution()
    {
        var number = NewNumber();
        for (var i = 0; i < 2; i++)
            await A.Submitted(host, slip => slip["senderOwnNo"] = number);
        var cursor = (await host.As(ReferralHost.Township).GetAsync($"/v1/referrals?ownNo={number}&limit=1").Json()).GetProperty("next").GetString()!;
        foreach (var (institution, query) in new[]
        {
            (ReferralHost.Township, "limit=1"), (ReferralHost.Township, $"ownNo={number}&as=sender&limit=1"), (ReferralHost.Tertiary, $"ownNo={number}&limit=1"),
        })
            (await host.As(institution).GetAsync($"/v1/referrals?{query}&cursor={Uri.EscapeDataString(cursor)}")).StatusCode.Should().Be(HttpStatusCode.BadRequest, query);
    }

    [Fact]
    public async Task A_poller_asks_for_what_changed_since_it_last_asked()
    {
        var number = NewNumber();
        var (quiet, busy) = (await A.Submitted(host, slip => slip["senderOwnNo"] = number), await A.Submitted(host, slip => slip["senderOwnNo"] = number));
        host.Clock.Advance(TimeSpan.FromMinutes(1));
        var since = Uri.EscapeDataString(host.Clock.GetUtcNow().ToOffset(TimeSpan.FromHours(8)).ToString("O"));
        (await Found(busy.Sender, $"ownNo={number}&changedSince={since}")).Should().BeEmpty();

        await busy.Does("note");
        (await Found(busy.Sender, $"ownNo={number}&changedSince={since}")).Should().Equal([busy.No], "a note is a change, at the moment itself too");
        (await Found(quiet.Sender, $"ownNo={number}")).Should().BeEquivalentTo(quiet.No, busy.No);
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        var after = Uri.EscapeDataString(host.Clock.GetUtcNow().ToString("O"));
        (await Found(busy.Sender, $"ownNo={number}&changedSince={after}")).Should().BeEmpty();
    }

    [Fact]
    public async Task A_list_that_did_not_change_is_not_sent_again()
    {
        var number = NewNumber();
        var referral = await A.Submitted(host, slip => slip["senderOwnNo"] = number);
        var first = await host.As(referral.Sender).GetAsync("/v1/referrals?ownNo=" + number);
        async Task<HttpStatusCode> Again()
        {
            var request = new HttpRequestMessage(HttpMethod.Get, "/v1/referrals?ownNo=" + number);
            request.Headers.IfNoneMatch.Add(first.Headers.ETag!);
            return (await host.As(referral.Sender).SendAsync(request)).StatusCode;
        }
        (await Again()).Should().Be(HttpStatusCode.NotModified);
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        await referral.Does("claim");
        (await Again()).Should().Be(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("gzip", "/v1/referrals?as=sender")]
    [InlineData("br", "/v1/referrals?as=sender")]
    [InlineData("gzip", "/v1/problems")]
    [InlineData("gzip", "/v1/referrals?as=nobody")]
    [InlineData("gzip", "/v1/referrals/{id}")]
    [InlineData("gzip", "/v1/referrals/{id}/slip")]
    public async Task Whoever_can_unpack_gets_it_packed_and_reads_the_same(string packing, string address)
    {
        var referral = await A.Submitted(host);
        address = address.Replace("{id}", referral.Id.ToString());
        var plain = await host.As(referral.Sender).GetAsync(address);
        plain.Content.Headers.ContentEncoding.Should().BeEmpty("nobody is sent what they did not ask for");

        var client = host.As(referral.Sender);
        client.DefaultRequestHeaders.AcceptEncoding.ParseAdd(packing);
        var packed = await client.GetAsync(address);
        packed.StatusCode.Should().Be(plain.StatusCode);
        packed.Content.Headers.ContentEncoding.Should().Equal(packing);
        packed.Headers.Vary.Should().Contain("Accept-Encoding", "a cache keeps the two apart");
        await using var wire = await packed.Content.ReadAsStreamAsync();
        await using Stream opened = packing == "br" ? new BrotliStream(wire, CompressionMode.Decompress) : new GZipStream(wire, CompressionMode.Decompress);
        Same(await new StreamReader(opened).ReadToEndAsync()).Should().Be(Same(await plain.Content.ReadAsStringAsync()));
    }

    // a problem names the trace of its own request
    private static string Same(string body) => Regex.Replace(body, "\"traceId\":\"\\w+\"", "");

    [Fact]
    public async Task The_slip_prints_on_paper_as_stub_and_slip_without_anything_from_elsewhere()
    {
        var referral = await A.Submitted(host);
        var answer = await host.As(ReferralHost.Tertiary).GetAsync($"/v1/referrals/{referral.Id}/slip");
        answer.Content.Headers.ContentType!.ToString().Should().Be("text/html; charset=utf-8");
        answer.Headers.GetValues("Content-Security-Policy").Single().Should().StartWith("default-src 'none'");
        var page = await answer.Content.ReadAsStringAsync();

        var style = Regex.Match(page, "<style>(.*?)</style>", RegexOptions.Singleline).Groups[1].Value;
        style.Should().MatchRegex(@"@page\s*\{[^}]*size:\s*A4").And.MatchRegex(@"@media print\s*\{[^@]*section\s*\{\s*break-inside:\s*avoid", "a slip is not torn over two sheets");
        style.Should().MatchRegex(@"section \+ section\s*\{[^}]*border-top:[^}]*dashed", "stub and slip are cut apart");
        var parts = Regex.Matches(page, "<section>(.*?)</section>", RegexOptions.Singleline).Select(m => m.Groups[1].Value).ToArray();
        parts.Should().HaveCount(2);
        parts[0].Should().Contain("存　根").And.Contain(referral.No);
        parts[1].Should().NotContain("存　根").And.Contain(referral.No).And.Contain("初步印象");
        page.Should().NotMatchRegex("(?i)<(link|script|img|iframe)|url\\(|https?://", "a printer in a clinic has no internet");
        answer.Headers.CacheControl!.NoStore.Should().BeTrue("nobody's slip stays in a cache");
    }
}
