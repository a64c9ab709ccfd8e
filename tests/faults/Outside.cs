using System.Text.RegularExpressions;
using Deployed;

namespace Faults;

/// <summary>The partners of an alliance: systems of both institutions that take webhooks, and somebody who listens at the broker.</summary>
internal sealed class Outside : IAsyncDisposable
{
    public const string Hospital = "/hospital", Clinic = "/clinic";

    private readonly Alliance _alliance;
    private readonly Dictionary<Service, int> _read = [];
    private Wire? _bookings;

    private Outside(Alliance alliance, Receiver receiver) => (_alliance, Receiver) = (alliance, receiver);

    public Receiver Receiver { get; }

    public static async Task<Outside> Of(Alliance alliance)
    {
        var outside = new Outside(alliance, await Receiver.Open());
        await outside.Receiver.Subscribe(alliance, Alliance.Tertiary, Hospital);
        await outside.Receiver.Subscribe(alliance, Alliance.Township, Clinic);
        return outside;
    }

    /// <summary>Forgets what came before this case.</summary>
    public async Task Begin()
    {
        Receiver.Answers = 200;
        Receiver.Clear();
        foreach (var service in _alliance.Services)
            _read[service] = service.Log.Count;
        if (_bookings is not null)
            await _bookings.DisposeAsync();
        _bookings = await Wire.Listen(_alliance.RabbitMq, "scheduling-events");
    }

    /// <summary>Where a patient's value was found although nobody outside may see it (I8).</summary>
    public async Task<IReadOnlyList<string>> Leaks()
    {
        var marks = new Regex(Patients.Marks);
        var leaks = new List<string>();
        void Look(string where, IEnumerable<string> texts)
        {
            if (texts.Count(t => marks.IsMatch(t)) is > 0 and var hits)
                leaks.Add($"{hits} times in {where}");
        }
        foreach (var service in _alliance.Services)
        {
            Look($"the log of {service.Name}", service.Log.Skip(_read.GetValueOrDefault(service)));
            if (service.Runs && await Metrics(service) is { } metrics)
                Look($"the metrics of {service.Name}", [metrics]);
        }
        Look("webhooks", Receiver.Received.Select(w => w.Body));
        Look("scheduling's events", _bookings?.All.Select(h => System.Text.Encoding.UTF8.GetString(h.Body)) ?? []);
        foreach (var (service, table, text) in new[]
        {
            (_alliance.Notification, "event", "body"), (_alliance.Notification, "attempt", "answer"), (_alliance.Referral, "outbox", "body"),
            (_alliance.Referral, "audit", "t::text"), (_alliance.Referral, "idempotency_key", "body"), (_alliance.Referral, "history", "t::text"),
        })
            if (await Scene.Count(service, $"select count(*) from {table} t where {text} ~ @marks", new { marks = Patients.Marks }) is > 0 and var rows)
                leaks.Add($"{rows} times in the table {table} of {service.Name}");
        return leaks;
    }

    private static async Task<string?> Metrics(Service service)
    {
        using var client = service.Anonymous();
        using var answer = await client.GetAsync("/metrics");
        return answer.IsSuccessStatusCode ? await answer.Content.ReadAsStringAsync() : null;
    }

    public async ValueTask DisposeAsync()
    {
        if (_bookings is not null)
            await _bookings.DisposeAsync();
        await Receiver.DisposeAsync();
    }
}
