using Npgsql;
using ReferralService.Alliances;
using ReferralService.Referrals;
using ReferralService.Referrals.Annotations;
using ReferralService.Referrals.Reading;
using ReferralService.Workflow;
using ServiceDefaults.Auditing;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Privacy;

/// <summary>Why somebody must see what they would not see.</summary>
internal enum GlassReason { EmergencyCare, ContinuedCare, PublicHealthDuty, LegalDuty, Other }

/// <summary>
/// A clinician of the alliance opens a referral that is not theirs, or one whose illness or person is shielded: with a
/// reason, for four hours, and its parties are told before anything is shown.
/// </summary>
internal sealed record BreakGlass(GlassReason? Reason, string? Text) : ICommand
{
    public static readonly TimeSpan Lasts = TimeSpan.FromHours(4);

    /// <summary>One person, in an hour.</summary>
    public const int Most = 10;

    /// <summary>The reason of the addendum that tells the parties.</summary>
    public const string Told = "BREAK_GLASS";

    public void Check(Checks checks)
    {
        checks.Required(Reason, "/reason");
        checks.Text(Text, "/text", Reasons.TextLimit);
        checks.That(string.IsNullOrWhiteSpace(Text) || Text.Trim().Length >= 10, "/text", "Say why in at least 10 characters.", "请至少用 10 个字符说明理由。");
    }
}

/// <summary>Until when the caller sees it.</summary>
internal sealed record GlassBroken(Guid Id, Guid ReferralId, string ReferralNo, DateTimeOffset Until);

internal sealed class BreakGlassDesk(
    NpgsqlDataSource database, Once once, MoveDesk moves, ReferralStore store, MoveRunner runner, Openings openings, GetReferral referrals, Access access, AllianceDirectory directory)
{
    private const int Tries = 8;
    private static readonly Role[] May = [Role.Clinician, Role.Head];

    // the limit is kept by the turn in the database, over all instances; here only one at a time waits for it with a connection
    private readonly SemaphoreSlim _oneAtATime = new(1, 1);

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/v1/referrals/{id}/break-glass", (string id, HttpContext http, BreakGlassDesk desk) => desk.Handle(http, id))
        .Describe("breakGlass", "Privacy", "See a referral that is not one's own or is shielded, with a reason, for four hours; its parties are told.",
            $"For clinicians and heads of an institution of the alliance; {BreakGlass.Most} in an hour. Every use stands in the audit, in the referral's timeline, in the parties' inboxes and in the report. 409 where the caller sees it anyway, or can reveal it.")
        .Accepts<BreakGlass>("application/json").Produces<GlassBroken>(201).RefusesLikeACommand(more: 410)
        .Example(new BreakGlass(GlassReason.EmergencyCare, "患者昏迷送至我院急诊，需了解既往传染病史"),
            new GlassBroken(new("019aa3a8-5c1e-7d31-9a53-0d6f7b1c2e51"), new("019aa3a8-5c1e-7d31-9a53-0d6f7b1c2e4f"), "U261122000001234", new(2026, 11, 22, 5, 30, 0, TimeSpan.Zero)));

    private async Task<IResult> Handle(HttpContext http, string id)
    {
        var (caller, command, key, refused) = await Once.Read<BreakGlass>(http);
        if (refused is not null)
            return refused;
        var found = await store.Find(id);
        if (found is not { } read || read.Referral.SubmittedAt is null || !InReach(caller!, read.Referral))
        {
            await access.Denied(caller!, "break-glass", found?.Referral.Id, id);
            return new ProblemResult(Problems.NotFound);
        }
        var referral = read.Referral;
        if (!May.Contains(caller!.Role))
        {
            await access.Denied(caller, "break-glass", referral.Id, id);
            return new ProblemResult(Problems.Forbidden);
        }
        await _oneAtATime.WaitAsync(http.RequestAborted);
        try
        {
            await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
            await using var turn = await Openings.Turn(caller, connection);
            if (await moves.Replayed(key!) is { } kept)
                return kept;
            if (read.WrappedKey is not { } wrapped)
                return new ProblemResult(Refusals.Erased);
            await referrals.SayHowItIsRead(caller, referral);
            if (referrals.MaySeePatient(caller, referral) || referrals.MayReveal(caller, referral))
                return new ProblemResult(Refusals.NothingToOpen);
            var (times, first) = await Openings.BrokenSince(caller, once.Now.AddHours(-1), turn);
            if (times >= BreakGlass.Most)
                return new ProblemResult(new Problem(Problems.TooMany) { RetryAfter = Math.Max(1, (int)(first!.Value.AddHours(1) - once.Now).TotalSeconds) });
            // the notice first: whoever sees more was announced, even if we die between the two commits
            if (!await Tell(caller, referral.Id, command!))
                return new ProblemResult(Problems.LostRace);
            return await once.Run<GlassBroken>(key!, async (writing, transaction) =>
            {
                var broken = new GlassBroken(Guid.CreateVersion7(once.Now), referral.Id, referral.ReferralNo, once.Now + BreakGlass.Lasts);
                await openings.Add(broken.Id, OpeningKind.BreakGlass, referral, wrapped, caller, command!.Reason!.Value.ToString(), command.Text!, once.Now, BreakGlass.Lasts, writing, transaction);
                await AuditTrail.Write(writing, once.Now, caller with { Purpose = BreakGlass.Told }, "break-glass", denied: false, referral.Id, command.Reason.ToString());
                return new Reply<GlassBroken>(broken, null, 201);
            });
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    // parties, and whoever shares an alliance with one of them
    private bool InReach(Caller caller, Referral referral)
    {
        var day = ChinaTime.DayOf(once.Now);
        return access.IsParty(caller, referral)
            || directory.Current.ShareAnAlliance(caller.Institution, referral.Sender, day)
            || directory.Current.ShareAnAlliance(caller.Institution, referral.Receiver, day);
    }

    private async Task<bool> Tell(Caller caller, Guid id, BreakGlass command)
    {
        var actor = new Actor(Side.System | Side.Sender | Side.Receiver, caller.Subject, caller.Institution, caller.Role.ToString(), caller.OnBehalfOf);
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            var (referral, wrapped) = (await store.Find(id.ToString()))!.Value;
            var move = runner.Begin(runner.Machine.AddAddendum, new Annotate(command.Text), actor);
            move.Reason = BreakGlass.Told;
            var ran = await runner.Run(referral, wrapped, runner.Machine.AddAddendum, move, null, [], _ => new(null, null, Purpose: BreakGlass.Told));
            if (ran is { Refusal: null, Saved: Saved.Done })
                return true;
        }
        return false;
    }
}
