using Dapper;

namespace NotificationService;

/// <summary>An event as it came, with the bytes it came in.</summary>
internal sealed record Heard(HeardEvent Event, string Body);

/// <summary>Writes what is heard into <c>arrival</c>, once each: a repetition finds its id in the inbox.</summary>
internal static class Arrivals
{
    public const string Store = """
        with heard as (
            -- one batch may hold the same event twice
            select distinct on (event_id) *
            from unnest(@Ids, @Types, @Subjects, @Times, @Referrals, @Sequences, @Senders, @Receivers, @Previous,
                    @Institutions, @OnBehalf, @Directions, @Priorities, @Departments, @Sensitive, @Bodies)
                with ordinality as h(event_id, type, subject, occurred_at, referral_id, sequence, sender, receiver,
                    previous_receiver, institution, on_behalf_of, direction, priority, department, sensitive, body, nr)),
        fresh as (
            insert into inbox (message_id)
            select event_id from heard
            -- the same order in every transaction: two that hold the same ids cannot lock each other out
            order by event_id
            on conflict do nothing
            returning message_id)
        insert into arrival (event_id, type, subject, occurred_at, referral_id, sequence, sender, receiver,
            previous_receiver, institution, on_behalf_of, direction, priority, department, sensitive, body)
        select event_id, type, subject, occurred_at, referral_id, sequence, sender, receiver,
            previous_receiver, institution, on_behalf_of, direction, priority, department, sensitive, body
        from heard
        where event_id in (select message_id from fresh)
            -- the inbox forgets before the log does
            and not exists (select 1 from event e where e.event_id = heard.event_id)
        order by nr
        """;

    public static DynamicParameters Parameters(IReadOnlyList<Heard> heard)
    {
        return new(new
        {
            Ids = Each(e => e.Id),
            Types = Each(e => e.Type),
            Subjects = Each(e => e.Subject),
            Times = Each(e => e.Time.ToUniversalTime()),
            Referrals = Each(e => e.IsOfReferral ? e.Data!.Id : null),
            Sequences = Each(e => e.IsOfReferral ? e.Data!.Sequence : null),
            Senders = Each(e => e.Data!.Sender),
            Receivers = Each(e => e.Data!.Receiver),
            Previous = Each(e => e.Data!.PreviousReceiver),
            Institutions = Each(e => e.Data!.Institution),
            OnBehalf = Each(e => e.Data!.OnBehalfOf),
            Directions = Each(e => e.Data!.Direction),
            Priorities = Each(e => e.Data!.Priority),
            Departments = Each(e => e.Data!.Department),
            Sensitive = Each(e => e.IsOfReferral && Masking.IsSensitive(e.Data!.Department, e.Data.PatientClass)),
            Bodies = heard.Select(h => h.Body).ToArray(),
        });

        T[] Each<T>(Func<HeardEvent, T> value) => [.. heard.Select(h => value(h.Event))];
    }
}
