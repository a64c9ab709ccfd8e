using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using ReferralService.Patients;
using ReferralService.Referrals.Attachments;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Attachments;

/// <summary>Files of a referral: taken by content, seen by the parties alone, sealed, audited.</summary>
[Collection("referral")]
public sealed class AttachmentsTests(ReferralHost host)
{
    private static readonly byte[] Png = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 1, 2, 3];

    [Fact]
    public async Task A_file_that_was_attached_comes_back_as_it_was_sent_and_leaves_an_audit_row()
    {
        var referral = await A.Submitted(host);
        var file = await Uploaded(referral, Png);
        file.GetProperty("sha256").GetString().Should().Be(Convert.ToHexStringLower(SHA256.HashData(Png)));
        (await Get(referral, file, referral.Receiver)).StatusCode.Should().Be(HttpStatusCode.NotFound, "nobody sees it before it is attached");
        await Attach(referral, file);

        var answer = await Get(referral, file, referral.Receiver);
        (await answer.Content.ReadAsByteArrayAsync()).Should().Equal(Png);
        answer.Content.Headers.ContentType!.MediaType.Should().Be("image/png");
        answer.Headers.GetValues("X-Content-Type-Options").Should().Equal("nosniff");
        (await host.Database.Query<string>("select verdict from audit where referral_id = @Id and action = 'read-attachment'", new { referral.Id })).Should().Equal("allowed");
        var stored = (await host.Database.Query<byte[]>("select content from attachment where id = @id", new { id = file.GetProperty("id").GetGuid() })).Single();
        stored.AsSpan().IndexOf(Png).Should().Be(-1, "what is stored is sealed");
    }

    [Theory]
    [InlineData("application/pdf", "%PDF-1.7 x", 201)]
    [InlineData("application/pdf", "<html><script>", 415)]
    [InlineData("image/png", "%PDF-1.7 x", 415)]
    [InlineData("text/html", "%PDF-1.7 x", 415)]
    [InlineData("application/json", "{}", 415)]
    [InlineData("application/pdf", "", 400)]
    public async Task The_content_decides_what_a_file_is(string declared, string content, int status)
    {
        var referral = await A.Submitted(host);
        ((int)(await Upload(referral, Encoding.ASCII.GetBytes(content), declared)).StatusCode).Should().Be(status);
    }

    [Fact]
    public async Task Five_megabytes_are_taken_and_one_byte_more_is_not()
    {
        var referral = await A.Submitted(host);
        var most = new byte[UploadAttachment.Limit];
        "%PDF-"u8.CopyTo(most);
        (await Upload(referral, most, "application/pdf")).StatusCode.Should().Be(HttpStatusCode.Created);
        (await Upload(referral, [.. most, 0], "application/pdf")).StatusCode.Should().Be(HttpStatusCode.RequestEntityTooLarge);
    }

    [Fact]
    public async Task A_repetition_with_the_same_key_stores_one_file()
    {
        var referral = await A.Submitted(host);
        var key = Guid.NewGuid().ToString();
        var answers = new[] { await Upload(referral, Png, "image/png", key: key), await Upload(referral, Png, "image/png", key: key) };
        (await answers[1].Content.ReadAsStringAsync()).Should().Be(await answers[0].Content.ReadAsStringAsync());
        (await host.Database.Query<int>("select count(*)::int from attachment where referral_id = @Id", new { referral.Id })).Should().Equal(1);
    }

    [Fact]
    public async Task Nobody_else_hands_in_attaches_or_reads()
    {
        var referral = await A.Submitted(host);
        (await Upload(referral, Png, "image/png", ReferralHost.Stranger)).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await Upload(referral, Png, "image/png", referral.Sender, "Insurer")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        var file = await Uploaded(referral, Png);
        // the other side's file, a file of another referral, one that is attached already
        var body = Facts(file);
        await referral.IsRefused("attach", HttpStatusCode.UnprocessableEntity, "rule-broken", body, by: referral.Receiver);
        await (await A.Submitted(host)).IsRefused("attach", HttpStatusCode.UnprocessableEntity, "rule-broken", body, by: referral.Sender);
        await Attach(referral, file);
        await referral.IsRefused("attach", HttpStatusCode.UnprocessableEntity, "rule-broken", body, by: referral.Sender);
        (await Get(referral, file, ReferralHost.Stranger)).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await Get(referral, file, referral.Sender, purpose: "OPERATIONS")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task A_file_that_nobody_attached_is_thrown_away_and_one_that_somebody_did_is_kept()
    {
        var referral = await A.Submitted(host);
        var (kept, forgotten) = (await Uploaded(referral, Png), await Uploaded(referral, [.. Png, 4]));
        await Attach(referral, kept);
        await AttachmentScanner.ThrowAway(host.Services.GetRequiredService<NpgsqlDataSource>(), host.Clock.GetUtcNow().AddSeconds(1));
        (await host.Database.Query<Guid>("select id from attachment where referral_id = @Id", new { referral.Id })).Should().Equal(kept.GetProperty("id").GetGuid());
        forgotten.GetProperty("id").GetGuid().Should().NotBe(kept.GetProperty("id").GetGuid());
    }

    [Theory]
    [InlineData("Infected", 410, "attachment-infected")]
    [InlineData("Pending", 409, "attachment-not-scanned")]
    public async Task What_is_infected_or_not_scanned_yet_is_not_handed_out(string scan, int status, string code)
    {
        var referral = await A.Submitted(host);
        var file = await Uploaded(referral, Png);
        await Attach(referral, file);
        await host.Database.Execute("update attachment set scan = @scan where id = @id", new { scan, id = file.GetProperty("id").GetGuid() });
        var answer = await Get(referral, file, referral.Receiver);
        ((int)answer.StatusCode).Should().Be(status);
        (await answer.Json()).GetProperty("code").GetString().Should().Be(code);
    }

    [Theory]
    [InlineData("harmless", "Clean")]
    [InlineData("EICAR", "Infected")]
    public async Task A_scanner_that_is_set_decides(string content, string verdict)
    {
        using var clamd = new TcpListener(IPAddress.Loopback, 0);
        clamd.Start();
        var scanning = Clamd(clamd);
        var referral = await A.Submitted(host);
        var id = (await Uploaded(referral, [.. Png, .. Encoding.ASCII.GetBytes(content)])).GetProperty("id").GetGuid();
        await host.Database.Execute("update attachment set scan = 'Pending' where id = @id", new { id });
        var settings = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Attachments:Clamd"] = clamd.LocalEndpoint.ToString() }).Build();
        var scanner = new AttachmentScanner(host.Services.GetRequiredService<NpgsqlDataSource>(), host.Services.GetRequiredService<PatientKeys>(), settings,
            host.Clock, NullLogger<AttachmentScanner>.Instance);
        while (await scanner.ScanOne())
        {
        }
        (await host.Database.Query<string>("select scan from attachment where id = @id", new { id })).Should().Equal(verdict);
        clamd.Stop();
        await scanning;
    }

    // clamd's INSTREAM: chunks with their length before them, a zero at the end, then the verdict
    private static async Task Clamd(TcpListener listener)
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync();
                await using var stream = client.GetStream();
                await stream.ReadExactlyAsync(new byte["zINSTREAM\0".Length]);
                var (all, length) = (new MemoryStream(), new byte[4]);
                while (true)
                {
                    await stream.ReadExactlyAsync(length);
                    if (BinaryPrimitives.ReadInt32BigEndian(length) is not (> 0 and var size))
                        break;
                    var chunk = new byte[size];
                    await stream.ReadExactlyAsync(chunk);
                    all.Write(chunk);
                }
                var found = Encoding.Latin1.GetString(all.ToArray()).Contains("EICAR", StringComparison.Ordinal);
                await stream.WriteAsync(Encoding.ASCII.GetBytes(found ? "stream: Eicar-Test-Signature FOUND\0" : "stream: OK\0"));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // the test is over
        }
    }

    [Fact]
    public async Task The_list_shows_marks_to_every_party_and_titles_to_who_treats()
    {
        var referral = await A.Submitted(host);
        await referral.Does("attach", new { title = "头颅CT", itemCode = "CT-1", laboratory = "前阳镇影像室", recognised = true, mark = "全国HR", qualityUntil = "2099-12-31", reference = "urn:x" });
        var seen = (await List(referral, "TREATMENT"))[0];
        (seen.GetProperty("title").GetString(), seen.GetProperty("mark").GetString()).Should().Be(("头颅CT", "全国HR"));
        var blind = (await List(referral, "OPERATIONS"))[0];
        blind.TryGetProperty("title", out _).Should().BeFalse();
        blind.GetProperty("itemCode").GetString().Should().Be("CT-1");
    }

    private async Task<JsonElement> List(A referral, string purpose) =>
        (await host.As(referral.Receiver, purpose: purpose).GetAsync($"/v1/referrals/{referral.Id}/attachments").Json()).GetProperty("items");

    private static object Facts(JsonElement file) => new { title = "心电图", recognised = false, attachment = file.GetProperty("id").GetGuid() };

    private async Task Attach(A referral, JsonElement file) =>
        (await referral.Tries("attach", Facts(file), by: referral.Sender)).StatusCode.Should().Be(HttpStatusCode.OK);

    private async Task<JsonElement> Uploaded(A referral, byte[] content)
    {
        var answer = await Upload(referral, content, "image/png");
        answer.StatusCode.Should().Be(HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        return await answer.Json();
    }

    private Task<HttpResponseMessage> Upload(A referral, byte[] content, string type, string? by = null, string role = "Clinician", string? key = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/referrals/{referral.Id}/attachments")
        {
            Content = new ByteArrayContent(content) { Headers = { ContentType = new MediaTypeHeaderValue(type) } },
        };
        request.Headers.Add("Idempotency-Key", key ?? Guid.NewGuid().ToString());
        return host.As(by ?? referral.Sender, role).SendAsync(request);
    }

    private Task<HttpResponseMessage> Get(A referral, JsonElement file, string by, string? purpose = null) =>
        host.As(by, purpose: purpose).GetAsync($"/v1/referrals/{referral.Id}/attachments/{file.GetProperty("id").GetGuid()}");
}
