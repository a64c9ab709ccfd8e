namespace ServiceDefaults.Storage;

/// <summary>
/// Lets commands that arrive at the same time share a statement and a commit. A command alone is written at once;
/// while a group is on its way to the disk the next one gathers. Two commands that touch the same row never share a
/// group, and never stand in two groups at once. A group is of one lane, and a lane has as many groups under way as
/// <paramref name="ofLane"/> says: one lane that is held up holds up no other.
/// </summary>
/// <param name="write">Writes a group and gives each of its commands its result; it does not throw.</param>
/// <param name="writers">Groups under way at once. Of two, one writes while the other waits for the disk; more would only make the groups smaller.</param>
/// <param name="ofLane">Groups of one lane under way at once.</param>
public sealed class SharedCommits<T>(Func<IReadOnlyList<T>, Task> write, int writers = 2, int ofLane = 2) where T : SharedCommits<T>.ICommand
{
    /// <summary>What a group consists of.</summary>
    public interface ICommand
    {
        /// <summary>The rows that it changes.</summary>
        IEnumerable<Guid> Touches { get; }

        /// <summary>What it may have to wait for together with others, e.g. the lines of an institution.</summary>
        string Lane => "";
    }

    private const int Most = 64;

    private readonly Lock _lock = new();
    private readonly LinkedList<T> _waiting = new();
    private readonly HashSet<Guid> _underWay = [];
    private readonly Dictionary<string, int> _lanes = [];
    private int _writers;

    /// <summary>Takes a command over; the group that it becomes part of gives it its result.</summary>
    public void Add(T command)
    {
        lock (_lock)
        {
            _waiting.AddLast(command);
            if (_writers == writers)
                return;
            _writers++;
        }
        _ = Work();
    }

    private async Task Work()
    {
        while (Take() is { Count: > 0 } group)
        {
            await write(group);
            lock (_lock)
            {
                if (--_lanes[group[0].Lane] == 0)
                    _lanes.Remove(group[0].Lane);
                foreach (var command in group)
                    _underWay.ExceptWith(command.Touches);
            }
        }
    }

    // who finds nothing to do ends; what waits for a row or a lane under way is taken by the writer that has it
    private List<T> Take()
    {
        var group = new List<T>();
        lock (_lock)
        {
            for (var node = _waiting.First; node is not null && group.Count < Most;)
            {
                var (command, next) = (node.Value, node.Next);
                if ((group.Count > 0 ? command.Lane == group[0].Lane : _lanes.GetValueOrDefault(command.Lane) < ofLane) && !command.Touches.Any(_underWay.Contains))
                {
                    _underWay.UnionWith(command.Touches);
                    group.Add(command);
                    _waiting.Remove(node);
                }
                node = next;
            }
            if (group.Count > 0)
                _lanes[group[0].Lane] = _lanes.GetValueOrDefault(group[0].Lane) + 1;
            else
                _writers--;
        }
        return group;
    }
}
