using System.Text.RegularExpressions;
using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X17: who is no party finds nothing anywhere, by id, number, filter or somebody else's cursor, and it stands in the audit.</summary>
internal static class Strangers
{
    // what belongs to somebody; of everything else a stranger must at least learn nothing of the victim
    private static readonly string[] Owned = ["/v1/referrals/{id}", "/v1/episodes/{", "/v1/bookings/{id}", "/v1/endpoints/{id}"];

    public static async Task Run(Scene scene)
    {
        var work = new Work(scene);
        var id = await work.Submit() ?? throw new InvalidOperationException("nothing was submitted");
        await work.Move(id, "accept", Alliance.Tertiary, new { department = "03.03" });
        await work.Booked(id);
        var (no, episode) = (await scene.Referral.Database.Query<(string, Guid)>("select referral_no, episode_id from referral where id = @id", new { id }))[0];
        var booking = (await scene.Scheduling.Database.Query<Guid>("select id from booking where referral_id = @id and state = 'Booked'", new { id }))[0];
        await using var partner = await Partner.Join(scene, Alliance.Tertiary);
        string[] secrets = [id.ToString(), no, episode.ToString(), booking.ToString(), partner.Id.ToString()];
        // an institution of the same alliance, in each role that could see something
        string[] roles = ["Clinician", "Operator", "Registrar", "Head", "Machine"];

        var (asked, denials) = (0, await Denials(scene));
        foreach (var operation in (await Task.WhenAll(scene.Alliance.Services.Select(Operation.Of))).SelectMany(o => o)
            // what a stranger writes himself is his own; and a clinician of the alliance may break the glass, which is told
            .Where(o => o.NeedsToken && o is not { Method: "POST", Path: "/v1/referrals" or "/v1/referral-requests" or "/v1/referrals/{id}/break-glass" }))
        {
            var owned = Owned.Any(o => operation.Path.StartsWith(o, StringComparison.Ordinal));
            // the platform's operator keeps directory, rules and settings for everybody: what he wrote he would find again
            foreach (var role in (scene.Size == Size.Smoke ? roles[..1] : roles).Where(r => r != "Operator" || owned || operation.Method == "GET"))
            {
                var token = Issuer.Shared.Token(Alliance.OtherTownship, role, "dr-stranger", onBehalfOf: role == "Machine" ? "dr-other" : null);
                foreach (var path in Paths(operation.Path, id, no, episode, booking, partner.Id))
                {
                    var answer = await operation.Ask(token, path);
                    scene.Expect(answer.Status is not (0 or >= 500), $"{operation}: {answer}");
                    var tells = secrets.Where(s => !path.Contains(s, StringComparison.OrdinalIgnoreCase)).FirstOrDefault(s => answer.Body.Contains(s, StringComparison.OrdinalIgnoreCase));
                    scene.Expect(tells is null, $"{operation} tells a stranger {tells}: {Around(answer.Body, tells)}");
                    scene.Expect(!Patients.AppearIn(answer.Body), $"{operation} tells a stranger of the patient");
                    // a file of the wrong type, and a number where an id belongs, are sent back unread, whoever sends them
                    if (owned && answer.Status is not (415 or 400))
                    {
                        scene.Expect(answer.Status == 404, $"{operation} answers a stranger {answer}");
                        asked++;
                    }
                }
            }
        }
        scene.Expect(await Denials(scene) - denials >= asked, $"{asked} times a stranger was sent away, {await Denials(scene) - denials} times it was written down");
        scene.Figure($"{asked} questions of strangers about what is not theirs");
        await Lists(scene, id);
    }

    private static string Around(string body, string? secret) =>
        secret is not null && body.IndexOf(secret, StringComparison.OrdinalIgnoreCase) is >= 0 and var at ? body[Math.Max(0, at - 60)..Math.Min(body.Length, at + secret.Length + 20)] : "";

    private static IEnumerable<string> Paths(string path, Guid id, string no, Guid episode, Guid booking, Guid endpoint)
    {
        string Fill(string value) => Regex.Replace(path, "{[^}]+}", value);
        if (!path.Contains('{'))
            return [path];
        if (path.StartsWith("/v1/bookings/", StringComparison.Ordinal))
            return [Fill(booking.ToString())];
        if (path.StartsWith("/v1/endpoints/", StringComparison.Ordinal))
            return [Fill(endpoint.ToString())];
        if (path.StartsWith("/v1/episodes/", StringComparison.Ordinal))
            return [Fill(episode.ToString())];
        return [Fill(id.ToString()), Fill(no)];
    }

    private static async Task<long> Denials(Scene scene)
    {
        var sum = 0L;
        foreach (var service in scene.Alliance.Services)
            sum += await Scene.Count(service, """
                select count(*) from audit a where subject = 'dr-stranger' and (to_jsonb(a) ->> 'verdict' = 'denied' or to_jsonb(a) ->> 'denied' = 'true')
                """);
        return sum;
    }

    // filters that name the others, and a cursor that was given to the others
    private static async Task Lists(Scene scene, Guid id)
    {
        using var stranger = scene.Referral.As(Alliance.OtherTownship);
        foreach (var filter in new[] { "as=receiver", "as=sender", $"as=receiver&institution={Alliance.Township}", $"as=sender&institution={Alliance.Tertiary}", "as=receiver&state=Scheduled" })
        {
            using var answer = await stranger.GetAsync("/v1/referrals?limit=100&" + filter);
            var body = await answer.Content.ReadAsStringAsync();
            scene.Expect((int)answer.StatusCode is 200 or 400 && !body.Contains(id.ToString(), StringComparison.Ordinal), $"the list {filter} shows a stranger what is not his: {(int)answer.StatusCode}");
        }
        await new Work(scene).Submit();
        using var page = await scene.Referral.As(Alliance.Tertiary).GetAsync("/v1/referrals?as=receiver&limit=1");
        var next = (await page.Json()).TryGetProperty("next", out var cursor) ? cursor.GetString() : null;
        scene.Expect(next is not null, "the hospital's list has no second page: the case showed nothing");
        using var taken = await stranger.GetAsync("/v1/referrals?as=receiver&limit=1&cursor=" + Uri.EscapeDataString(next ?? ""));
        var shown = await taken.Content.ReadAsStringAsync();
        scene.Expect((int)taken.StatusCode == 400 || !shown.Contains("referralNo", StringComparison.Ordinal), $"somebody else's cursor shows rows: {(int)taken.StatusCode}");

        // numbers are no secret: knowing one gives nothing
        var no = (await scene.Referral.Database.Query<string>("select referral_no from referral where id = @id", new { id }))[0];
        for (var n = -20; n <= 20; n++)
        {
            var guess = no[..^6] + (int.Parse(no[^6..]) + n).ToString("000000");
            using var answer = await stranger.GetAsync("/v1/referrals/" + guess);
            scene.Same(404, (int)answer.StatusCode, "a guessed number");
        }
    }
}
