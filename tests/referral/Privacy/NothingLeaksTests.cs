using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ReferralService.Alliances;
using ReferralService.Indicators;
using ReferralService.Tests.Indicators;
using TestKit;
using Xunit;
using static TestKit.KnownPatient;

namespace ReferralService.Tests.Privacy;

/// <summary>
/// Patients with known values go through every kind of life, up and down; afterwards they stand in no log, trace, metric,
/// message, notice, list or problem, and in the tables only sealed. What a table held for a moment counts as well.
/// </summary>
public sealed class NothingLeaksTests(NothingLeaksTests.Watched host) : IClassFixture<NothingLeaksTests.Watched>
{
    /// <summary>A host whose log and traces are kept, and whose patients are told what concerns them.</summary>
    public sealed class Watched : ReferralHost
    {
        public Watched() : base(new Dictionary<string, string> { ["Notices:PublicKeyFile"] = KeyFile() })
        {
        }

        private static string KeyFile()
        {
            var file = Path.GetTempFileName();
            using var key = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
            File.WriteAllText(file, key.ExportSubjectPublicKeyInfoPem());
            return file;
        }
    }

    private sealed class Kept : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull
        {
            Lines.Enqueue("scope " + state);
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Lines.Enqueue(formatter(state, exception) + exception);
            if (state is IEnumerable<KeyValuePair<string, object?>> values)
                Lines.Enqueue(string.Join(' ', values.Select(v => $"{v.Key}={v.Value}")));
        }

        public void Dispose()
        {
        }
    }

    private static string Written(Activity a) => string.Join(' ',
    [
        a.Source.Name, a.OperationName, a.DisplayName, a.StatusDescription, a.TraceStateString,
        .. a.TagObjects.Concat(a.Baggage.Select(b => new KeyValuePair<string, object?>(b.Key, b.Value))).Select(t => $"{t.Key}={t.Value}"),
        .. a.Events.SelectMany(e => e.Tags.Select(t => $"{e.Name} {t.Key}={t.Value}")),
    ]);

    private static void Secret(JsonObject slip)
    {
        KnownPatient.PutInto(slip);
        slip["confirmDuplicate"] = true;
    }

    private Task<A> Sent(string kind, Action<JsonObject>? change = null, string receiver = ReferralHost.Tertiary) => A.Submitted(host, slip =>
    {
        Secret(slip);
        slip["kind"] = kind;
        change?.Invoke(slip);
    }, receiver);

    private static object Linked(string to)
    {
        var slip = A.UpwardSlip(to, s => s["presentIllness"] = Words);
        slip.Remove("patient");
        slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
        return new { slip };
    }

    [Fact]
    public async Task No_life_of_any_kind_leaves_a_value_of_the_patient_anywhere_it_can_be_read()
    {
        using var log = new Kept();
        host.Services.GetRequiredService<ILoggerFactory>().AddProvider(log);
        var spans = new ConcurrentQueue<string>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = _ => true, Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = a => spans.Enqueue(Written(a)),
        };
        ActivitySource.AddActivityListener(listener);
        // messages leave their tables within a moment: a copy of each stays here
        await host.Database.Execute("""
            create table kept (place text, content text);
            create function keep() returns trigger language plpgsql security definer set search_path = public as $$
            begin
                insert into kept values (tg_table_name, to_jsonb(new)::text);
                return new;
            end $$;
            create trigger keep after insert or update on outbox for each row execute function keep();
            create trigger keep after insert or update on inbox for each row execute function keep();
            create trigger keep after insert or update on idempotency_key for each row execute function keep();
            """);
        // patients of a sandbox are told nothing
        await host.Database.Execute(ReferralHost.BecomesAtOnce("false"));
        await host.Services.GetRequiredService<AllianceDirectory>().Refresh();

        var answers = new List<string>();
        var lives = await Lives();
        await Glass(lives[0], answers);
        await Rights(lives, answers);
        await Clumsy(lives[0], answers);
        await host.Services.GetRequiredService<MeasureReferrals>().Counted(0);
        await Eventually.Is(async () => (await host.Database.Query<long>("select count(*) from outbox")).Single() == 0, "everything is told", seconds: 60);

        // the values are there for those who may see them, or this would find nothing anywhere
        Tells(await host.As(ReferralHost.Township).GetStringAsync($"/v1/referrals/{lives[0].Id}"), IdNo).Should().BeTrue();
        Tells(await host.As(ReferralHost.Township).GetStringAsync($"/v1/referrals/{lives[0].Id}/timeline"), Words).Should().BeTrue();
        var messages = await host.Database.Query<(string Place, string Content)>("select place, content from kept");
        messages.Select(m => m.Place).Distinct().Should().BeEquivalentTo("outbox", "inbox", "idempotency_key");
        messages.Should().Contain(m => m.Content.Contains("notice", StringComparison.Ordinal), "patients are told");
        foreach (var direction in new[] { "referral.up.", "referral.down." })
            messages.Should().Contain(m => m.Content.Contains(direction, StringComparison.Ordinal));
        spans.Should().Contain(s => s.StartsWith("Npgsql", StringComparison.Ordinal)).And.Contain(s => s.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal))
            .And.Contain(s => s.StartsWith("MassTransit", StringComparison.Ordinal));

        var places = new Dictionary<string, IReadOnlyCollection<string>>
        {
            ["the log"] = log.Lines, ["traces"] = spans, ["problems and answers"] = answers, ["messages"] = [.. messages.Select(m => m.Place + " " + m.Content)],
            ["metrics"] = [await host.Anonymous().GetStringAsync("/metrics")],
            ["lists"] =
            [
                await host.As(ReferralHost.Township).GetStringAsync("/v1/referrals?limit=100"), await host.As(ReferralHost.Tertiary).GetStringAsync("/v1/referrals?limit=100"),
                await host.As(ReferralHost.Township).GetStringAsync("/v1/complaints"), await host.As(ReferralHost.Township, "Auditor").GetStringAsync($"/v1/audit?referral={lives[0].Id}"),
            ],
        };
        foreach (var table in await host.Database.Query<string>("select tablename::text from pg_tables where schemaname = 'public'"))
            if (await host.Database.Query<string>($"select to_jsonb(t)::text from \"{table}\" t") is { Count: > 0 } rows)
                places["the table " + table] = rows.ToArray();
        foreach (var (place, texts) in places)
        {
            texts.Should().NotBeEmpty(place);
            foreach (var secret in Secrets)
                texts.Where(t => Tells(t, secret)).Select(t => t[..Math.Min(t.Length, 300)]).Should().BeEmpty("{0} must not hold {1}", place, secret);
        }
    }

    private async Task<List<A>> Lives()
    {
        // up, asked about, sent on, cancelled
        var asked = await (await Sent("OutpatientTransfer")).Does("claim");
        await asked.Does("request-information", new { reason = "OTHER", text = Words });
        await asked.Does("supply-information", new { text = Words });
        await asked.Does("note", new { text = Words });
        await asked.Does("attach", new { title = Words, recognised = false, reference = "urn:x" });
        await asked.Tries("redirect", new { institution = ReferralHost.County, department = "03.03", reason = "OTHER", text = Words, patientAgrees = true });
        asked = await asked.NowAt(ReferralHost.County);
        await asked.Does("accept", new { department = "03.03" });
        await asked.Booked();
        await asked.Does("request-cancellation", new { reason = "OTHER", text = Words });
        await asked.Does("confirm-cancellation");
        await asked.Does("addendum", new { text = Words });

        // refused, and referred again; marked in error
        var refused = await (await Sent("InpatientTransfer")).Does("decline", new { reason = "OTHER", text = Words });
        await refused.Tries("refer-again", new { institution = ReferralHost.County, department = "03.03", patientAgrees = true });
        await refused.Does("mark-in-error", new { text = Words });

        // an emergency, back down twice, followed up and not reached, up again
        var emergency = await Sent("InpatientTransfer", slip => (slip["priority"], slip["greenChannel"]) = ("Emergency", "Stroke"));
        await emergency.Does("acknowledge");
        await emergency.Does("arrive", new { });
        await emergency.Does("start-treatment");
        await emergency.Does("interim-note", new { text = Words });
        await emergency.Does("complete-treatment", new { diagnosisResult = Words, mainResults = Words, treatmentCourse = Words, nextPlan = Words, rehabEligible = true });
        void Back(JsonObject slip) => (slip["diagnosisResult"], slip["treatmentCourse"], slip["rehabAdvice"]) = (Words, Words, Words);
        await (await emergency.Returned(Back)).Does("decline", new { reason = "OTHER", text = Words });
        await emergency.Look();
        var down = await (await emergency.Returned(Back)).Does("accept", new { department = "02" });
        await down.Does("arrive", new { identifiedBy = "Slip" });
        for (var i = 0; i < 3; i++)
            await down.Does("follow-up", new { way = "Phone", text = Words, unreachable = true });
        await down.Does("follow-up", new { way = "Home", text = Words });
        await down.Does("adjust-plan", new { text = Words });
        await down.Tries("re-refer", Linked(ReferralHost.County));
        await down.Look(down.Receiver);
        await down.Does("finish", new { text = Words });
        await down.Does("rate", new { rating = 4, text = Words });

        // the kinds without a bed
        var examination = await (await Sent("Examination")).Does("accept", new { department = "03.03" });
        await examination.Does("arrive");
        await examination.Does("report", new { text = Words });
        var reading = await (await Sent("DiagnosticReading")).Does("claim");
        await reading.Does("report", new { text = Words, critical = true });
        var advice = await (await Sent("Advice")).Does("claim");
        await advice.Does("advise", new { reason = "OTHER", text = Words });
        var consultation = await (await Sent("Teleconsultation")).Does("accept", new { department = "03.03" });
        await consultation.Does("arrive");
        await consultation.Creates("convert", new { kind = "OutpatientTransfer", department = "03.03", text = Words });
        var closed = await (await Sent("OutpatientTransfer")).Does("close", new { reason = "OTHER", text = Words });
        var withdrawn = await (await Sent("OutpatientTransfer")).Does("cancel", new { reason = "OTHER", text = Words });
        var onward = await (await Sent("InpatientTransfer", receiver: ReferralHost.County)).Does("accept", new { department = "03.03" });
        await onward.Does("arrive");
        await onward.Tries("refer-onward", Linked(ReferralHost.Tertiary));
        return [asked, refused, emergency, down, examination, reading, advice, consultation, closed, withdrawn, onward];
    }

    // a complaint with its answer, and a broken glass with its judgement
    private async Task Glass(A referral, List<string> answers)
    {
        var filed = await host.As(ReferralHost.Township).Command($"/v1/referrals/{referral.Id}/complaints", new { about = "Delay", against = ReferralHost.County, text = Words });
        filed.StatusCode.Should().Be(HttpStatusCode.Created);
        var no = (await filed.Json()).GetProperty("no").GetString();
        answers.Add(await filed.Content.ReadAsStringAsync());
        (await host.As(ReferralHost.County, "Head").Command($"/v1/complaints/{no}/answer", new { text = Words }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        var broken = await host.As(ReferralHost.Tertiary, subject: "dr-leak").Command($"/v1/referrals/{referral.Id}/break-glass", new { reason = "EmergencyCare", text = Words + "，患者昏迷送至我院急诊" });
        answers.Add(await broken.Content.ReadAsStringAsync());
        foreach (var report in new[] { ReferralHost.Tertiary, ReferralHost.Township })
            await host.As(report, "Head").GetStringAsync("/v1/broken-glass");
    }

    private async Task Rights(IReadOnlyList<A> lives, List<string> answers)
    {
        Tells(await host.As(ReferralHost.Township, "Registrar", purpose: "PATIENT_REQUEST").GetStringAsync($"/v1/referrals/{lives[0].Id}/patient-file"), IdNo).Should().BeTrue();
        var patient = KnownPatient.Identity(Street + "甲");
        foreach (var (verb, role, body) in new (string, string, object)[]
        {
            ("patient-corrections", "Clinician", new { patient }), ("patient-restriction", "Head", new { restricted = true }),
            ("patient-restriction", "Head", new { restricted = false }), ("patient-erasure", "Head", new { confirm = lives[0].No }),
        })
        {
            var answer = await host.As(ReferralHost.Township, role).Command($"/v1/referrals/{lives[0].Id}/{verb}", body, verb == "patient-corrections" ? "*" : null);
            ((int)answer.StatusCode).Should().BeOneOf([200, 422], await answer.Content.ReadAsStringAsync());
            answers.Add(await answer.Content.ReadAsStringAsync());
        }
        (await host.As(ReferralHost.Tertiary).Command($"/v1/referrals/{lives[4].Id}/reveal", new { purpose = "Treatment", reason = Words })).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    // every operation that takes a body is given the values where none of them belongs
    private async Task Clumsy(A referral, List<string> answers)
    {
        var refused = 0;
        foreach (var operation in Operation.Of("referral").Where(o => o is { TakesBody: true, NeedsToken: true, MediaType: "application/json" } && o.Path.StartsWith("/v1/referral", StringComparison.Ordinal)))
        {
            var example = operation.Example is { } given ? JsonNode.Parse(given)!.AsObject() : [];
            var bodies = example.Select(m => m.Key).Select(member =>
            {
                var wrong = example.DeepClone().AsObject();
                wrong[member] = new JsonObject { [Name] = IdNo, ["text"] = Words };
                return wrong.ToJsonString();
            }).Append(new JsonObject { [Name] = Phone }.ToJsonString()).Append($"{{\"{Name}\":\"{IdNo}").Append($"\"{Words}\"");
            foreach (var body in bodies)
            {
                using var answer = await host.As(A.By(operation.Verb).BySender ? ReferralHost.Township : ReferralHost.Tertiary, A.By(operation.Verb).Role)
                    .SendAsync(operation.Request([referral.Id.ToString(), Guid.NewGuid().ToString()], body: body));
                ((int)answer.StatusCode).Should().BeInRange(400, 499, "{0} was given {1}", operation, body);
                answers.Add(await answer.Content.ReadAsStringAsync());
                refused++;
            }
        }
        refused.Should().BeGreaterThan(100);
        // the same person again without a word that it is known, and a slip that breaks a rule
        foreach (var change in new Action<JsonObject>[]
        {
            slip => slip.Remove("confirmDuplicate"), slip => slip["to"] = new JsonObject { ["institution"] = Name }, slip => slip["patient"]!["idNo"] = IdNo[..17] + "0",
            slip => slip["purposes"] = new JsonArray(Name), slip => slip["patient"]!["sex"] = Name, slip => slip["diagnosis"] = new JsonObject { ["code"] = Words },
        })
        {
            var slip = A.UpwardSlip();
            Secret(slip);
            change(slip);
            using var answer = await host.As(ReferralHost.Township).Command("/v1/referrals?submit=true", slip);
            answers.Add(await answer.Content.ReadAsStringAsync());
        }
    }
}
