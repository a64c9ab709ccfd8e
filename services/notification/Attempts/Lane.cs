using Polly;
using Polly.CircuitBreaker;
using Polly.Timeout;

namespace NotificationService;

/// <summary>
/// The way to one endpoint: how many attempts are under way, and whether it rests. After five failures and no
/// success within half a minute its circuit opens, and one attempt at a time finds out whether it is back.
/// </summary>
internal sealed class Lane
{
    private const int MostDoublings = 4;

    private readonly ResiliencePipeline<Answer> _pipeline;
    private readonly int _workers;
    private readonly TimeProvider _clock;
    private long _restUntil;

    public Lane(WebhookSettings settings, TimeProvider clock)
    {
        _workers = settings.WorkersPerEndpoint;
        _clock = clock;
        _pipeline = new ResiliencePipelineBuilder<Answer> { TimeProvider = clock }
            .AddCircuitBreaker(new()
            {
                FailureRatio = 1,
                MinimumThroughput = 5,
                SamplingDuration = TimeSpan.FromSeconds(30),
                ShouldHandle = args => ValueTask.FromResult(args.Outcome.Exception is TimeoutRejectedException || args.Outcome.Result is { Succeeded: false }),
                BreakDurationGenerator = args => ValueTask.FromResult(
                    settings.Rest * Math.Min(12, 1 << Math.Min(args.HalfOpenAttempts, MostDoublings))),
                OnOpened = args =>
                {
                    Interlocked.Exchange(ref _restUntil, (clock.GetUtcNow() + args.BreakDuration).UtcTicks);
                    return default;
                },
            })
            .AddTimeout(settings.Timeout)
            .Build();
    }

    /// <summary>Attempts under way. Only the dispatcher's loop changes it.</summary>
    public int UnderWay { get; set; }

    /// <summary>The last attempts failed: one at a time, from the smaller share of the workers.</summary>
    public bool Failing { get; set; }

    public bool Rests => _clock.GetUtcNow().UtcTicks < Interlocked.Read(ref _restUntil);

    public int Free => Rests ? 0 : Math.Max(0, (Failing ? 1 : _workers) - UnderWay);

    /// <summary>The answer, or null when the circuit has opened meanwhile and nothing was sent.</summary>
    public async Task<Answer?> Send(Delivery delivery, ClaimedMessage message, CancellationToken ct)
    {
        try
        {
            return await _pipeline.ExecuteAsync(async token => await delivery.Send(message, token), ct);
        }
        catch (TimeoutRejectedException)
        {
            return Answer.Unanswered("timeout");
        }
        catch (BrokenCircuitException)
        {
            return null;
        }
    }
}
