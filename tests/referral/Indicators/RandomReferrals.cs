using MassTransit;
using Npgsql;
using NpgsqlTypes;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Deadlines;
using ReferralService.Referrals;
using ReferralService.Referrals.Annotations;
using ReferralService.Referrals.Attachments;
using ReferralService.Referrals.Booking;
using ReferralService.Referrals.Decision;
using ReferralService.Referrals.Ending;
using ReferralService.Referrals.FollowUps;
using ReferralService.Referrals.Intake;
using ReferralService.Referrals.Journey;
using ReferralService.Referrals.Treatment;
using ReferralService.Referrals.Triage;
using ReferralService.Tests.Machine;
using ReferralService.Workflow;

namespace ReferralService.Tests.Indicators;

/// <summary>
/// Lives of referrals between institutions of the demo alliance, led at random through the real machine, with the
/// timers that run out on the way. What the machine wrote is kept: rows, histories and the events as published.
/// </summary>
internal sealed class RandomReferrals(AllianceSnapshot alliance, IReadOnlyDictionary<string, string> departments, int seed)
{
    private readonly Random _random = new(seed);
    private readonly Dictionary<Guid, Referral> _rows = [];
    private readonly string[] _institutions = [.. departments.Keys.Order(StringComparer.Ordinal)];

    /// <summary>In the order they were born: a parent stands before its children.</summary>
    public List<Referral> Rows => [.. _order.Select(id => _rows[id])];
    public List<(Referral Of, Move Move, HistoryRow Row)> Histories { get; } = [];
    public IEnumerable<string> Events => Histories.Select(h => h.Row.EventBody).OfType<string>();

    private readonly List<Guid> _order = [];

    public static async Task<RandomReferrals> Make(ReferralHost host, int referrals, int seed, DateTimeOffset from, TimeSpan within)
    {
        string[] all = [ReferralHost.Township, ReferralHost.OtherTownship, ReferralHost.County, ReferralHost.Tertiary, ReferralHost.Stranger, "12210681DEM000065U"];
        var departments = (await host.Database.Query<(string Institution, string Code)>(
            "select institution, min(code) from department where institution = any(@all) and bookable group by 1", new { all })).ToDictionary(d => d.Institution, d => d.Code);
        var alliance = ((AllianceDirectory)host.Services.GetService(typeof(AllianceDirectory))!).Current;
        var made = new RandomReferrals(alliance, departments, seed);
        while (made._rows.Count < referrals)
            made.Live(from + within * made._random.NextDouble());
        return made;
    }

    private void Live(DateTimeOffset now)
    {
        var kinds = Enum.GetValues<ReferralKind>();
        var kind = _random.Next(3) == 0 ? Pick(kinds) : ReferralKind.InpatientTransfer;
        var emergency = kind is ReferralKind.InpatientTransfer && _random.Next(6) == 0;
        var first = New(kind, emergency ? Priority.Emergency : _random.Next(3) == 0 ? Priority.Urgent : Priority.Routine, now);
        if (!Raise(first, m => m.Submit, new SubmitReferral(), Side.Sender, now))
            return;
        for (var step = 0; step < 30; step++)
        {
            var open = _order.Skip(_order.IndexOf(first.Id)).Select(id => _rows[id]).Where(r => !r.IsFinal || _random.Next(12) == 0).ToArray();
            if (open.Length == 0 || _random.Next(40) == 0)
                return;
            var r = Pick(open);
            now += TimeSpan.FromMinutes(Math.Pow(_random.NextDouble(), 5) * 2400);
            if (Late(r, now))
                continue;
            Step(_rows[r.Id], now);
        }
    }

    // what the sweeper would do with the first timer that is due
    private bool Late(Referral r, DateTimeOffset now)
    {
        if (Timers.Running(r).Where(t => t.DueAt <= now).MinBy(t => t.DueAt) is not { } due || Timers.StepOf(r, due, alliance)?.Rung is not { } rung)
            return false;
        var facts = new DeadlineFacts(due.Timer, due.DueAt!.Value, due.Level + 1);
        var climbed = r.Copy();
        Timers.Climb(climbed, due, alliance);
        return rung switch
        {
            Rung.Acts => due.Timer switch
            {
                "Claim" => Raise(climbed, m => m.Release, new ReleaseReferral(null, null), Side.System, now),
                "Triage" or "Information" => Raise(climbed, m => m.Expire, new ExpireReferral(facts), Side.System, now),
                "Absence" or "Arrival" => Raise(climbed, m => m.MissAppointment, new RecordNoShow("UNKNOWN", null), Side.System, now),
                "NoShow" => Raise(climbed, m => m.Close, new CloseReferral("NO_SHOW", null, null), Side.System, now),
                "BedHold" => Raise(climbed, m => m.CancelBooking, new CancelBooking("BED_LOST", null), Side.System, now),
                _ => Raise(climbed, m => m.ConfirmCancellation, new ConfirmCancellation(), Side.System, now),
            },
            _ => Raise(climbed, m => m.DeadlineReached, new DeadlineReached(facts, rung switch
            {
                Rung.Warning => ReferralEvents.DeadlineWarning, Rung.Missed => ReferralEvents.DeadlineMissed,
                Rung.FollowUpOverdue => ReferralEvents.FollowUpOverdue, _ => ReferralEvents.Escalated,
            }), Side.System, now),
        };
    }

    private void Step(Referral r, DateTimeOffset now)
    {
        var department = departments[r.Receiver];
        // a reading is taken up and reported in one go, or the claim runs out
        if (r.Kind == ReferralKind.DiagnosticReading && _random.Next(3) == 0 && Raise(r, m => m.Claim, new ClaimReferral(), Side.Receiver, now))
        {
            Raise(_rows[r.Id], m => m.Report, new ReportResult("x"), Side.Receiver, now.AddMinutes(5));
            return;
        }
        switch (_random.Next(27))
        {
            case 0: Raise(r, m => m.Claim, new ClaimReferral(), Side.Receiver, now); break;
            case 1: Raise(r, m => m.RequestInformation, new RequestInformation("MISSING_RESULTS", null), Side.Receiver, now); break;
            case 2: Raise(r, m => m.SupplyInformation, new SupplyInformation("x"), Side.Sender, now); break;
            case 3 or 4 or 5 or 6: Raise(r, m => m.Accept, new AcceptReferral(department, null, null), Side.Receiver, now); break;
            case 7: Raise(r, m => m.Decline, new DeclineReferral(r.IsUp ? Pick(["OTHER", "NO_CAPACITY"]) : Pick(["OTHER", "BED_FULL"]), "x"), Side.Receiver, now); break;
            case 8 when r.Kind is ReferralKind.DiagnosticReading or ReferralKind.Examination or ReferralKind.Teleconsultation:
                Raise(r, m => m.Report, new ReportResult("x"), Side.Receiver, now);
                break;
            case 8: Raise(r, m => m.Advise, new AdviseReferral("ADVICE_ONLY", "x"), Side.Receiver, now); break;
            case 9:
                var target = Pick(_institutions);
                Raise(r, m => m.Redirect, new RedirectReferral(target, departments[target], null, Pick(["NO_ANSWER", "NO_CAPACITY"]), "x", true), Pick([Side.Sender, Side.Receiver]), now);
                break;
            case 10 or 11: Raise(r, m => m.Booked, new RecordBooking(r.Leg, r.BookingAttempt + 1, Guid.NewGuid(), "Slot", now.AddHours(20), now.AddHours(21), null, null, FromPool: r.BookingAttempt % 3 == 0), Side.System, now); break;
            case 12: Raise(r, m => m.NoCapacity, new RecordNoCapacity(r.Leg, r.BookingAttempt + 1), Side.System, now); break;
            case 13: Raise(r, m => m.Dispatch, new DispatchPatient(Transport.Self, null, now.AddHours(3), null), Side.Sender, now); break;
            case 14 or 15 or 16: Raise(r, m => m.Arrive, new RecordArrival(null, Identification.IdCard, null, department, null), Side.Receiver, now); break;
            case 17 or 18: Raise(r, m => m.CompleteTreatment, new CompleteTreatment("x", null, "x", null, _random.Next(4) > 0), Side.Receiver, now); break;
            case 19 or 20: Return(r, now); break;
            case 21: Raise(r, m => m.CompleteWithoutReturn, new CompleteWithoutReturn("CURED", null), Side.Receiver, now); break;
            case 22:
                // nobody is reached on one day, or on no day at all
                var unreachable = _random.Next(2) == 0;
                for (var attempts = unreachable ? _random.Next(1, 5) : 1; attempts > 0; attempts--)
                    Raise(_rows[r.Id], m => m.RecordFollowUp, new RecordFollowUp(FollowUpWay.Home, "x", null, null) { Unreachable = unreachable }, Side.Receiver, now);
                break;
            case 23: Raise(r, m => m.Finish, new FinishPlan("x"), Side.Receiver, now); break;
            case 24: Raise(r, m => m.Rate, new RateReferral(_random.Next(1, 6), null), Side.Sender, now); break;
            case 25: Seldom(r, now); break;
            case 26:
                Raise(r, m => m.Attach, new AttachResult("x", "CT-001", "lab", _random.Next(2) == 0, new DateOnly(2099, 12, 31), "urn:x")
                {
                    RepeatReason = "CONDITION_CHANGED",
                    OnFile = _random.Next(3) == 0 ? new(r.Sender, "lab", null, new DateOnly(2099, 12, 31), now) : null,
                }, Side.Receiver, now);
                break;
        }
    }

    private void Seldom(Referral r, DateTimeOffset now)
    {
        switch (_random.Next(12))
        {
            case 0: Raise(r, m => m.MarkInError, new MarkInError("x"), Side.Sender, now); break;
            case 1: Raise(r, m => m.Close, new CloseReferral(Pick(["ENTERED_IN_ERROR", "DIED", "OTHER_HOSPITAL"]), null, null), Side.Receiver, now); break;
            case 2: Raise(r, m => m.Cancel, new CancelReferral("PATIENT_WITHDRAW", null), Side.Sender, now); break;
            case 3: Raise(r, m => m.RequestCancellation, new RequestCancellation("PATIENT_WITHDRAW", null), Side.Sender, now); break;
            case 4: Raise(r, m => m.WithdrawAcceptance, new WithdrawAcceptance(Pick(["BED_LOST", "OTHER"]), "x"), Side.Receiver, now); break;
            case 5: Raise(r, m => m.MakeEmergency, new MakeEmergency(GreenChannel.Stroke, null) { StandingAgreement = _random.Next(2) == 0 }, Side.Sender, now); break;
            case 6: Raise(r, m => m.Acknowledge, new AcknowledgeEmergency(), Side.Receiver, now); break;
            case 7: Raise(r, m => m.MissAppointment, new RecordNoShow("FORGOT", null), Side.Receiver, now); break;
            case 8: Raise(r, m => m.TakeBack, new TakeBackCancellation(), Side.Sender, now); break;
            case 9: Raise(r, m => m.Assign, new AssignReferral(DoctorOf(r.Receiver) ?? ""), Side.Receiver, now); break;
            case 10: Raise(r, m => m.RaisePriority, new ChangePriority("x"), Side.Sender, now); break;
            case 11: Raise(r, m => m.Release, new ReleaseReferral("WORKLOAD", null), Side.Receiver, now); break;
        }
    }

    private string? DoctorOf(string institution) =>
        Enumerable.Range(1, 400).Select(n => $"dr-{n:0000}").FirstOrDefault(id => alliance.WorksAt(id, institution));

    private void Return(Referral r, DateTimeOffset now)
    {
        var child = New(ReferralKind.RehabReturn, Priority.Routine, now, r.Receiver, r.Sender);
        (child.ParentId, child.ParentNo, child.Relation, child.EpisodeId) = (r.Id, r.ReferralNo, Relation.Return, r.EpisodeId);
        if (Raise(r, m => m.Return, new ReturnPatient(CreateReferral.Example) { Child = new(child, new(1, "x", "x"), null) }, Side.Receiver, now))
            Raise(child, m => m.Submit, new SubmitReferral(true), Side.Sender, now);
    }

    private Referral New(ReferralKind kind, Priority priority, DateTimeOffset now, string? sender = null, string? receiver = null)
    {
        var r = InMemory.New(kind, priority, agreement: priority == Priority.Emergency && _random.Next(2) == 0, now);
        r.Sender = sender ?? Pick(_institutions);
        r.Receiver = receiver ?? Pick([.. _institutions.Where(i => i != r.Sender)]);
        // the demo's institutions are a sandbox, and a sandbox keeps to itself
        r.Synthetic = true;
        (r.Tried, r.Department, r.Contracted) = ([r.Receiver], departments[r.Receiver], _random.Next(4) == 0);
        r.Flags = _random.Next(10) switch { 0 => ["NO_INDICATION"], 1 => ["IN_CATALOGUE_NO_INDICATION", "DUPLICATE_CONFIRMED"], 2 => ["RETRO_ENTRY"], _ => [] };
        r.ConsentAt = now;
        return r;
    }

    // a refused move has touched a copy and leaves nothing; one that is done is kept with all that follows from it
    private bool Raise<T>(Referral referral, Func<ReferralStateMachine, Event<Move<T>>> on, T command, Side side, DateTimeOffset now) where T : class
    {
        var row = referral.Copy();
        var actor = side == Side.System ? Actor.System with { Institution = row.Receiver }
            : new Actor(side, "dr-" + _random.Next(1, 6), side == Side.Sender ? row.Sender : row.Receiver,
                _random.Next(6) == 0 ? "Machine" : "Clinician", _random.Next(2) == 0 ? "dr-behind" : null);
        var @event = on(InMemory.Machine);
        var move = InMemory.Driver.Raise(row, @event, new Move<T>(command, InMemory.Machine.VerbOf(@event), actor, now) { Alliance = alliance }).GetAwaiter().GetResult();
        return Keep(row, move);
    }

    private bool Keep(Referral row, Move move)
    {
        if (!move.WasDone())
            return false;
        if (_rows.TryAdd(row.Id, row))
            _order.Add(row.Id);
        _rows[row.Id] = row;
        Histories.AddRange(move.Rows.Select(h => (row, move, h)));
        foreach (var consequence in move.Consequences)
        {
            var linked = _rows[consequence.ReferralId].Copy();
            Keep(linked, consequence.Raise(InMemory.Driver, linked, move).GetAwaiter().GetResult());
        }
        return true;
    }

    private T Pick<T>(IReadOnlyList<T> from) => from[_random.Next(from.Count)];

    /// <summary>Stores rows and histories as the one write of a move would have left them.</summary>
    public async Task Store(string connectionString)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        foreach (var rows in Rows.Chunk(1000))
        {
            // no timer runs on: the service's own sweeper would go on with these lives
            var ended = Array.ConvertAll(rows, r => r.Copy());
            foreach (var row in ended)
                (row.Timers, row.NextDeadline, row.NextDeadlineAt) = ("[]", null, null);
            await using var insert = new NpgsqlCommand($"""
                with input as (select * from unnest({ReferralColumns.Parameters}) as input ({ReferralColumns.Names})),
                person as (insert into patient (id) select patient_id from input)
                insert into referral ({ReferralColumns.Names}) select {ReferralColumns.Values} from input
                """, connection);
            ReferralColumns.Put(insert.Parameters, ended);
            await insert.ExecuteNonQueryAsync();
        }
        await using var copy = await connection.BeginBinaryImportAsync("""
            copy history (referral_id, version, sequence, message_id, verb, event, from_state, to_state, leg, at, subject,
                          institution, role, on_behalf_of, reason, detail) from stdin (format binary)
            """);
        foreach (var (of, move, row) in Histories)
        {
            await copy.StartRowAsync();
            await copy.WriteAsync(of.Id, NpgsqlDbType.Uuid);
            await copy.WriteAsync(row.Version, NpgsqlDbType.Bigint);
            await Text(row.Sequence, NpgsqlDbType.Bigint);
            await copy.WriteAsync(row.MessageId, NpgsqlDbType.Uuid);
            await Text(move.Verb, NpgsqlDbType.Text);
            await Text(row.Event, NpgsqlDbType.Text);
            await Text(row.From, NpgsqlDbType.Text);
            await Text(row.To, NpgsqlDbType.Text);
            await copy.WriteAsync(row.Leg, NpgsqlDbType.Integer);
            await copy.WriteAsync(move.Now.UtcDateTime, NpgsqlDbType.TimestampTz);
            await Text(move.Actor.Subject, NpgsqlDbType.Text);
            await Text(move.Actor.Institution, NpgsqlDbType.Text);
            await Text(move.Actor.Role, NpgsqlDbType.Text);
            await Text(move.Actor.OnBehalfOf, NpgsqlDbType.Text);
            await Text(row.Reason, NpgsqlDbType.Text);
            await Text(row.Detail?.ToJsonString(), NpgsqlDbType.Jsonb);
        }
        await copy.CompleteAsync();

        Task Text(object? value, NpgsqlDbType type) => value is null ? copy.WriteNullAsync() : copy.WriteAsync(value, type);
    }
}
