using MassTransit;
using MassTransit.SagaStateMachine;
using ReferralService.Referrals;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Workflow;

/// <summary>
/// The page of the machine, read back: per state and verb the guards that stand before it. Available actions,
/// permissions and the lifecycle diagram are made of this, so they cannot say anything the machine does not do.
/// </summary>
internal sealed class MoveIndex
{
    private readonly Dictionary<(string State, string Verb), List<IGuard>> _guards = [];
    private readonly Dictionary<string, Side> _sides = [];

    public MoveIndex(ReferralStateMachine machine)
    {
        var reader = new Reader(machine);
        ((StateMachine)machine).Accept(reader);
        Moves = reader.Moves;
        foreach (var move in reader.Moves)
        {
            if (move.To.Count == 0)
                move.To.Add(move.From);
            _guards[(move.From, move.Verb)] = move.Guards;
            var sides = move.Guards.Aggregate(~Side.None, (all, guard) => all & guard.Sides);
            _sides[move.Verb] = _sides.GetValueOrDefault(move.Verb) | sides;
        }
    }

    /// <summary>Every line of the page.</summary>
    public IReadOnlyList<MachineMove> Moves { get; }

    /// <summary>Sides that may do this in at least one state: anybody else is refused with 403 whatever the state.</summary>
    public Side SidesOf(string verb) => _sides.GetValueOrDefault(verb);

    /// <summary>One sentence for people: whose move it is and where it may start.</summary>
    public string Describe(string verb) =>
        $"By {string.Join(" or ", Enum.GetValues<Side>().Where(s => s is not (Side.None or Side.System) && SidesOf(verb).HasFlag(s)).Select(s => s.ToString().ToLowerInvariant()))}; "
        + $"from {string.Join(", ", Moves.Where(m => m.Verb == verb && m.From != "Initial").Select(m => m.From))}.";

    /// <summary>True when the guards of the machine let these sides do it to this row, now.</summary>
    public bool Allows(Referral referral, string verb, Side sides) =>
        _guards.TryGetValue((referral.State, verb), out var guards)
        && guards.TrueForAll(guard => guard.Refuses(referral, sides) is null);

    private sealed class Reader(ReferralStateMachine machine) : StateMachineVisitor
    {
        private string _state = "";
        private MachineMove? _move;
        private string? _passing;

        public List<MachineMove> Moves { get; } = [];

        public void Visit(State state, Action<State> next)
        {
            _state = state.Name;
            next(state);
        }

        public void Visit(Event @event, Action<Event> next) => next(@event);

        public void Visit<TMessage>(Event<TMessage> @event, Action<Event<TMessage>> next) where TMessage : class
        {
            _move = new(_state, machine.VerbOf(@event), [], []);
            _passing = null;
            Moves.Add(_move);
            // the behaviour of this event is visited next, beside the event and not below it
            next(@event);
        }

        public void Visit(IStateMachineActivity activity)
        {
            if (activity is IGuard guard)
                _move?.Guards.Add(guard);
            if (activity is IMayStay && _move is not null && !_move.To.Contains(_move.From))
                _move.To.Add(_move.From);
            if (activity is not TransitionActivity<Referral> transition || _move is null)
                return;
            // a state that the same move leaves again is passed through, not reached
            if (_passing is not null)
                _move.To.Remove(_passing);
            _passing = transition.ToState.Name;
            if (!_move.To.Contains(_passing))
                _move.To.Add(_passing);
        }

        public void Visit(IStateMachineActivity activity, Action<IStateMachineActivity> next)
        {
            Visit(activity);
            if (!activity.GetType().Name.StartsWith("ConditionActivity", StringComparison.Ordinal))
            {
                next(activity);
                return;
            }
            // a branch may not be taken: what came before it stays reachable
            var before = _passing;
            _passing = null;
            next(activity);
            _passing = before;
        }

        public void Visit<T>(IBehavior<T> behavior) where T : class, SagaStateMachineInstance
        {
        }

        public void Visit<T>(IBehavior<T> behavior, Action<IBehavior<T>> next) where T : class, SagaStateMachineInstance => next(behavior);

        public void Visit<T, TMessage>(IBehavior<T, TMessage> behavior) where T : class, SagaStateMachineInstance where TMessage : class
        {
        }

        public void Visit<T, TMessage>(IBehavior<T, TMessage> behavior, Action<IBehavior<T, TMessage>> next)
            where T : class, SagaStateMachineInstance where TMessage : class => next(behavior);
    }
}

/// <summary>One line of the machine's page: from where, on which verb, under which guards, to where.</summary>
internal sealed record MachineMove(string From, string Verb, List<IGuard> Guards, List<string> To);
