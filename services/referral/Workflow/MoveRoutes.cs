using System.Text.Json;
using MassTransit;
using Npgsql;
using ReferralService.Referrals;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace ReferralService.Workflow;

/// <summary>A verb as the HTTP interface offers it.</summary>
internal sealed record Verb(string Name, string Summary, Role[] Roles, bool NeedsIfMatch, string EventName)
{
    /// <summary>The caller's role may; software makes a clinician's move only where it names the clinician.</summary>
    public bool IsFor(Caller caller) =>
        Roles.Contains(caller.Role) && !(caller is { Role: Role.Machine, OnBehalfOf: null } && Roles == Workflow.Roles.Clinical);
}

/// <summary>Looks up what a command needs before it is decided; may refuse.</summary>
internal delegate Task<(T Command, IReadOnlyList<Birth> Births, Problem? Problem)> Prepare<T>(Preparing<T> about);

/// <param name="WrappedKey">The person's key, to read what is kept under it.</param>
internal sealed record Preparing<T>(T Command, Referral Referral, byte[]? WrappedKey, Caller Caller, Actor Actor, IServiceProvider Services);

/// <summary>
/// Maps <c>POST /v1/referrals/{id}/{verb}</c> and keeps the order of refusals: 401 → 400, 413, 415 → 404 → 403 →
/// replay → 428, 412 → 409 → 422.
/// </summary>
internal sealed class MoveRoutes(IEndpointRouteBuilder routes)
{
    private readonly Dictionary<string, Verb> _verbs = [];

    /// <summary>Every verb that was mapped, in the order of the pages.</summary>
    public IReadOnlyCollection<Verb> Verbs => _verbs.Values;

    public void Map<T>(
        Func<ReferralStateMachine, Event<Move<T>>> on, Role[] roles, string summary, T example,
        bool needsIfMatch = true, Prepare<T>? prepare = null) where T : class, ICommand
    {
        var machine = routes.ServiceProvider.GetRequiredService<ReferralStateMachine>();
        var index = routes.ServiceProvider.GetRequiredService<MoveIndex>();
        var @event = on(machine);
        var verb = new Verb(machine.VerbOf(@event), summary, roles, needsIfMatch, @event.Name);
        _verbs.Add(verb.Name, verb);
        var route = routes.MapPost($"/v1/referrals/{{id}}/{verb.Name}",
            (string id, HttpContext http, MoveDesk desk) => desk.Handle(http, id, verb, @event, prepare));
        // a verb that says everything needs no body
        if (JsonSerializer.SerializeToElement(example, ServiceDefaults.Json.Lenient).EnumerateObject().Any())
            route.Accepts<T>("application/json");
        route.Describe(Camel(verb.Name), "Moves", summary, $"{summary} {index.Describe(verb.Name)} Roles: {string.Join(", ", roles)}.")
            .Produces<CommandAnswer>()
            .RefusesLikeACommand(needsIfMatch)
            .Example(example, CommandAnswer.Example);
    }

    private static string Camel(string verb)
    {
        var parts = verb.Split('-');
        return parts[0] + string.Concat(parts[1..].Select(p => char.ToUpperInvariant(p[0]) + p[1..])) + "Referral";
    }
}

/// <summary>Handles one move from the request to the answer.</summary>
internal sealed class MoveDesk(
    MoveRunner runner, ReferralStore store, Access access, MoveIndex index, Actions actions, NpgsqlDataSource database,
    IServiceProvider services)
{
    private const int Tries = 8;

    public async Task<IResult> Handle<T>(HttpContext http, string id, Verb verb, Event<Move<T>> on, Prepare<T>? prepare)
        where T : class, ICommand
    {
        var (known, incomplete) = Caller.Of(http);
        if (known is not { } caller)
            return new ProblemResult(incomplete!);
        var (command, malformed, bytes) = await RequestBody.Read<T>(http, optional: true);
        if (malformed is not null)
            return new ProblemResult(malformed);
        var checks = new Checks();
        command!.Check(checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        var (key, keyless) = IdempotencyKey.Of(http.Request, caller.Scope, bytes);
        if (keyless is not null)
            return new ProblemResult(keyless);

        for (var attempt = 1; ; attempt++)
        {
            var found = await store.Find(id);
            if (found is not { } read || !access.IsParty(caller, read.Referral))
            {
                await access.Denied(caller, verb.Name, found?.Referral.Id, id);
                return new ProblemResult(Problems.NotFound);
            }
            var (referral, wrappedKey) = read;
            var sides = access.SidesOf(caller, referral);
            if (!verb.IsFor(caller) || (index.SidesOf(verb.Name) & sides) == 0)
            {
                await access.Denied(caller, verb.Name, referral.Id, id);
                return new ProblemResult(Problems.Forbidden);
            }

            // from here on a repetition gets its first answer again, before anything is held against it
            if (verb.NeedsIfMatch && ETags.Check(http.Request, referral.EtagVersion) is { } stale)
                return await Replayed(key!) ?? Refuse(stale, referral, caller);
            if (!index.Allows(referral, verb.Name, sides))
                return await Replayed(key!) ?? Refuse(Why(referral, verb.Name, sides), referral, caller);

            var actor = access.ActorOf(caller, sides);
            IReadOnlyList<Birth> births = [];
            if (prepare is not null)
            {
                (command, births, var problem) = await prepare(new(command, referral, wrappedKey, caller, actor, services));
                if (problem is not null)
                    return await Replayed(key!) ?? Refuse(problem, referral, caller);
            }
            var (saved, refusal, after) = await runner.Run(referral, wrappedKey, on, runner.Begin(on, command, actor), null,
                births, r => new(key, Answer(r, caller, births), Purpose: caller.Purpose));
            if (refusal is not null)
                return await Replayed(key!) ?? Refuse(refusal, referral, caller);
            switch (saved)
            {
                case Saved.Done:
                    http.Response.Headers.ETag = ETags.Of(after.EtagVersion);
                    return TypedResults.Text(JsonSerializer.Serialize(actions.Answer(after, caller, births), ServiceDefaults.Json.Lenient), "application/json");
                case Saved.Repetition:
                    return await Replayed(key!) ?? new ProblemResult(Problems.LostRace);
                case Saved.LostRace when attempt < Tries:
                    continue;
                default:
                    return new ProblemResult(new Problem(Problems.LostRace) { RetryAfter = 1 });
            }
        }
    }

    /// <summary>The kept answer of a repetition; null when the key is new.</summary>
    public async Task<IResult?> Replayed(IdempotencyKey key)
    {
        await using var connection = await database.OpenConnectionAsync();
        var (answer, problem) = await Idempotency.Find(connection, key);
        return problem is not null ? new ProblemResult(problem) : answer is not null ? Idempotency.Replay(answer) : null;
    }

    private KeptAnswer Answer(Referral referral, Caller caller, IReadOnlyList<Birth> births) => new(200,
        JsonSerializer.Serialize(actions.Answer(referral, caller, births), ServiceDefaults.Json.Lenient),
        ETags.Of(referral.EtagVersion), null);

    // the state does not know the verb, or a guard stands before it
    private Problem Why(Referral referral, string verb, Side sides) =>
        index.Moves.FirstOrDefault(m => m.From == referral.State && m.Verb == verb)?
            .Guards.Select(g => g.Refuses(referral, sides)).FirstOrDefault(p => p is not null) ?? Refusals.NotInThisState;

    /// <summary>A 409 says where the referral stands and what is possible.</summary>
    private ProblemResult Refuse(Problem problem, Referral referral, Caller caller) =>
        new(problem.Type.Status != 409 ? problem : problem with
        {
            More = new Dictionary<string, object?>(problem.More)
            {
                ["state"] = referral.State, ["availableActions"] = actions.Of(referral, caller),
                ["linkedNo"] = Access.IsHiddenLink(caller, referral) ? null : referral.LinkedNo,
                ["candidates"] = actions.Candidates(referral, caller),
            },
        });
}
