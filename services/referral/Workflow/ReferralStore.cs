using System.Text.Json;
using Dapper;
using Npgsql;
using NpgsqlTypes;
using ReferralService.Patients;
using ReferralService.Referrals;
using Referrals.Contracts;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Messaging;
using ServiceDefaults.Storage;

namespace ReferralService.Workflow;

/// <summary>How a write ended.</summary>
internal enum Saved
{
    Done,
    /// <summary>Somebody else moved the row first: nothing was written.</summary>
    LostRace,
    /// <summary>The same Idempotency-Key was written by another request: nothing was written.</summary>
    Repetition,
    /// <summary>The same message was handled before: nothing was written.</summary>
    AlreadyHandled,
}

/// <summary>One referral of a write: the row as it shall be, what it was before, and the moves that made it so.</summary>
internal sealed class Unit(Referral referral, long readVersion, byte[]? wrappedKey, NewReferral? isNew)
{
    public Referral Referral => referral;
    /// <summary>The version the row must still have.</summary>
    public long ReadVersion => readVersion;
    public byte[]? WrappedKey => wrappedKey;
    public NewReferral? New => isNew;
    public List<Move> Moves { get; } = [];
}

/// <summary>What is stored in the same transaction beside the referrals.</summary>
/// <param name="Key">Idempotency key of the request, with the answer to keep.</param>
/// <param name="MessageId">Message that caused it, with its consumer.</param>
internal sealed record Alongside(IdempotencyKey? Key, KeptAnswer? Answer, Guid? MessageId = null, string? Consumer = null, string Purpose = "TREATMENT");

/// <summary>
/// The one guarded write: row, history, outbox, slip, inbox, idempotency key and audit in one round trip and one
/// commit. Everything of a command is stored, or nothing.
/// </summary>
internal sealed class ReferralStore(NpgsqlDataSource database, PatientKeys keys, OutboxSignal outbox)
{
    /// <summary>A referral by id or number with its person's wrapped key; null when there is none.</summary>
    public async Task<(Referral Referral, byte[]? WrappedKey)?> Find(string idOrNumber)
    {
        await using var connection = await database.OpenConnectionAsync();
        return Guid.TryParse(idOrNumber, out var id)
            ? await Load(connection, ById, new { id })
            : await Load(connection, ByNumber, new { number = idOrNumber.ToUpperInvariant() });
    }

    private const string ById = """
        select r.*, p.wrapped_key from referral r join patient p on p.id = r.patient_id where r.id = @id
        """;

    private const string ByNumber = """
        select r.*, p.wrapped_key from referral r join patient p on p.id = r.patient_id where r.referral_no = @number
        """;

    private static async Task<(Referral, byte[]?)?> Load(NpgsqlConnection connection, string sql, object parameters)
    {
        var found = await connection.QueryAsync<Referral, Wrapped, (Referral, byte[]?)>(
            sql, (referral, key) => (Remembering(referral), key?.WrappedKey), parameters, splitOn: "wrapped_key");
        foreach (var row in found)
            return row;
        return null;
    }

    private sealed record Wrapped(byte[]? WrappedKey);

    private static Referral Remembering(Referral r)
    {
        r.Told = new(r.State, r.Leg, r.Priority, r.SlipVersion);
        return r;
    }

    /// <summary>Stores all units or none. On <see cref="Saved.LostRace"/> read again and decide again.</summary>
    public async Task<Saved> Save(IReadOnlyList<Unit> units, Alongside alongside)
    {
        await using var connection = await database.OpenConnectionAsync();
        await using var batch = new NpgsqlBatch(connection);
        foreach (var unit in units)
            batch.BatchCommands.Add(Write(unit, alongside.Purpose));
        if (alongside is { Key: { } key, Answer: { } answer })
            batch.BatchCommands.Add(Keep(key, answer));
        if (alongside.MessageId is { } message)
            batch.BatchCommands.Add(Handled(message, alongside.Consumer!));
        try
        {
            // one implicit transaction: an error in any statement undoes all of them
            await batch.ExecuteNonQueryAsync();
        }
        catch (PostgresException e) when (Idempotency.IsRepetition(e))
        {
            return Saved.Repetition;
        }
        catch (PostgresException e) when (e is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "inbox_pk" })
        {
            return Saved.AlreadyHandled;
        }
        catch (PostgresException e) when (e.SqlState == LostRaceState
            || e is { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "history_pkey" or "referral_one_live_return" }
            || e.SqlState == PostgresErrorCodes.DeadlockDetected)
        {
            return Saved.LostRace;
        }
        outbox.Wake();
        return Saved.Done;
    }

    /// <summary>Raised by the function <c>lost_race()</c> when the guard finds another version.</summary>
    private const string LostRaceState = "RF001";

    // the guard: the version that was read must still stand, or the whole batch is undone
    private const string Update = """
        with moved as (
            update referral set (
                    direction, kind, priority, green_channel, patient_class, channel, patient_masked,
                    patient_sex, patient_birth_year, slip_version, sender_clinician, receiver, department,
                    clinician, leg, tried, external, sender_own_no, receiver_own_no, diagnosis_code,
                    diagnosis_group, sensitive, purposes, eligibility, flags, contracted, standing_agreement,
                    state, state_since, version, sequence, etag_version, author, claimed_by, claimed_until,
                    assigned, came_from, reason, outcome, after_acceptance, replaced_by, submitted_at,
                    leg_submitted_at, triage_paused, accepted_at, scheduled_at, acknowledged_at,
                    dispatched_at, arrived_at, treatment_started_at, treated_at, ended_at, consent_at,
                    identified, booking_id, booking_resource, booking_starts_at, booking_ends_at,
                    booking_code_hash, booking_attempt, expected_arrival, visit_no, rehab_eligible,
                    live_child_id, live_child_no, return_accepted_at, return_since, linked_id, linked_no,
                    follow_ups_planned, follow_ups_done, next_follow_up_on, follow_up_since, rating, in_error, changed_at,
                    timers, next_deadline, next_deadline_at)
                = (
                    @direction, @kind, @priority, @green_channel, @patient_class, @channel, @patient_masked,
                    @patient_sex, @patient_birth_year, @slip_version, @sender_clinician, @receiver,
                    @department, @clinician, @leg, @tried, @external, @sender_own_no, @receiver_own_no,
                    @diagnosis_code, @diagnosis_group, @sensitive, @purposes, @eligibility, @flags,
                    @contracted, @standing_agreement, @state, @state_since, @version, @sequence,
                    @etag_version, @author, @claimed_by, @claimed_until, @assigned, @came_from, @reason,
                    @outcome, @after_acceptance, @replaced_by, @submitted_at, @leg_submitted_at,
                    @triage_paused, @accepted_at, @scheduled_at, @acknowledged_at, @dispatched_at,
                    @arrived_at, @treatment_started_at, @treated_at, @ended_at, @consent_at, @identified,
                    @booking_id, @booking_resource, @booking_starts_at, @booking_ends_at, @booking_code_hash,
                    @booking_attempt, @expected_arrival, @visit_no, @rehab_eligible, @live_child_id,
                    @live_child_no, @return_accepted_at, @return_since, @linked_id, @linked_no,
                    @follow_ups_planned, @follow_ups_done, @next_follow_up_on, @follow_up_since, @rating,
                    @in_error, @changed_at, @timers, @next_deadline, @next_deadline_at)
            where id = @id and version = @read_version
            returning id
        ),
        BESIDE
        select case when exists (select from moved) then 0 else lost_race() end
        """;

    private const string Insert = """
        with person as (
            insert into patient (id, wrapped_key, key_id, identity, id_index)
            select @patient_id, @wrapped_key, @key_id, @identity, @id_index where @new_patient
        ),
        moved as (
            insert into referral (
                    id, referral_no, episode_id, parent_id, parent_no, relation, direction, kind, priority,
                    green_channel, patient_class, channel, synthetic, patient_id, patient_masked, patient_sex,
                    patient_birth_year, slip_version, sender, sender_clinician, receiver, department,
                    clinician, leg, tried, external, sender_own_no, receiver_own_no, diagnosis_code,
                    diagnosis_group, sensitive, purposes, eligibility, flags, contracted, standing_agreement,
                    state, state_since, version, sequence, etag_version, author, claimed_by, claimed_until,
                    assigned, came_from, reason, outcome, after_acceptance, replaced_by, drafted_at,
                    submitted_at, leg_submitted_at, triage_paused, accepted_at, scheduled_at, acknowledged_at,
                    dispatched_at, arrived_at, treatment_started_at, treated_at, ended_at, consent_at,
                    identified, booking_id, booking_resource, booking_starts_at, booking_ends_at,
                    booking_code_hash, booking_attempt, expected_arrival, visit_no, rehab_eligible,
                    live_child_id, live_child_no, return_accepted_at, return_since, linked_id, linked_no,
                    follow_ups_planned, follow_ups_done, next_follow_up_on, follow_up_since, rating, in_error, changed_at,
                    timers, next_deadline, next_deadline_at)
            values (
                    @id, @referral_no, @episode_id, @parent_id, @parent_no, @relation, @direction, @kind,
                    @priority, @green_channel, @patient_class, @channel, @synthetic, @patient_id,
                    @patient_masked, @patient_sex, @patient_birth_year, @slip_version, @sender,
                    @sender_clinician, @receiver, @department, @clinician, @leg, @tried, @external,
                    @sender_own_no, @receiver_own_no, @diagnosis_code, @diagnosis_group, @sensitive,
                    @purposes, @eligibility, @flags, @contracted, @standing_agreement, @state, @state_since,
                    @version, @sequence, @etag_version, @author, @claimed_by, @claimed_until, @assigned,
                    @came_from, @reason, @outcome, @after_acceptance, @replaced_by, @drafted_at,
                    @submitted_at, @leg_submitted_at, @triage_paused, @accepted_at, @scheduled_at,
                    @acknowledged_at, @dispatched_at, @arrived_at, @treatment_started_at, @treated_at,
                    @ended_at, @consent_at, @identified, @booking_id, @booking_resource, @booking_starts_at,
                    @booking_ends_at, @booking_code_hash, @booking_attempt, @expected_arrival, @visit_no,
                    @rehab_eligible, @live_child_id, @live_child_no, @return_accepted_at, @return_since,
                    @linked_id, @linked_no, @follow_ups_planned, @follow_ups_done, @next_follow_up_on,
                    @follow_up_since, @rating, @in_error, @changed_at, @timers, @next_deadline, @next_deadline_at)
            returning id
        ),
        BESIDE
        select 0
        """;

    // what both have beside the row
    private const string Beside = """
        known as (
            update patient set identity = @identity, id_index = @id_index
            where id = @patient_id and @identity is not null and not @new_patient
        ),
        slipped as (
            insert into slip (referral_id, version, content, written_by, written_at)
            select id, @slip_version, @slip_content, @slip_author, @now from moved where @slip_content is not null
        ),
        told as (
            insert into history (referral_id, version, sequence, message_id, verb, event, from_state, to_state, leg, at,
                                 subject, institution, role, on_behalf_of, reason, detail, words)
            select moved.id, h.version, h.sequence, h.message_id, h.verb, h.event, h.from_state, h.to_state, h.leg, @now,
                   h.subject, h.institution, h.role, h.on_behalf_of, h.reason, h.detail::jsonb, h.words
            from moved, unnest(@h_version, @h_sequence, @h_message, @h_verb, @h_event, @h_from, @h_to, @h_leg, @h_subject,
                               @h_institution, @h_role, @h_behalf, @h_reason, @h_detail, @h_words)
                        as h (version, sequence, message_id, verb, event, from_state, to_state, leg, subject,
                              institution, role, on_behalf_of, reason, detail, words)
        ),
        published as (
            insert into outbox (message_id, exchange, routing_key, body)
            select o.message_id, 'referral-events', o.routing_key, o.body
            from moved, unnest(@h_message, @o_key, @o_body) with ordinality as o (message_id, routing_key, body, n)
            where o.body is not null
            order by o.n
        ),
        audited as (
            insert into audit (at, subject, institution, role, on_behalf_of, purpose, action, verdict, referral_id)
            select @now, h.subject, h.institution, h.role, h.on_behalf_of, @purpose, h.verb, 'allowed', moved.id
            from moved, (select distinct on (verb) * from unnest(@h_verb, @h_subject, @h_institution, @h_role, @h_behalf)
                         as a (verb, subject, institution, role, on_behalf_of)) h
        )
        """;

    private static readonly string UpdateSql = Update.Replace("BESIDE", Beside);
    private static readonly string InsertSql = Insert.Replace("BESIDE", Beside);

    private NpgsqlBatchCommand Write(Unit unit, string purpose)
    {
        var command = new NpgsqlBatchCommand(unit.New is null ? UpdateSql : InsertSql);
        var p = command.Parameters;
        var isNewPatient = unit.New?.Identity is not null;
        var wrapped = isNewPatient ? keys.NewWrappedKey() : unit.WrappedKey;
        var identity = unit.New?.Identity ?? unit.Moves.Select(m => m.NewIdentity).LastOrDefault(i => i is not null);
        var slip = unit.New?.Slip ?? unit.Moves.Select(m => m.NewSlip).LastOrDefault(s => s is not null);
        byte[]? Seal(string? text) => text is null || wrapped is null ? null : keys.Seal(wrapped, text);

        p.AddRow(unit.Referral);
        p.Put("read_version", unit.ReadVersion);
        p.Put("now", unit.Moves[0].Now);
        p.Put("purpose", purpose);
        p.Put("new_patient", isNewPatient);
        p.Put("wrapped_key", wrapped);
        p.Put("key_id", keys.KeyId);
        p.Put("identity", identity is null ? null : Seal(JsonSerializer.Serialize(identity, ServiceDefaults.Json.Lenient)));
        p.Put("id_index", keys.Index(identity));
        p.Put("slip_content", Seal(slip?.Content));
        p.Put("slip_author", slip?.WrittenBy);

        var rows = unit.Moves.SelectMany(m => m.Rows.Select(row => (Move: m, Row: row))).ToArray();
        p.Put("h_version", Each(r => r.Row.Version));
        p.Put("h_sequence", Each(r => r.Row.Sequence));
        p.Put("h_message", Each(r => r.Row.MessageId));
        p.Put("h_verb", Each(r => r.Move.Verb));
        p.Put("h_event", Each(r => r.Row.Event));
        p.Put("h_from", Each(r => r.Row.From));
        p.Put("h_to", Each(r => r.Row.To));
        p.Put("h_leg", Each(r => r.Row.Leg));
        p.Put("h_subject", Each(r => r.Move.Actor.Subject));
        p.Put("h_institution", Each(r => r.Move.Actor.Institution));
        p.Put("h_role", Each(r => r.Move.Actor.Role));
        p.Put("h_behalf", Each(r => r.Move.Actor.OnBehalfOf));
        p.Put("h_reason", Each(r => r.Row.Reason));
        p.Put("h_detail", Each(r => r.Row.Detail?.ToJsonString()));
        p.Put("h_words", Each(r => Seal(r.Row.Words)));
        p.Put("o_key", Each(r => r.Row.EventBody is null ? null : ReferralEvents.TypeOf(unit.Referral.Direction, r.Row.Event)));
        p.Put("o_body", Each(r => r.Row.EventBody));
        return command;

        T[] Each<T>(Func<(Move Move, HistoryRow Row), T> value) => Array.ConvertAll(rows, r => value(r));
    }

    private static NpgsqlBatchCommand Keep(IdempotencyKey key, KeptAnswer answer)
    {
        var command = new NpgsqlBatchCommand("""
            insert into idempotency_key (scope, key, fingerprint, status, body, etag, location)
            values (@scope, @key, @fingerprint, @status, @body, @etag, @location)
            """);
        command.Parameters.Put("scope", key.Scope);
        command.Parameters.Put("key", key.Key);
        command.Parameters.Put("fingerprint", key.Fingerprint);
        command.Parameters.Put("status", answer.Status);
        command.Parameters.Put("body", answer.Body);
        command.Parameters.Put("etag", answer.Etag);
        command.Parameters.Put("location", answer.Location);
        return command;
    }

    private static NpgsqlBatchCommand Handled(Guid message, string consumer)
    {
        var command = new NpgsqlBatchCommand("insert into inbox (message_id, consumer) values (@message, @consumer)");
        command.Parameters.Put("message", message);
        command.Parameters.Put("consumer", consumer);
        return command;
    }
}
