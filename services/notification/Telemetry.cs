using System.Diagnostics.Metrics;

namespace NotificationService;

/// <summary>What this service counts. Judging the figures is for the alerts of whoever reads them.</summary>
internal sealed class Telemetry
{
    private readonly Counter<long> _irregular;
    private readonly Counter<long> _logged;
    private readonly Counter<long> _attempts;

    public Telemetry(IMeterFactory meters)
    {
        var meter = meters.Create("Referral.Notification");
        _logged = meter.CreateCounter<long>("notification_events_logged", description: "Events that got their place in the log.");
        _irregular = meter.CreateCounter<long>("notification_events_irregular", description: "Events let through although an earlier one is missing (gap), or told after a later one (late).");
        _attempts = meter.CreateCounter<long>("notification_attempts", description: "Webhook requests by outcome.");
    }

    public void Logged(int count) => _logged.Add(count);

    public void Irregular(Irregular kind) => _irregular.Add(1, new KeyValuePair<string, object?>("kind", kind.ToString()));

    public void Attempted(string outcome) => _attempts.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
}
