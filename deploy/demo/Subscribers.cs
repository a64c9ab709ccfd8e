using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>
/// The institutions that listen: each has a webhook endpoint of its own, and reads the outside log besides. An endpoint
/// lives as long as the walk; one that an ended walk left behind is deleted first.
/// </summary>
internal sealed class Subscribers(Service notification, Receiver receiver, Printer printer)
{
    private const string Mark = "Referral demo walk-through";

    private readonly List<(Actor Actor, string Id)> _endpoints = [];
    private readonly Dictionary<string, string> _cursors = [];

    public IReadOnlyList<Actor> All => [.. _endpoints.Select(e => e.Actor)];

    public async Task Add(Actor office, string path)
    {
        var listed = await notification.Get(office, "/v1/endpoints?limit=500", "to list webhook endpoints");
        foreach (var old in listed.Rows("items").Where(e => (string?)e["description"] == Mark))
            await notification.Delete(office, $"/v1/endpoints/{old.Text("id")}", "to delete an older demo endpoint");
        var url = receiver.Address + path;
        var answer = await notification.Post(office, "/v1/endpoints",
            new() { ["url"] = url, ["description"] = Mark, ["inOrder"] = true }, "to create a webhook endpoint");
        var secret = answer.Body["secret"]?.GetValue<string>()
            ?? throw new WalkFailed("The notification service created an endpoint without showing its secret.");
        receiver.Expect(path, office, secret);
        _endpoints.Add((office, answer.Body.Text("id")));
        _cursors[office.Institution] = await EndOfLog(office);
        printer.Say($"Webhooks for {office.Name} go to {url}.");
    }

    /// <summary>What the outside log tells an institution since the walk began: number and sequence of each event, in its order.</summary>
    public async Task<IReadOnlyList<(string Subject, long Sequence)>> Heard(Actor office)
    {
        var heard = new List<(string, long)>();
        await Read(office, _cursors[office.Institution], row =>
        {
            if (long.TryParse((string?)row["sequence"], out var sequence))
                heard.Add((row.Text("subject"), sequence));
        });
        return heard;
    }

    /// <summary>Takes the endpoints away again; a service that is gone does not hide why the walk ended.</summary>
    public async Task Leave()
    {
        foreach (var (actor, id) in _endpoints)
            try
            {
                await notification.Delete(actor, $"/v1/endpoints/{id}", "to delete a demo endpoint");
            }
            catch (WalkFailed e)
            {
                printer.Say($"An endpoint of the demo stays behind: {e.Message}");
            }
    }

    private Task<string> EndOfLog(Actor office) => Read(office, null, _ => { });

    private async Task<string> Read(Actor office, string? after, Action<JsonObject> take)
    {
        while (true)
        {
            var page = await notification.Get(office,
                "/v1/events?limit=500" + (after is null ? "" : "&after=" + Uri.EscapeDataString(after)), "to read the outside log");
            after = page.Text("next");
            var rows = page.Rows("items");
            foreach (var row in rows)
                take(row);
            if (rows.Count == 0)
                return after;
        }
    }
}
