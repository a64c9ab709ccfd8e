using System.Diagnostics;
using Dapper;
using MassTransit;
using Referrals.Contracts;
using SchedulingService.Bookings;
using ServiceDefaults.Messaging;

namespace SchedulingService.Needs;

/// <summary>
/// Hears what changes the need for a place. Each event has its effect once, in one transaction with what it leads to;
/// an older one never undoes a newer one.
/// </summary>
internal sealed class WhenReferralMoved(Changes changes) : IConsumer<HeardEvent>
{
    /// <summary>Every event that may change what a referral needs; the others are never delivered here.</summary>
    public static readonly IReadOnlyList<string> Hears =
    [
        // wants a place, again or for the first time
        ReferralEvents.Accepted, ReferralEvents.InTransit, ReferralEvents.BookingCancelled, ReferralEvents.Redirected,
        ReferralEvents.MadeEmergency, ReferralEvents.ArrivalChanged,
        // moves in the line, or leaves it for the time being
        ReferralEvents.PriorityRaised, ReferralEvents.PriorityLowered, ReferralEvents.CancellationRequested,
        ReferralEvents.CancellationTakenBack, ReferralEvents.CancellationRefused,
        // used or missed
        ReferralEvents.Arrived, ReferralEvents.NoShow,
        // over
        ReferralEvents.Completed, ReferralEvents.Advised, ReferralEvents.Converted, ReferralEvents.Reported,
        ReferralEvents.Declined, ReferralEvents.Cancelled, ReferralEvents.Expired, ReferralEvents.Closed,
    ];

    public static readonly Subscription Subscription = new("scheduling-referral-events", ReferralEvents.Exchange,
        [.. Hears.Select(name => "referral.*." + name)], typeof(WhenReferralMoved),
        Configure: endpoint => endpoint.ConcurrentMessageLimit = 16);

    public async Task Consume(ConsumeContext<HeardEvent> context)
    {
        var heard = context.Message;
        var name = ReferralEvents.NameOf(heard.Type);
        if (!Hears.Contains(name))
            return;
        using var trace = Continue(heard);
        await using var change = await changes.Begin(context.CancellationToken);
        if (await Learn(change, heard) is not var (need, bookings))
            return;
        await Reconcile.Run(change, need, bookings, missed: name == ReferralEvents.NoShow ? heard.Data.Booking?.Id : null);
        await change.Commit();
    }

    // Inbox, need and lock in one statement: a message heard before finds nothing to insert and returns no row. The
    // update changes nothing and locks the row. Booking rows are read after it, so nobody else can be writing them.
    private const string Hear = $"""
        with heard as (
            insert into inbox (message_id) values (@MessageId) on conflict do nothing returning message_id
        )
        insert into need (referral_id, referral_no, sender, sequence, leg, state, receiver, department, priority, contracted,
            asked_sequence, asked_leg, resource, window_from, window_until, eligibility, since_leg, since,
            again_sequence, emergency_sequence, emergency_at, arrival_sequence, arrival_at)
        select @ReferralId, @ReferralNo, @Sender, @Sequence, @Leg, @State, @Receiver, @Department, @Priority, @Contracted,
            @AskedSequence, @AskedLeg, @Resource, @WindowFrom, @WindowUntil, @Eligibility, @SinceLeg, @Since,
            @AgainSequence, @EmergencySequence, @EmergencyAt, @ArrivalSequence, @ArrivalAt
        from heard
        on conflict (referral_id) do update set referral_id = excluded.referral_id
        -- xmax is zero in a row that was inserted
        returning {Need.Columns}, xmax = 0 as is_new;

        select {Booking.Columns}
        from booking
        where referral_id = @ReferralId and (state in ('Held', 'Booked') or state = 'Used' and bed_id is not null)
        """;

    private static async Task<(Need Need, IReadOnlyList<Booking> Bookings)?> Learn(Change change, HeardEvent heard)
    {
        await using var rows = await change.Connection.QueryMultipleAsync(Hear, Parameters(Need.Of(heard), heard.Id));
        if (rows.Read<Need, bool, (Need Need, bool IsNew)?>((need, isNew) => (need, isNew), splitOn: "is_new").SingleOrDefault() is not var (known, isNew))
            return null;
        var bookings = (await rows.ReadAsync<Booking>()).AsList();
        var need = known.Hear(heard);
        if (!isNew)
            await Remember(change, need, heard.Id);
        return (need, bookings);
    }

    private static Task Remember(Change change, Need need, Guid messageId) =>
        change.Connection.ExecuteAsync("""
            update need set
                sequence = @Sequence, leg = @Leg, state = @State, receiver = @Receiver, department = @Department,
                priority = @Priority, contracted = @Contracted, asked_sequence = @AskedSequence, asked_leg = @AskedLeg,
                resource = @Resource, window_from = @WindowFrom, window_until = @WindowUntil, eligibility = @Eligibility,
                since_leg = @SinceLeg, since = @Since, again_sequence = @AgainSequence,
                emergency_sequence = @EmergencySequence, emergency_at = @EmergencyAt,
                arrival_sequence = @ArrivalSequence, arrival_at = @ArrivalAt
            where referral_id = @ReferralId
            """, Parameters(need, messageId));

    // Dapper writes an enum as a number: names are passed instead
    private static DynamicParameters Parameters(Need need, Guid messageId)
    {
        var parameters = new DynamicParameters(need);
        parameters.Add("MessageId", messageId);
        parameters.Add("State", need.State.ToString());
        parameters.Add("Priority", need.Priority.ToString());
        return parameters;
    }

    // what is said here belongs to the trace of the request that caused it, also where nobody collects traces
    private static Activity Continue(HeardEvent heard)
    {
        var activity = new Activity("hear " + heard.Type);
        if (heard.TraceParent is { } parent)
            activity.SetParentId(parent);
        return activity.Start();
    }
}
