using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace ServiceDefaults.Telemetry;

/// <summary>
/// Adds up what the meters of this process measure and writes it as Prometheus text. A label is a route's pattern, a
/// status, a kind: never an id, an institution or anything a person could be known by.
/// </summary>
public sealed class Metrics : IDisposable
{
    private static readonly string[] Meters = ["Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "Npgsql", "MassTransit"];
    private const string Ours = "Referral.";

    private static readonly Dictionary<string, string> Labels = new()
    {
        ["http.route"] = "route", ["http.request.method"] = "method", ["http.response.status_code"] = "status",
        ["messaging.masstransit.consumer_type"] = "consumer", ["state"] = "state", ["kind"] = "kind", ["outcome"] = "outcome",
        ["gc.heap.generation"] = "generation", ["dotnet.gc.heap.generation"] = "generation", ["cpu.mode"] = "mode",
        ["db.client.connection.state"] = "state",
    };

    // seconds; the bars of a fast answer and of one that a person waits for
    private static readonly double[] Bounds = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
    // more series than this of one instrument would mean that something unbounded became a label
    private const int MostSeries = 500;

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<Instrument, Family> _families = new();

    public Metrics()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (Meters.Contains(instrument.Meter.Name) || instrument.Meter.Name.StartsWith(Ours, StringComparison.Ordinal))
                listener.EnableMeasurementEvents(instrument, _families.GetOrAdd(instrument, Family.Of));
        };
        _listener.SetMeasurementEventCallback<double>(Record);
        _listener.SetMeasurementEventCallback<float>((i, v, tags, state) => Record(i, v, tags, state));
        _listener.SetMeasurementEventCallback<long>((i, v, tags, state) => Record(i, v, tags, state));
        _listener.SetMeasurementEventCallback<int>((i, v, tags, state) => Record(i, v, tags, state));
        _listener.SetMeasurementEventCallback<short>((i, v, tags, state) => Record(i, v, tags, state));
        _listener.SetMeasurementEventCallback<byte>((i, v, tags, state) => Record(i, v, tags, state));
        _listener.Start();
    }

    private static void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state) =>
        ((Family)state!).Record(value, LabelsOf(tags));

    /// <summary>Everything measured so far, in the text format that Prometheus scrapes.</summary>
    public string Write()
    {
        _listener.RecordObservableInstruments();
        var text = new StringBuilder();
        foreach (var family in _families.Values.GroupBy(f => f.Name).OrderBy(g => g.Key, StringComparer.Ordinal))
            Family.Write(text, [.. family]);
        return text.ToString();
    }

    public void Dispose() => _listener.Dispose();

    private static string LabelsOf(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = new List<string>(tags.Length);
        foreach (var (key, value) in tags)
            if (Labels.TryGetValue(key, out var label) && value is not null)
                labels.Add($"{label}=\"{Escape(Convert.ToString(value, CultureInfo.InvariantCulture)!)}\"");
        labels.Sort(StringComparer.Ordinal);
        return string.Join(',', labels);
    }

    private static string Escape(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    internal static string Number(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        double.NaN => "NaN",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    private enum Type { Counter, Gauge, Histogram }

    private sealed class Family(string name, string? help, Type type, bool isTotal)
    {
        private readonly ConcurrentDictionary<string, Series> _series = new(StringComparer.Ordinal);

        public string Name => name;

        public static Family Of(Instrument instrument)
        {
            var generic = instrument.GetType().GetGenericTypeDefinition();
            var type = generic == typeof(Histogram<>) ? Type.Histogram
                : generic == typeof(Counter<>) || generic == typeof(ObservableCounter<>) ? Type.Counter : Type.Gauge;
            var name = new StringBuilder();
            foreach (var letter in instrument.Name)
                name.Append(char.IsAsciiLetterOrDigit(letter) ? char.ToLowerInvariant(letter) : '_');
            if (instrument.Unit is "s")
                name.Append("_seconds");
            else if (instrument.Unit is "By")
                name.Append("_bytes");
            if (type == Type.Counter)
                name.Append("_total");
            // Prometheus keeps this ending for histograms
            else if (type == Type.Gauge && instrument.Name.EndsWith("count", StringComparison.Ordinal))
                name.Replace("_count", "_number", name.Length - 6, 6);
            // an observable one tells its state, the others tell a change of it
            return new(name.ToString(), instrument.Description, type, isTotal: instrument.IsObservable || generic == typeof(Gauge<>));
        }

        public void Record(double value, string labels)
        {
            if (_series.Count >= MostSeries && !_series.ContainsKey(labels))
                return;
            _series.GetOrAdd(labels, _ => new(type == Type.Histogram)).Record(value, isTotal);
        }

        // meters of the same name are told together: a name appears once
        public static void Write(StringBuilder text, IReadOnlyList<Family> families)
        {
            var (name, first) = (families[0].Name, families[0]);
            var series = families.SelectMany(f => f._series).GroupBy(s => s.Key).OrderBy(g => g.Key, StringComparer.Ordinal).ToArray();
            if (series.Length == 0)
                return;
            first.WriteHead(text);
            foreach (var group in series)
                group.Last().Value.Write(text, name, group.Key);
        }

        private void WriteHead(StringBuilder text)
        {
            if (help is not null)
                text.Append($"# HELP {name} {help.Replace("\\", "\\\\", StringComparison.Ordinal).ReplaceLineEndings(" ")}\n");
            text.Append($"# TYPE {name} {type.ToString().ToLowerInvariant()}\n");
        }
    }

    private sealed class Series(bool isHistogram)
    {
        private readonly Lock _lock = new();
        private readonly long[]? _buckets = isHistogram ? new long[Bounds.Length + 1] : null;
        private double _sum;
        private long _count;

        public void Record(double value, bool isTotal)
        {
            lock (_lock)
            {
                _sum = isTotal ? value : _sum + value;
                if (_buckets is null)
                    return;
                _count++;
                var at = Array.FindIndex(Bounds, bound => value <= bound);
                _buckets[at < 0 ? Bounds.Length : at]++;
            }
        }

        public void Write(StringBuilder text, string name, string labels)
        {
            lock (_lock)
            {
                if (_buckets is null)
                {
                    text.Append($"{name}{Braces(labels)} {Number(_sum)}\n");
                    return;
                }
                var below = 0L;
                for (var i = 0; i <= Bounds.Length; i++)
                {
                    below += _buckets[i];
                    var bound = i < Bounds.Length ? Number(Bounds[i]) : "+Inf";
                    text.Append($"{name}_bucket{Braces($"{labels}{(labels.Length > 0 ? "," : "")}le=\"{bound}\"")} {below}\n");
                }
                text.Append($"{name}_sum{Braces(labels)} {Number(_sum)}\n{name}_count{Braces(labels)} {_count}\n");
            }
        }

        private static string Braces(string labels) => labels.Length == 0 ? "" : $"{{{labels}}}";
    }
}
