using System.Net.Mime;
using MassTransit;
using MassTransit.Context;
using MassTransit.Middleware;
using MassTransit.Serialization;
using ReferralService.Referrals;

namespace ReferralService.Workflow;

/// <summary>
/// Raises events on the state machine inside this process: the one code path of HTTP commands, bus events and
/// timers. What comes of it stands on the <see cref="Move"/>; nothing is sent and nothing is stored here.
/// </summary>
internal sealed class MoveDriver(ReferralStateMachine machine)
{
    // MassTransit hands every step a consume context; behind ours there is no broker and no message
    private static readonly ConsumeContext NoMessage = new BodyConsumeContext(new NoReceiveContext(), null!);

    public ReferralStateMachine Machine => machine;

    /// <summary>
    /// Raises <paramref name="on"/>. Afterwards either <see cref="Move.Refusal"/> says why not, or
    /// <see cref="Move.Rows"/> holds what to write; both empty means the state does not know this event.
    /// </summary>
    public async Task<Move<T>> Raise<T>(Referral referral, Event<Move<T>> on, Move<T> move) where T : class
    {
        var saga = new DefaultSagaConsumeContext<Referral, Move<T>>(
            new MessageConsumeContext<Move<T>>(NoMessage, move), referral);
        await ((StateMachine<Referral>)machine).RaiseEvent(
            new MassTransitStateMachine<Referral>.BehaviorContextProxy<Move<T>>(machine, saga, saga, on));
        if (move.Rows.Count == 0 || move.Refusal is not null)
            return move;
        Referrals.Triage.ClaimReferral.Slide(referral, move);
        Deadlines.Timers.Restart(referral, move.Now, move.Alliance);
        return move;
    }

    /// <summary>A consequence of another move: the system acts, at the same moment, on the other referral.</summary>
    public async Task<Move> Follow<T>(Referral referral, Func<ReferralStateMachine, Event<Move<T>>> on, T command, Move cause)
        where T : class
    {
        var @event = on(machine);
        var actor = cause.Actor with { Sides = Side.System | Side.Sender | Side.Receiver };
        return await Raise(referral, @event,
            new Move<T>(command, machine.VerbOf(@event), actor, cause.Now) { Alliance = cause.Alliance });
    }

    private sealed class NoReceiveContext : BasePipeContext, ReceiveContext
    {
        public TimeSpan ElapsedTime => TimeSpan.Zero;
        public Uri InputAddress { get; } = new("loopback://localhost/move");
        public ContentType ContentType { get; } = new("application/json");
        public bool Redelivered => false;
        public Headers TransportHeaders => null!;
        public Task ReceiveCompleted => Task.CompletedTask;
        public bool IsDelivered => false;
        public bool IsFaulted => false;
        public ISendEndpointProvider SendEndpointProvider => null!;
        public IPublishEndpointProvider PublishEndpointProvider => null!;
        public bool PublishFaults => false;
        public MessageBody Body => null!;

        public Task NotifyConsumed<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType) where T : class => Task.CompletedTask;

        public Task NotifyFaulted<T>(ConsumeContext<T> context, TimeSpan duration, string consumerType, Exception exception) where T : class => Task.CompletedTask;

        public Task NotifyFaulted(Exception exception) => Task.CompletedTask;

        public void AddReceiveTask(Task task)
        {
        }
    }
}
