using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dapper;
using Deployed;
using FluentAssertions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Npgsql;
using TestKit;
using Xunit;
using Xunit.Abstractions;
using static TestKit.KnownPatient;

namespace Integration.Tests;

/// <summary>
/// A patient with known values goes through a whole life; afterwards they stand nowhere but sealed in the tables and in
/// the answers to those who may see them. PostgreSQL keeps its statements with pg_stat_statements meanwhile.
/// </summary>
public sealed class RedactionTests(AllianceFixture alliance, ITestOutputHelper output) : IntegrationTest(alliance, output)
{
    private static JsonObject Slip()
    {
        var slip = A.Slip("01");
        KnownPatient.PutInto(slip);
        return slip;
    }

    [Fact]
    public async Task A_whole_life_leaves_no_value_of_the_patient_in_log_metric_message_notice_webhook_problem_or_statement()
    {
        await KeepStatements(true);
        // patients of a sandbox are told nothing
        await Sandbox(false);
        try
        {
            await Live();
        }
        finally
        {
            await Sandbox(true);
            await KeepStatements(false);
        }
    }

    private async Task Live()
    {
        using var recipients = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        await using var gateway = await Gateway.Open();
        var (publicKey, privateKey) = (Path.GetTempFileName(), Path.GetTempFileName());
        await File.WriteAllTextAsync(publicKey, recipients.ExportSubjectPublicKeyInfoPem());
        await File.WriteAllTextAsync(privateKey, recipients.ExportPkcs8PrivateKeyPem());
        var telling = await Alliance.Another("referral", s => s["Notices__PublicKeyFile"] = publicKey);
        var sending = await Alliance.Another("notification", s =>
            (s["Notices__PrivateKeyFile"], s["Notices__Sms__Url"]) = (privateKey, gateway.Address + "/send"));
        // ready means that it answers: what is told before its queues stand is told to nobody
        foreach (var instance in new[] { telling, sending })
            await Eventually.Is(async () => (await instance.Health()).Word == "healthy", $"{instance.Name} hears", seconds: 30);

        await using var receiver = await Receiver.Open();
        await receiver.Subscribe(Alliance, Alliance.Township, "/clinic");
        await receiver.Subscribe(Alliance, Alliance.Tertiary, "/hospital");
        await using var referralWire = await Wire.Listen(Alliance.RabbitMq, "referral-events");
        await using var schedulingWire = await Wire.Listen(Alliance.RabbitMq, "scheduling-events");
        await using var noticeWire = await Wire.Listen(Alliance.RabbitMq, "notice-requests");
        using var watching = new CancellationTokenSource();
        var running = Running(watching.Token);

        var up = await A.Submitted(Alliance, Slip());
        await up.Does("claim");
        await up.Does("note", new { text = Words });
        await up.Does("accept", new { department = "03.03", clinician = "dr-0001" });
        await up.Reaches("Scheduled");
        await up.Does("dispatch");
        await up.Does("arrive");
        await up.Does("start-treatment");
        await up.Does("complete-treatment", new { diagnosisResult = Words, treatmentCourse = Words, rehabEligible = true });
        var down = await up.Returns();
        await up.Look();
        // it is there for those who may see it, or this test would find nothing anywhere
        up.Last.GetProperty("identity").GetProperty("idNo").GetString().Should().Be(IdNo);
        var shown = await Text(Referral.As(Alliance.Township), $"/v1/referrals/{up.Id}/timeline");
        Tells(shown, Words).Should().BeTrue("and the look for values finds them where they are");
        await Rights(up);
        var problems = await Clumsy(up);
        await Eventually.Is(() => Task.FromResult(receiver.Received.Any(w => w.Subject == down.No)), "webhooks of the way back", seconds: 20);
        await Eventually.Is(() => Task.FromResult(!gateway.Texts.IsEmpty && noticeWire.All.Count > 0), "the patient is told", seconds: 20);
        await watching.CancelAsync();

        var places = new Dictionary<string, IEnumerable<string>>
        {
            ["messages"] = referralWire.All.Concat(schedulingWire.All).Concat(noticeWire.All).Select(m => Encoding.UTF8.GetString(m.Body) + m.Subject),
            ["notices"] = gateway.Texts,
            ["webhooks"] = receiver.Received.Select(w => w.Body),
            ["problems"] = problems,
            ["statements that run"] = await running,
            ["lists"] = [await Text(Referral.As(Alliance.Township), "/v1/referrals?limit=100"), await Text(Referral.As(Alliance.Tertiary), "/v1/referrals?limit=100")],
            ["the feed"] = [await Text(Notification.As(Alliance.Township), "/v1/events?limit=500")],
            ["the audit"] = [await Text(Referral.As(Alliance.Township, "Auditor"), $"/v1/audit?referral={up.Id}")],
        };
        await using (var super = new NpgsqlConnection(Referral.Database.Super))
            places["statements that ran"] = (await super.QueryAsync<string>("select query from pg_stat_statements")).AsList();
        places["statements that ran"].Should().Contain(q => q.Contains("referral", StringComparison.Ordinal));
        foreach (var service in Alliance.Services.Concat([telling, sending]))
        {
            places[$"{service.Name}'s log at {service.Address}"] = service.Log;
            places[$"{service.Name}'s metrics at {service.Address}"] = [await Text(service.Anonymous(), "/metrics")];
            places[service.Name + "'s tables"] = await Tables(service);
        }
        foreach (var (place, texts) in places)
        {
            var all = texts.ToList();
            all.Should().NotBeEmpty(place);
            foreach (var secret in Secrets)
                all.Where(t => Tells(t, secret)).Select(t => t[..Math.Min(t.Length, 200)]).Should().BeEmpty("{0} must not hold {1}", place, secret);
        }
    }

    // every instance reads the directory again within a second
    private async Task Sandbox(bool synthetic)
    {
        // all of them at once, with what they share: the table lets one go only when it shares nothing
        await Referral.Database.Execute("""
            alter table institution disable trigger institution_keeps_its_kind;
            update institution set synthetic = @synthetic;
            alter table institution enable trigger institution_keeps_its_kind;
            update directory_version set number = number + 1;
            """, new { synthetic });
        await Task.Delay(TimeSpan.FromSeconds(2));
    }

    // what a patient asks for, too
    private async Task Rights(A referral)
    {
        var desk = Referral.As(Alliance.Township, "Registrar", purpose: "PATIENT_REQUEST");
        Tells(await Text(desk, $"/v1/referrals/{referral.Id}/patient-file"), IdNo).Should().BeTrue();
        using var corrected = await Referral.As(Alliance.Township).Command($"/v1/referrals/{referral.Id}/patient-corrections", new { patient = Slip()["patient"] }, "*");
        corrected.IsSuccessStatusCode.Should().BeTrue();
        using var revealed = await Referral.As(Alliance.Tertiary).Command($"/v1/referrals/{referral.Id}/reveal", new { purpose = "Treatment", reason = Words });
        Tells(await revealed.Content.ReadAsStringAsync(), Name).Should().BeTrue();
    }

    // whatever a clumsy program does with what it knows
    private async Task<IReadOnlyList<string>> Clumsy(A referral)
    {
        var answers = new List<string>();
        foreach (var service in Alliance.Services)
            foreach (var path in new[] { $"/v1/referrals/{IdNo}", $"/v1/referrals/{Uri.EscapeDataString(Name)}", $"/v1/bookings?referral={Uri.EscapeDataString(Name)}", $"/v1/events?after={Phone}", $"/{Uri.EscapeDataString(Name)}" })
            {
                using var answer = await service.As(Alliance.OtherTownship).GetAsync(path);
                answers.Add(await answer.Content.ReadAsStringAsync());
            }
        foreach (var body in new[]
        {
            $$$"""{"patient":{"name":"{{{Name}}}","idNo":"{{{IdNo}}}0"}}""",
            $$$"""{"patient":"{{{Name}}}"}""",
            $$$"""{"patient":{"name":"{{{Name}}}","birthDate":"{{{Phone}}}"}}""",
            $$$"""{"patient":{"name":"{{{Name}}}","sex":"{{{Words}}}"},"purposes":["{{{Name}}}"]}""",
            "{\"patient\":{\"name\":\"" + Name + "\"",
        })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/referrals?submit=true") { Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json")) };
            request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
            using var answer = await Referral.As(Alliance.Township).SendAsync(request);
            ((int)answer.StatusCode).Should().Be(400);
            answers.Add(await answer.Content.ReadAsStringAsync());
        }
        // the same again: the duplicate check finds the person
        using var again = await Referral.As(Alliance.Township).Command("/v1/referrals?submit=true", Slip());
        answers.Add(await again.Content.ReadAsStringAsync());
        using var refused = await Referral.As(Alliance.Tertiary).Command($"/v1/referrals/{referral.Id}/accept", new { department = "03.03", ownNo = Words }, "*");
        answers.Add(await refused.Content.ReadAsStringAsync());
        return answers;
    }

    // what the database shows of running statements, looked at again and again
    private async Task<IReadOnlyList<string>> Running(CancellationToken ct)
    {
        var seen = new HashSet<string>();
        await using var super = new NpgsqlConnection(Referral.Database.Super);
        while (!ct.IsCancellationRequested)
        {
            foreach (var query in await super.QueryAsync<string>("select query from pg_stat_activity where query is not null"))
                seen.Add(query);
            await Task.Delay(5, CancellationToken.None);
        }
        return [.. seen];
    }

    private async Task KeepStatements(bool keep)
    {
        await Referral.Database.Execute(keep ? "alter system set shared_preload_libraries = 'pg_stat_statements'" : "alter system reset shared_preload_libraries");
        await Alliance.StopPostgres("fast");
        await Alliance.StartPostgres();
        await Eventually.Is(async () => (await Referral.Health()).Status == 200, "the services found the database again", seconds: 30);
        if (keep)
            await Referral.Database.Execute("create extension if not exists pg_stat_statements");
        else
            await Referral.Database.Execute("drop extension if exists pg_stat_statements");
    }

    private static async Task<IReadOnlyList<string>> Tables(Service service)
    {
        var rows = new List<string>();
        foreach (var table in await service.Database.Query<string>("select tablename::text from pg_tables where schemaname = 'public'"))
            rows.AddRange(await service.Database.Query<string>($"select '{table} ' || to_jsonb(t)::text from {table} t"));
        return rows;
    }

    private static async Task<string> Text(HttpClient client, string path)
    {
        using var answer = await client.GetAsync(path);
        answer.IsSuccessStatusCode.Should().BeTrue("{0} answered {1}", path, answer.StatusCode);
        return await answer.Content.ReadAsStringAsync();
    }

    /// <summary>A gateway for text messages that keeps what it is to say; to whom is its business alone.</summary>
    private sealed class Gateway(WebApplication app) : IAsyncDisposable
    {
        public ConcurrentQueue<string> Texts { get; } = new();
        public string Address => app.Urls.Single();

        public static async Task<Gateway> Open()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Logging.ClearProviders();
            var gateway = new Gateway(builder.Build());
            gateway.Serve();
            await gateway.Start();
            return gateway;
        }

        private Task Start() => app.StartAsync();

        private void Serve() => app.MapPost("/send", async (HttpRequest request) =>
        {
            using var body = await JsonDocument.ParseAsync(request.Body);
            Texts.Enqueue(body.RootElement.GetProperty("text").GetString()!);
            return Results.StatusCode(202);
        });

        public ValueTask DisposeAsync() => app.DisposeAsync();
    }
}
