using MassTransit;
using Referrals.Contracts;
using ReferralService.Referrals;
using ServiceDefaults.Http;

namespace ReferralService.Workflow;

/// <summary>A condition on the page of the machine, readable from outside: <c>available-actions</c> is made of these.</summary>
internal interface IGuard
{
    Side Sides { get; }

    /// <summary>Null when the guard lets this actor pass on this row.</summary>
    Problem? Refuses(Referral referral, Side sides);
}

/// <summary>After it the state may be what it was before the move.</summary>
internal interface IMayStay;

/// <summary>The words the page of the machine is written in.</summary>
internal static class Steps
{
    /// <summary>Only these sides may do it, here.</summary>
    public static EventActivityBinder<Referral, Move<T>> By<T>(this EventActivityBinder<Referral, Move<T>> move, Side sides)
        where T : class => move.Add(new Guard<T>(sides, (_, actor) => (actor & sides) == 0 ? (Problem)Problems.Forbidden : null));

    public static EventActivityBinder<Referral, Move<T>> OnlyUp<T>(this EventActivityBinder<Referral, Move<T>> move)
        where T : class => move.Must(r => r.IsUp, Refusals.UpOnly);

    public static EventActivityBinder<Referral, Move<T>> OnlyDown<T>(this EventActivityBinder<Referral, Move<T>> move)
        where T : class => move.Must(r => !r.IsUp, Refusals.DownOnly);

    public static EventActivityBinder<Referral, Move<T>> NotAnEmergency<T>(this EventActivityBinder<Referral, Move<T>> move)
        where T : class => move.Must(r => !r.IsEmergency, Refusals.NeverForEmergencies);

    public static EventActivityBinder<Referral, Move<T>> OnlyAnEmergency<T>(this EventActivityBinder<Referral, Move<T>> move)
        where T : class => move.Must(r => r.IsEmergency, Refusals.EmergenciesOnly);

    public static EventActivityBinder<Referral, Move<T>> OnlyFor<T>(this EventActivityBinder<Referral, Move<T>> move,
        params ReferralKind[] kinds) where T : class => move.Must(r => kinds.Contains(r.Kind), Refusals.NotThisKind);

    /// <summary>A condition of the row alone; refuses with 409.</summary>
    public static EventActivityBinder<Referral, Move<T>> Must<T>(this EventActivityBinder<Referral, Move<T>> move,
        Func<Referral, bool> holds, ProblemType otherwise) where T : class =>
        move.Add(new Guard<T>(~Side.None, (referral, _) => holds(referral) ? null : (Problem)otherwise));

    /// <summary>Where the system acts by itself, only on a row for which this holds; people are not held by it.</summary>
    public static EventActivityBinder<Referral, Move<T>> ByItselfOnly<T>(this EventActivityBinder<Referral, Move<T>> move,
        Func<Referral, bool> holds) where T : class =>
        move.Add(new Guard<T>(~Side.None, (referral, actor) => actor != Side.System || holds(referral) ? null : (Problem)Refusals.NotInThisState));

    /// <summary>What the move does to the row, or why it may not: the pure decision of a slice.</summary>
    public static EventActivityBinder<Referral, Move<T>> Do<T>(this EventActivityBinder<Referral, Move<T>> move,
        Func<Referral, Move<T>, Problem?> decide) where T : class => move.Add(new Decision<T>(decide));

    public static EventActivityBinder<Referral, Move<T>> Do<T>(this EventActivityBinder<Referral, Move<T>> move,
        Action<Referral, Move<T>> change) where T : class => move.Add(new Decision<T>((referral, m) =>
        {
            change(referral, m);
            return null;
        }));

    /// <summary>Says to the reader of the page that a branch before it may leave the state as it is; does nothing.</summary>
    public static EventActivityBinder<Referral, Move<T>> OrStay<T>(this EventActivityBinder<Referral, Move<T>> move)
        where T : class => move.Add(new Staying<T>());

    /// <summary>Writes a row of the history and, from submit on, its event.</summary>
    public static EventActivityBinder<Referral, Move<T>> Tell<T>(this EventActivityBinder<Referral, Move<T>> move, string @event)
        where T : class => move.Add(new Telling<T>(_ => @event, partnersHear: true));

    public static EventActivityBinder<Referral, Move<T>> Tell<T>(this EventActivityBinder<Referral, Move<T>> move, Func<T, string> @event)
        where T : class => move.Add(new Telling<T>(@event, partnersHear: true));

    /// <summary>Writes a row of the history that partners never hear of: the life of a draft.</summary>
    public static EventActivityBinder<Referral, Move<T>> Record<T>(this EventActivityBinder<Referral, Move<T>> move, string @event)
        where T : class => move.Add(new Telling<T>(_ => @event, partnersHear: false));

    public static EventActivityBinder<Referral, Move<T>> Record<T>(this EventActivityBinder<Referral, Move<T>> move, Func<T, string> @event)
        where T : class => move.Add(new Telling<T>(@event, partnersHear: false));

    private sealed class Staying<T> : Activity<T>, IMayStay where T : class
    {
        protected override bool Run(Referral referral, Move<T> move) => true;
    }

    private abstract class Activity<T> : IStateMachineActivity<Referral, Move<T>> where T : class
    {
        /// <summary>False ends the move here.</summary>
        protected abstract bool Run(Referral referral, Move<T> move);

        public Task Execute(BehaviorContext<Referral, Move<T>> context, IBehavior<Referral, Move<T>> next) =>
            Run(context.Saga, context.Message) ? next.Execute(context) : Task.CompletedTask;

        public Task Faulted<TException>(BehaviorExceptionContext<Referral, Move<T>, TException> context,
            IBehavior<Referral, Move<T>> next) where TException : Exception => next.Faulted(context);

        public void Accept(StateMachineVisitor visitor) => visitor.Visit(this);

        public void Probe(ProbeContext context) => context.CreateScope(GetType().Name);
    }

    private sealed class Guard<T>(Side sides, Func<Referral, Side, Problem?> refuses) : Activity<T>, IGuard where T : class
    {
        public Side Sides => sides;

        public Problem? Refuses(Referral referral, Side actor) => refuses(referral, actor);

        protected override bool Run(Referral referral, Move<T> move) =>
            (move.Refusal = refuses(referral, move.Actor.Sides)) is null;
    }

    private sealed class Decision<T>(Func<Referral, Move<T>, Problem?> decide) : Activity<T> where T : class
    {
        protected override bool Run(Referral referral, Move<T> move) => (move.Refusal = decide(referral, move)) is null;
    }

    private sealed class Telling<T>(Func<T, string> name, bool partnersHear) : Activity<T> where T : class
    {
        protected override bool Run(Referral referral, Move<T> move)
        {
            HistoryRows.Write(referral, move, name(move.Command), partnersHear);
            return true;
        }
    }
}
