namespace NotificationService;

internal enum MessageState { Waiting, Delivered, Exhausted }

/// <summary>What an endpoint answered, or why it did not.</summary>
/// <param name="Failure">Null when the message was taken: a 2xx, nothing else.</param>
/// <param name="Text">The first 1024 bytes of the answer's body.</param>
internal sealed record Answer(int? Status, string? Failure, string? Text, TimeSpan? RetryAfter)
{
    public bool Succeeded => Failure is null;

    /// <summary>The receiver will not come back (410).</summary>
    public bool Gone => Status == 410;

    /// <summary>The receiver, or what stands before it, has too much to do.</summary>
    public bool Overloaded => Status is 429 or 502 or 504;

    public static Answer Unanswered(string failure) => new(null, failure, null, null);
}

/// <summary>What becomes of a message after an attempt.</summary>
internal sealed record Verdict(MessageState State, int Step, DateTimeOffset DueAt)
{
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromHours(24);

    /// <param name="step">Where in the schedule the message stood.</param>
    /// <param name="jitter">0 to 1: spreads what failed together by up to a tenth of the pause.</param>
    public static Verdict Of(int step, Answer answer, IReadOnlyList<TimeSpan> schedule, DateTimeOffset now, double jitter)
    {
        if (answer.Succeeded)
            return new(MessageState.Delivered, step, now);
        var next = step + 1;
        if (next >= schedule.Count)
            return new(MessageState.Exhausted, step, now);
        var due = now + schedule[next] * (1 + 0.1 * jitter);
        return new(MessageState.Waiting, next, LeftAloneUntil(answer, now) is { } wish && wish > due ? wish : due);
    }

    /// <summary>Until when the receiver asked to be left alone, at most a day.</summary>
    public static DateTimeOffset? LeftAloneUntil(Answer answer, DateTimeOffset now) =>
        answer.RetryAfter is { } pause ? now + (pause < LongestRetryAfter ? pause : LongestRetryAfter) : null;
}
