using System.Globalization;
using System.Net;

namespace NotificationService;

/// <summary>Settings of the webhooks; README.md lists them with their defaults.</summary>
internal sealed record WebhookSettings
{
    /// <summary>Pause before each attempt; as many attempts are made as there are entries.</summary>
    public required IReadOnlyList<TimeSpan> Schedule { get; init; }
    /// <summary>Time for one attempt in all, from the look-up of the name to the status line.</summary>
    public required TimeSpan Timeout { get; init; }
    /// <summary>After this long a message that a crashed worker held is free again; longer than <see cref="Timeout"/>.</summary>
    public required TimeSpan Lease { get; init; }
    /// <summary>An endpoint that has failed for this long is disabled.</summary>
    public required TimeSpan DisableAfter { get; init; }
    /// <summary>Rest for an endpoint after a row of failures; doubles up to twelve times as long.</summary>
    public required TimeSpan Rest { get; init; }
    /// <summary>Attempts under way at once, to all endpoints together and to one of them.</summary>
    public required int Workers { get; init; }
    public required int WorkersPerEndpoint { get; init; }
    /// <summary>Endpoints of one institution.</summary>
    public required int EndpointsPerInstitution { get; init; }
    /// <summary>Delivered messages and their attempts are kept this long.</summary>
    public required TimeSpan KeepDelivered { get; init; }
    /// <summary>Networks webhooks may go to although they are not public, also without https. For development.</summary>
    public required IReadOnlyList<IPNetwork> AllowedAddresses { get; init; }

    public static WebhookSettings From(IConfiguration configuration)
    {
        var section = configuration.GetSection("Webhooks");
        var settings = new WebhookSettings
        {
            Schedule = [.. (section["Schedule"] ?? "0s 5s 5m 30m 2h 5h 10h 14h 20h 24h").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Pause)],
            Timeout = section.GetValue("Timeout", TimeSpan.FromSeconds(15)),
            Lease = section.GetValue("Lease", TimeSpan.FromSeconds(25)),
            DisableAfter = section.GetValue("DisableAfter", TimeSpan.FromDays(5)),
            Rest = section.GetValue("Rest", TimeSpan.FromSeconds(5)),
            Workers = section.GetValue("Workers", 256),
            WorkersPerEndpoint = section.GetValue("WorkersPerEndpoint", 16),
            EndpointsPerInstitution = section.GetValue("EndpointsPerInstitution", 50),
            KeepDelivered = section.GetValue("KeepDelivered", TimeSpan.FromDays(90)),
            AllowedAddresses = [.. (section.GetSection("AllowedAddresses").Get<string[]>() ?? []).Select(Network)],
        };
        if (settings.Schedule.Count == 0)
            throw new InvalidOperationException("Webhooks:Schedule is empty: it needs at least one pause, e.g. '0s 5s 5m'.");
        if (settings.Lease <= settings.Timeout)
            throw new InvalidOperationException("Webhooks:Lease must be longer than Webhooks:Timeout, or a slow attempt is made twice at once.");
        return settings;
    }

    private static TimeSpan Pause(string text)
    {
        if (text.Length > 1 && double.TryParse(text.AsSpan(..^1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var count))
            switch (text[^1])
            {
                case 's': return TimeSpan.FromSeconds(count);
                case 'm': return TimeSpan.FromMinutes(count);
                case 'h': return TimeSpan.FromHours(count);
            }
        throw new InvalidOperationException($"Webhooks:Schedule: '{text}' is not a pause such as 5s, 30m or 2h.");
    }

    private static IPNetwork Network(string text) => IPNetwork.TryParse(text, out var network)
        ? network
        : throw new InvalidOperationException($"Webhooks:AllowedAddresses: '{text}' is not a network such as 127.0.0.1/32.");
}
