using Deployed;
using TestKit;

namespace Faults;

/// <summary>What must hold after every case, whatever was done to the system: I1 to I8.</summary>
internal static class Invariants
{
    /// <summary>Stated time within which everything drains once all parts are back.</summary>
    public const int DrainsWithin = 30;

    private sealed record Step(Guid ReferralId, string Verb, string? FromState, string ToState, DateTime At);

    public static async Task Check(Scene scene)
    {
        if (!await Drained(scene))
            return;
        await Submissions(scene);
        await Histories(scene);
        foreach (var breach in await FinalRead.Breaches(scene.Alliance))
            scene.Expect(false, "I2, I3, I5: " + breach);
        await Effects(scene);
        await Places(scene);
        await Webhooks(scene);
        await Audit(scene);
        foreach (var leak in await scene.Outside.Leaks())
            scene.Expect(false, "I8: a patient's value was found " + leak);
        Problems(scene);
    }

    // I6
    private static async Task<bool> Drained(Scene scene)
    {
        var began = scene.Elapsed;
        try
        {
            await FinalRead.Drains(scene.Alliance, (int)(DrainsWithin * scene.Patience));
        }
        catch (TimeoutException e)
        {
            scene.Expect(false, "I6: " + e.Message);
            return false;
        }
        var left = "";
        await scene.Eventually(async () => (left = await Left(scene)) == "", "I6: nothing is left on its way", DrainsWithin);
        if (left != "")
            scene.Expect(false, "I6: left: " + left);
        scene.Figure($"drained in {scene.Elapsed - began:0.0} s");
        return left == "";
    }

    private static async Task<string> Left(Scene scene)
    {
        var left = new List<string>();
        if (await Scene.Count(scene.Notification, "select count(*) from arrival") is > 0 and var arrivals)
            left.Add($"{arrivals} arrivals without their place in the log");
        if (await Scene.Count(scene.Notification, "select count(*) from message m join endpoint e on e.id = m.endpoint_id where m.state = 'Waiting' and e.deleted_at is null") is > 0 and var messages)
            left.Add($"{messages} webhooks");
        if (left.Count == 0)
            left.AddRange((await Queues(scene.Alliance)).Where(q => q.Messages > 0).Select(q => $"{q.Messages} messages in {q.Name}"));
        return string.Join(", ", left);
    }

    /// <summary>All queues of the alliance with what lies in them, delivered but unacknowledged messages included.</summary>
    public static async Task<IReadOnlyList<(string Name, long Messages)>> Queues(Alliance alliance)
    {
        var listed = await Servers.Control("rabbitmqctl", "-q", "list_queues", "-p", new Uri(alliance.RabbitMq).AbsolutePath[1..], "name", "messages", "--no-table-headers");
        return [.. listed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t')).Where(c => c.Length == 2 && long.TryParse(c[1], out _))
            .Select(c => (c[0], long.Parse(c[1])))];
    }

    // I1
    private static async Task Submissions(Scene scene)
    {
        var acknowledged = scene.Recorder.Submitted;
        var stand = (await scene.Referral.Database.Query<Guid>(
            "select id from referral where drafted_at >= @Began and parent_id is null", new { scene.Alliance.Began })).ToHashSet();
        foreach (var lost in acknowledged.Keys.Where(id => !stand.Contains(id)))
            scene.Expect(false, $"I1: {lost} was acknowledged and does not stand");
        var ghosts = stand.Count(id => !acknowledged.ContainsKey(id));
        scene.Expect(ghosts <= scene.Recorder.Unanswered, $"I1: {ghosts} referrals stand that nobody was told of");
        scene.Expect(acknowledged.Values.Distinct().Count() == acknowledged.Count, "I1: one key made two referrals");
        if (acknowledged.Count > 0)
            scene.Figure($"{acknowledged.Count} referrals");
    }

    // I2: FinalRead has looked for gaps; here each step is one of the published table
    private static async Task Histories(Scene scene)
    {
        var steps = await scene.Referral.Database.Query<Step>("""
            select referral_id, verb, from_state, to_state, at from history
            where referral_id in (select id from referral where changed_at >= @Began)
            order by referral_id, version
            """, new { scene.Alliance.Began });
        for (var i = 0; i < steps.Count; i++)
        {
            var (first, last) = (steps[i], steps[i]);
            // one move may write several rows, e.g. an emergency that is submitted, accepted and under way at once
            while (i + 1 < steps.Count && !Moves.Allow(first.FromState, first.Verb, last.ToState)
                && steps[i + 1] is var next && next.ReferralId == first.ReferralId && next.Verb == first.Verb && next.At == first.At)
                (last, i) = (next, i + 1);
            scene.Expect(Moves.Allow(first.FromState, first.Verb, last.ToState),
                $"I2: {first.ReferralId} went from {first.FromState ?? "(new)"} to {last.ToState} by {first.Verb}");
        }
    }

    // I3: one effect of each event at each consumer
    private static async Task Effects(Scene scene)
    {
        var twice = await scene.Referral.Database.Query<Guid>("select message_id from history where at >= @Began group by 1 having count(*) > 1", new { scene.Alliance.Began });
        scene.Expect(twice.Count == 0, $"I3: {twice.Count} event ids are used twice");
        var booked = await scene.Referral.Database.Query<Guid>("""
            select booking_id from referral where booking_id is not null and state = 'Scheduled' and changed_at >= @Began
            """, new { scene.Alliance.Began });
        var stand = (await scene.Scheduling.Database.Query<Guid>("select id from booking where state = 'Booked'")).ToHashSet();
        foreach (var ghost in booked.Where(b => !stand.Contains(b)))
            scene.Expect(false, $"I5: a referral is scheduled for the booking {ghost}, which does not stand");
    }

    // I4
    private static async Task Places(Scene scene)
    {
        var slots = await scene.Scheduling.Database.Query<Guid>("""
            select s.id
            from slot s left join (select slot_id, count(*) as live from booking where state in ('Held', 'Booked', 'Used') group by 1) b on b.slot_id = s.id
            where coalesce(b.live, 0) > s.capacity or coalesce(b.live, 0) <> s.taken
            """);
        foreach (var slot in slots)
            scene.Expect(false, $"I4: slot {slot} is overbooked or miscounted");
        var beds = await scene.Scheduling.Database.Query<Guid>("""
            select a.id from booking a join booking b on a.bed_id = b.bed_id and a.id < b.id and a.during && b.during
            """);
        foreach (var bed in beds)
            scene.Expect(false, $"I4: two bookings share a bed at one time, one is {bed}");
    }

    // I3, outside: each event reached each endpoint that matches, and nothing else did
    private static async Task Webhooks(Scene scene)
    {
        var messages = await scene.Notification.Database.Query<(Guid Id, string Url)>("""
            select m.id, e.url from message m join endpoint e on e.id = m.endpoint_id join event v on v.position = m.position
            where v.occurred_at >= @Began and e.deleted_at is null and e.state = 'Active'
            """, new { scene.Alliance.Began });
        var taken = scene.Outside.Receiver.Received.Where(w => w.Answered < 300).Select(w => Guid.Parse(w.Id)).ToHashSet();
        var ours = messages.Where(m => m.Url.StartsWith(scene.Outside.Receiver.Address, StringComparison.Ordinal)).ToArray();
        scene.Expect(ours.All(m => taken.Contains(m.Id)), $"I3: {ours.Count(m => !taken.Contains(m.Id))} webhooks never arrived");
        var missing = await Scene.Count(scene.Notification, """
            select count(*)
            from event_party p join event v on v.position = p.position join endpoint e on e.institution = p.institution
            where v.occurred_at >= @Began and e.deleted_at is null and e.state = 'Active' and e.created_at < @Began and e.types = '{}'
                and not exists (select from message m where m.endpoint_id = e.id and m.position = v.position)
            """, new { scene.Alliance.Began });
        scene.Expect(missing == 0, $"I3: {missing} events made no message for an endpoint that wants them");
        var sent = scene.Outside.Receiver.Received.GroupBy(w => (w.Path, Event: w.Event.GetProperty("id").GetString()))
            .Count(g => g.Select(w => w.Id).Distinct().Count() > 1);
        scene.Expect(sent == 0, $"I3: {sent} events came under two webhook ids");
    }

    // I7
    private static async Task Audit(Scene scene)
    {
        var rows = (await scene.Referral.Database.Query<(Guid Id, string Action, string Institution, long Count)>("""
            select referral_id, action, institution, count(*) from audit
            where at >= @Began and referral_id is not null and subject = @Subject group by 1, 2, 3
            """, new { scene.Alliance.Began, Work.Subject })).ToDictionary(r => new Recorder.Deed(r.Id, r.Action, r.Institution), r => r.Count);
        var unwritten = scene.Recorder.Acknowledged.Count(a => rows.GetValueOrDefault(a.Key) < a.Value);
        scene.Expect(unwritten == 0, $"I7: {unwritten} deeds were acknowledged without an audit row");
        var invented = rows.Where(r => r.Value > scene.Recorder.Asked.GetValueOrDefault(r.Key)).ToArray();
        scene.Expect(invented.Length == 0, $"I7: {invented.Length} audit rows for what was never asked, e.g. {invented.FirstOrDefault().Key}");
    }

    // every refusal is a problem as documented, and tells nothing that it should not
    private static void Problems(Scene scene)
    {
        foreach (var answer in scene.Recorder.Answers.Where(a => a.Status >= 400))
        {
            scene.Expect(answer.Status != 500, $"an answer was 500: {answer}");
            scene.Expect(answer.MediaType == "application/problem+json", $"a refusal is no problem document: {answer}");
            scene.Expect(!answer.Body.Contains("   at ", StringComparison.Ordinal), $"a refusal shows a stack: {answer}");
            scene.Expect(answer.Status is not (503 or 429) || answer.RetryAfter > 0, $"a refusal without Retry-After: {answer}");
            scene.Expect(!System.Text.RegularExpressions.Regex.IsMatch(answer.Body, Patients.Marks), $"I8: a refusal tells a patient's value: {answer.Status}");
        }
    }
}
