using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Deployed;
using TestKit;

namespace Load;

/// <summary>What people and their systems do all day, each a closed loop of clients over HTTP.</summary>
internal sealed class Steps(Alliance alliance) : IAsyncDisposable
{
    private readonly ConcurrentQueue<Guid> _submitted = new();
    private Guid _accepted;
    private readonly HttpClient _township = alliance.Referral.As(Alliance.Township);
    private readonly HttpClient _hospital = alliance.Referral.As(Alliance.Tertiary);
    private readonly Bookings _bookings = new(alliance);

    /// <summary>Places for every patient of a run: the waiting list is not what is measured.</summary>
    public async Task Supply()
    {
        await _bookings.Listen();
        await Publish(Alliance.Tertiary, "03.03", "Slot");
        await Publish(Alliance.Township, "02", "Visit");

        async Task Publish(string institution, string department, string resource)
        {
            using var answer = await alliance.Scheduling.As(institution, "Registrar").Command("/v1/slots", new
            {
                slots = Enumerable.Range(0, 100).Select(n => new
                {
                    department, resource, capacity = 1000,
                    startsAt = DateTimeOffset.UtcNow.AddDays(2).AddMinutes(30 * n), endsAt = DateTimeOffset.UtcNow.AddDays(2).AddMinutes(30 * n + 30),
                }),
            });
            await Good(answer);
        }
    }

    /// <summary>A referral that stands submitted, for steps that read.</summary>
    public async Task<Guid> One() => _submitted.TryPeek(out var id) ? id : await SubmitOne();

    public Task<Result> Submit(int clients, int seconds) => Closed.Loop($"submit; {clients} clients", clients, seconds, async () =>
    {
        _submitted.Enqueue(await SubmitOne());
        return true;
    });

    public Task<Result> Accept(int clients, int seconds) => Closed.Loop($"accept; {clients} clients", clients, seconds, async () =>
    {
        if (!_submitted.TryDequeue(out var id))
            return false;
        await Move(_hospital, id, "accept");
        _accepted = id;
        return true;
    });

    /// <summary>Enough submitted ones for the steps that accept them.</summary>
    public async Task Stock(int count)
    {
        while (_submitted.Count < count)
            await Closed.Loop("stock", 16, 600, async () =>
            {
                if (_submitted.Count >= count)
                    return false;
                _submitted.Enqueue(await SubmitOne());
                return true;
            });
    }

    /// <summary>From the hospital's click to the place in scheduling and back: two services, four hops.</summary>
    public Task<Result> AcceptToScheduled(int clients, int seconds) => Closed.Loop($"accept to scheduled, two services; {clients} clients", clients, seconds, async () =>
    {
        if (!_submitted.TryDequeue(out var id))
            return false;
        await Move(_hospital, id, "accept");
        await _bookings.Of(id);
        return true;
    });

    /// <summary>Until scheduling has booked what the steps before accepted: the next step starts with empty queues.</summary>
    public Task Drained() => _accepted == default ? Task.CompletedTask : _bookings.Of(_accepted);

    public Task<Result> Worklist(int clients, int seconds) => Closed.Loop($"worklist of 20, masked; {clients} clients", clients, seconds, async () =>
    {
        using var answer = await _hospital.GetAsync("/v1/referrals?as=receiver&open=true&limit=20");
        await Good(answer);
        return true;
    });

    /// <param name="purpose">TREATMENT opens slip and patient and writes an audit row.</param>
    public Task<Result> Detail(string name, Guid id, string purpose, int seconds)
    {
        var client = alliance.Referral.As(Alliance.Tertiary, purpose: purpose);
        return Closed.Loop($"{name}; 8 clients", 8, seconds, async () =>
        {
            using var answer = await client.GetAsync($"/v1/referrals/{id}");
            await Good(answer);
            return true;
        });
    }

    /// <summary>Up, booked by scheduling, treated, returned, booked again, followed up, finished: fourteen moves over HTTP.</summary>
    public Task<Result> Loops(int clients, int seconds) => Closed.Loop($"full loop up and back; {clients} clients", clients, seconds, async () =>
    {
        var up = await SubmitOne();
        await Move(_hospital, up, "claim");
        await Move(_hospital, up, "accept");
        await _bookings.Of(up);
        await Move(_township, up, "dispatch");
        await Move(_hospital, up, "arrive", new { identifiedBy = "IdCard" });
        await Move(_hospital, up, "start-treatment", new { visitNo = "V1" });
        await Move(_hospital, up, "complete-treatment", new { diagnosisResult = "脑梗死", treatmentCourse = "溶栓", rehabEligible = true });
        var returned = await Move(_hospital, up, "return", new
        {
            slip = new
            {
                kind = "RehabReturn", patientClass = "ChronicStable", diagnosisResult = "脑梗死恢复期", treatmentCourse = "溶栓",
                nextPlan = "继续二级预防", referrer = new { doctor = "dr-0001" },
            },
        });
        var down = returned.GetProperty("linked")[0].GetProperty("id").GetGuid();
        await Move(_township, down, "accept", new { department = "02" });
        await _bookings.Of(down);
        await Move(_hospital, down, "dispatch");
        await Move(_township, down, "arrive", new { identifiedBy = "Slip" });
        await Move(_township, down, "follow-up", new { way = "Home", text = "恢复良好" });
        await Move(_township, down, "finish", new { text = "生活自理" });
        return true;
    });

    public ValueTask DisposeAsync() => _bookings.DisposeAsync();

    private Task<Guid> SubmitOne() => Submission(_township);

    /// <summary>A slip of the township as its doctor fills it.</summary>
    public static async Task<Guid> Submission(HttpClient township)
    {
        using var answer = await township.Command("/v1/referrals?submit=true", new
        {
            patient = new { name = "负载" + Random.Shared.Next(1000, 9999), sex = "1", age = 60, phone = "13800001234", address = "演示" },
            to = new { institution = Alliance.Tertiary, department = "03.03" },
            impression = "高血压3级 脑卒中？", presentIllness = "突发右侧肢体无力2小时", pastHistory = "高血压10年",
            treatmentSoFar = "监测血压", referrer = new { doctor = "dr-0103", phone = "13800005678" },
        });
        return (await Good(answer)).GetProperty("id").GetGuid();
    }

    private static async Task<JsonElement> Move(HttpClient who, Guid id, string verb, object? body = null)
    {
        using var answer = await who.Command($"/v1/referrals/{id}/{verb}", body, ifMatch: "*");
        return await Good(answer);
    }

    public static async Task<JsonElement> Good(HttpResponseMessage answer)
    {
        var body = await answer.Content.ReadAsStringAsync();
        return answer.IsSuccessStatusCode
            ? JsonSerializer.Deserialize<JsonElement>(body)
            : throw new InvalidOperationException($"{(int)answer.StatusCode} {body}");
    }
}
