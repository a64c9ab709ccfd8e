using System.Text;
using Referrals.Contracts;

namespace Contracts.Tests;

/// <summary>The tables of events in <c>contracts/README.md</c>, between two marks.</summary>
internal static class EventTable
{
    private const string Begin = "<!-- events: generated -->\n";
    private const string End = "<!-- /events -->\n";

    public static string In(string readme)
    {
        var (from, until) = (readme.IndexOf(Begin, StringComparison.Ordinal), readme.IndexOf(End, StringComparison.Ordinal));
        if (from < 0 || until < from)
            throw new InvalidOperationException($"contracts/README.md has lost its marks {Begin.Trim()} and {End.Trim()}.");
        return readme[..(from + Begin.Length)] + Tables() + readme[until..];
    }

    private static string Tables()
    {
        var text = new StringBuilder();
        Family("Referral events", $"`referral.up.…` and `referral.down.…` on `{ReferralEvents.Exchange}`.", Catalogue.Referral);
        Family("Scheduling events", $"On `{SchedulingEvents.Exchange}`.", Catalogue.Scheduling);
        Family("Endpoint events", "Over webhooks; `endpoint.disabled` in the feed too.", Catalogue.Notification);
        return text.Append('\n').ToString();

        void Family(string title, string where, IReadOnlyList<EventType> events)
        {
            text.Append($"\n### {title}\n{where} Each may carry {Names(events[0].Always)}.\n\n");
            text.Append("| event | published by | heard by | means | members beyond those |\n|---|---|---|---|---|\n");
            foreach (var e in events)
                text.Append($"| [`{e.Name}`](schemas/{e.Name}.json) | {e.PublishedBy} | {Or(string.Join(", ", Catalogue.HeardBy(e)))} | {e.Meaning} | {Or(Names(e.Members))} |\n");
        }
    }

    private static string Names(IEnumerable<string> members) => string.Join(", ", members.Select(m => $"`{m}`"));

    private static string Or(string text) => text.Length > 0 ? text : "–";
}
