using MassTransit;
using Referrals.Contracts;
using ReferralService.Notices;
using ReferralService.Referrals.Journey;
using ReferralService.Workflow;
using ServiceDefaults.Auth;

namespace ReferralService.Referrals.Booking;

/// <summary>
/// Hears what scheduling decided. A duplicate, a late answer or an answer to an earlier leg changes nothing: the
/// machine refuses it, and scheduling frees the place when it hears where the referral stands.
/// </summary>
internal sealed class WhenSchedulingAnswers(MoveRunner runner, ReferralStore store, ILogger<WhenSchedulingAnswers> log) : IConsumer<SchedulingEvent>
{
    public const string Queue = "referral-scheduling-events";

    public static readonly string[] Hears =
    [
        SchedulingEvents.Booked, SchedulingEvents.Rescheduled, SchedulingEvents.NoCapacity,
        SchedulingEvents.BookingCancelled, SchedulingEvents.NoShow, SchedulingEvents.CheckedIn,
    ];

    private static readonly Actor Desk = new(Side.Receiver, "scheduling", "", nameof(Role.Registrar), null);

    public async Task Consume(ConsumeContext<SchedulingEvent> context)
    {
        var (e, facts) = (context.Message, context.Message.Data);
        if (facts.ReferralId is not { } referral)
            return;
        await (e.Type switch
        {
            SchedulingEvents.Booked or SchedulingEvents.Rescheduled => Raise(e, referral, m => m.Booked, new RecordBooking(
                facts.Leg ?? 0, facts.Attempt ?? 0, facts.BookingId!.Value, facts.Resource!, facts.StartsAt!.Value, facts.EndsAt!.Value,
                facts.Clinician, facts.CodeHash, facts.FromPool == true)),
            SchedulingEvents.NoCapacity => Raise(e, referral, m => m.NoCapacity, new RecordNoCapacity(facts.Leg ?? 0, facts.Attempt ?? 0)),
            SchedulingEvents.BookingCancelled => Raise(e, referral, m => m.CancelBooking,
                new CancelBooking(facts.Reason ?? "OTHER", "scheduling") { Of = (facts.Leg ?? 0, facts.BookingId ?? default) }, early: Early),
            SchedulingEvents.NoShow => Raise(e, referral, m => m.MissAppointment,
                new RecordNoShow(facts.Reason ?? "UNKNOWN", null) { Of = (facts.Leg ?? 0, facts.BookingId ?? default) }, early: Early),
            // the code was shown at the receiver's desk: its hash is the proof, as if the desk had sent the code here
            SchedulingEvents.CheckedIn => Raise(e, referral, m => m.Arrive,
                new RecordArrival("", null, null, null, null) { CodeHash = facts.CodeHash }, early: Early, by: Desk),
            _ => Task.CompletedTask,
        });

        // the end of a booking whose beginning is still on its way: it waits a few tries for it, and no longer
        bool Early(Referral r) => context.GetRetryAttempt() < 5 && facts.Leg == r.Leg && facts.Attempt > r.BookingAttempt && facts.BookingId != r.BookingId && !r.IsFinal;
    }

    private async Task Raise<T>(SchedulingEvent e, Guid id, Func<ReferralStateMachine, Event<Move<T>>> on, T command,
        Func<Referral, bool>? early = null, Actor? by = null) where T : class
    {
        while (true)
        {
            if (await store.Find(id.ToString()) is not { } found)
            {
                log.LogWarning("{Type} {MessageId} is about a referral that is not known here", e.Type, e.Id);
                return;
            }
            if (early?.Invoke(found.Referral) == true)
                throw new InvalidOperationException($"{e.Type} {e.Id} overtook the booking it is about.");
            var @event = on(runner.Machine);
            var (saved, refusal, _) = await runner.Run(found.Referral, found.WrappedKey, @event,
                runner.Begin(@event, command, (by ?? Actor.System) with { Institution = found.Referral.Receiver }), null, [],
                _ => new(null, null, e.Id, Queue, "OPERATIONS") { Advice = AppointmentAdvice.Of(e.Data) });
            if (refusal is not null)
                log.LogInformation("{Type} {MessageId} came late for {ReferralNo} in {State}: {Code}",
                    e.Type, e.Id, found.Referral.ReferralNo, found.Referral.State, refusal.Type.Code);
            if (saved != Saved.LostRace)
                return;
        }
    }
}
