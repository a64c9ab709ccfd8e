using System.Text;
using System.Text.Json.Nodes;

namespace Contracts.Tests;

/// <summary>What receivers may rely on: of each event its members, with type, known values and whether they are always there.</summary>
internal sealed class Promised
{
    private const string Heading = """
        # What receivers of events may rely on, as it was accepted: ! is always there, {…} are the values known so far.
        # Lines and values are only ever added: REFERRAL_ACCEPT=1 tests/run contracts. What must change otherwise gets a
        # new event, or a new version of its schema beside the old one.

        """;

    private sealed record Member(string Type, bool Always, IReadOnlyList<string> Values);

    private readonly SortedDictionary<string, SortedDictionary<string, Member>> _events = new(StringComparer.Ordinal);

    /// <summary>What the schemas of today promise.</summary>
    public static Promised Of(IEnumerable<(string Name, JsonObject Schema)> schemas)
    {
        var promised = new Promised();
        foreach (var (name, schema) in schemas)
            Walk(schema, "", promised._events[name] = new(StringComparer.Ordinal));
        return promised;
    }

    private static void Walk(JsonObject schema, string path, SortedDictionary<string, Member> members)
    {
        var required = schema["required"]?.AsArray().Select(r => r!.GetValue<string>()).ToHashSet() ?? [];
        foreach (var (name, value) in schema["properties"]?.AsObject() ?? [])
        {
            var (member, at) = (value!.AsObject(), path + name);
            members[at] = new(TypeOf(member), required.Contains(name), ValuesOf(member["items"]?.AsObject() ?? member));
            Walk(member, at + ".", members);
            if (member["items"] is JsonObject item)
                Walk(item, at + "[].", members);
        }
    }

    private static string TypeOf(JsonObject member)
    {
        var type = member["type"]!.GetValue<string>() + (member["format"] is { } format ? ":" + format.GetValue<string>() : "");
        return member["items"] is JsonObject item ? $"{type}({TypeOf(item)})" : type;
    }

    private static string[] ValuesOf(JsonObject member) => member["const"] is { } only ? [only.GetValue<string>()]
        : [.. (member["enum"]?.AsArray() ?? []).Select(v => v!.GetValue<string>()).Order(StringComparer.Ordinal)];

    /// <summary>Reads what <see cref="ToString"/> wrote.</summary>
    public static Promised Read(string text)
    {
        var promised = new Promised();
        SortedDictionary<string, Member>? members = null;
        foreach (var line in text.Split('\n').Where(l => l.Length > 0 && !l.StartsWith('#')))
        {
            if (!line.StartsWith(' '))
            {
                promised._events[line] = members = new(StringComparer.Ordinal);
                continue;
            }
            var parts = line.Trim().Split(' ', 3);
            members![parts[0].TrimEnd('!')] = new(parts[1], parts[0].EndsWith('!'), parts.Length == 3 ? parts[2].Trim('{', '}').Split('|') : []);
        }
        return promised;
    }

    /// <summary>What was promised and is not kept any more; empty when everything is.</summary>
    public IReadOnlyList<string> BrokenBy(Promised now)
    {
        var broken = new List<string>();
        foreach (var (name, members) in _events)
        {
            if (!now._events.TryGetValue(name, out var today))
            {
                broken.Add($"{name} is not said any more");
                continue;
            }
            foreach (var (at, member) in members)
                if (!today.TryGetValue(at, out var kept))
                    broken.Add($"{name} lost {at}");
                else if (kept.Type != member.Type)
                    broken.Add($"{name} says {at} as {kept.Type}, not {member.Type}");
                else if (member.Always && !kept.Always)
                    broken.Add($"{name} may come without {at}");
                else if (kept.Values.Count > 0 && member.Values.Except(kept.Values).ToArray() is { Length: > 0 } gone)
                    broken.Add($"{name} lost the values {string.Join(", ", gone)} of {at}");
        }
        return broken;
    }

    /// <summary>Both together: nothing that was promised goes away.</summary>
    public Promised And(Promised more)
    {
        var both = Read(ToString());
        foreach (var (name, members) in more._events)
        {
            if (!both._events.TryGetValue(name, out var known))
                both._events[name] = known = new(StringComparer.Ordinal);
            foreach (var (at, member) in members)
                known[at] = known.TryGetValue(at, out var before)
                    ? before with { Always = before.Always || member.Always, Values = [.. before.Values.Union(member.Values).Order(StringComparer.Ordinal)] }
                    : member;
        }
        return both;
    }

    public override string ToString()
    {
        var text = new StringBuilder(Heading.ReplaceLineEndings("\n"));
        foreach (var (name, members) in _events)
        {
            text.Append(name).Append('\n');
            foreach (var (at, member) in members)
                text.Append($"  {at}{(member.Always ? "!" : "")} {member.Type}{(member.Values.Count > 0 ? $" {{{string.Join('|', member.Values)}}}" : "")}\n");
        }
        return text.ToString();
    }
}
