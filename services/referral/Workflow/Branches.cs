using MassTransit;
using Referrals.Contracts;
using ReferralService.Referrals;
using ReferralService.Referrals.Booking;
using ReferralService.Referrals.Decision;
using ReferralService.Referrals.Intake;
using ReferralService.Referrals.Journey;

namespace ReferralService.Workflow;

/// <summary>The few moves whose destination depends on the row.</summary>
internal static class Branches
{
    /// <summary>
    /// An emergency under a standing agreement is submitted, accepted and on its way at once; everything else waits
    /// at the receiver.
    /// </summary>
    public static EventActivityBinder<Referral, Move<SubmitReferral>> SubmitOrDispatch(
        this EventActivityBinder<Referral, Move<SubmitReferral>> move, ReferralStateMachine to) =>
        move.TransitionTo(to.Submitted).Tell(ReferralEvents.Submitted)
            .If(m => m.Saga.IsEmergency && m.Saga.StandingAgreement, emergency => emergency
                .Do(AcceptReferral.InAdvance).TransitionTo(to.Accepted).Tell(ReferralEvents.Accepted)
                .Do((r, m) => r.DispatchedAt ??= m.Now).TransitionTo(to.InTransit).Tell(ReferralEvents.InTransit));

    /// <summary>Back to the claimant where one still holds it.</summary>
    public static EventActivityBinder<Referral, Move<T>> BackToTriage<T>(
        this EventActivityBinder<Referral, Move<T>> move, ReferralStateMachine to) where T : class =>
        move.IfElse(m => m.Saga.ClaimedBy is not null, m => m.TransitionTo(to.InTriage), m => m.TransitionTo(to.Submitted));

    /// <summary>The next leg starts untouched; an emergency stays on the way.</summary>
    public static EventActivityBinder<Referral, Move<T>> NextLegState<T>(
        this EventActivityBinder<Referral, Move<T>> move, ReferralStateMachine to) where T : class =>
        move.IfElse(m => m.Saga.IsEmergency, m => m.TransitionTo(to.InTransit), m => m.TransitionTo(to.Submitted));

    /// <summary>An emergency made out of a case under review: partners hear of its submission first.</summary>
    public static EventActivityBinder<Referral, Move<MakeEmergency>> AnnounceIfUnheard(
        this EventActivityBinder<Referral, Move<MakeEmergency>> move, ReferralStateMachine to) =>
        move.If(m => m.Saga.Sequence == 0, m => m.TransitionTo(to.Submitted).Tell(ReferralEvents.Submitted));

    /// <summary>A cancellation that does not happen leads back to where it was asked.</summary>
    public static EventActivityBinder<Referral, Move<T>> WhereItCameFrom<T>(
        this EventActivityBinder<Referral, Move<T>> move, ReferralStateMachine to) where T : class
    {
        foreach (var state in new[] { to.Accepted, to.Waitlisted, to.Scheduled, to.NoShow, to.InTransit })
            move = move.If(m => m.Saga.CameFrom == state.Name, m => m.TransitionTo(state));
        return move.Do((r, _) => r.CameFrom = null);
    }

    /// <summary>What became an emergency is accepted by a standing agreement, where nobody had accepted it.</summary>
    public static EventActivityBinder<Referral, Move<MakeEmergency>> AcceptIfAgreed(
        this EventActivityBinder<Referral, Move<MakeEmergency>> move, ReferralStateMachine to) =>
        move.If(m => m.Saga is { StandingAgreement: true, AcceptedAt: null },
            m => m.Do(AcceptReferral.InAdvance).TransitionTo(to.Accepted).Tell(ReferralEvents.Accepted));

    /// <summary>An emergency may arrive before anybody answered: whoever receives it takes it over.</summary>
    public static EventActivityBinder<Referral, Move<RecordArrival>> AcceptIfNobodyDid(
        this EventActivityBinder<Referral, Move<RecordArrival>> move, ReferralStateMachine to) =>
        move.If(m => m.Saga.AcceptedAt is null,
            m => m.Do(AcceptReferral.ByArrival).TransitionTo(to.Accepted).Tell(ReferralEvents.Accepted));

    /// <summary>A patient on the way is booked for the first time, or booked elsewhere than before.</summary>
    public static EventActivityBinder<Referral, Move<RecordBooking>> TellFirstOrNext(this EventActivityBinder<Referral, Move<RecordBooking>> move) =>
        move.IfElse(m => m.Message.Extras.FirstBooking, m => m.Tell(ReferralEvents.Scheduled), m => m.Tell(ReferralEvents.Rescheduled));
}
