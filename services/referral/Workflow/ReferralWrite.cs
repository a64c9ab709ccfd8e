using System.Text;
using System.Text.Json;
using Npgsql;
using ReferralService.Patients;
using Referrals.Contracts;
using ServiceDefaults.Http;
using ServiceDefaults.Messaging;
using ServiceDefaults.Storage;

namespace ReferralService.Workflow;

/// <summary>What one command wants stored, ready to be sent: everything of it, or nothing.</summary>
internal sealed class Stored(IReadOnlyList<StoredUnit> units, Alongside beside) : SharedCommits<Stored>.ICommand
{
    private readonly TaskCompletionSource<Saved> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IReadOnlyList<StoredUnit> Units => units;
    public Alongside Beside => beside;
    /// <summary>One of its referrals stands for the whole.</summary>
    public Guid Id => units[0].Unit.Referral.Id;
    public IEnumerable<Guid> Touches => units.Select(u => u.Unit.Referral.Id);
    public Task<Saved> Result => _result.Task;

    public void Is(Saved saved) => _result.TrySetResult(saved);

    public void Failed(Exception error) => _result.TrySetException(error);

    public static Stored Of(IReadOnlyList<Unit> units, Alongside beside, PatientKeys keys) =>
        new([.. units.Select(u => StoredUnit.Of(u, together: units.Count > 1, keys))], beside);
}

/// <summary>A referral with what is kept beside it, sealed under its person's key.</summary>
/// <param name="Together">Its command has other referrals too: all are stored, or none.</param>
internal sealed record StoredUnit(
    Unit Unit, bool Together, bool IsNewPatient, byte[]? WrappedKey, string KeyId, byte[]? Identity, byte[]? IdIndex,
    byte[]? SlipContent, string? SlipAuthor, IReadOnlyList<StoredRow> Rows)
{
    public static StoredUnit Of(Unit unit, bool together, PatientKeys keys)
    {
        var isNewPatient = unit.New?.Identity is not null;
        var wrapped = isNewPatient ? keys.NewWrappedKey() : unit.WrappedKey;
        var identity = unit.New?.Identity ?? unit.Moves.Select(m => m.NewIdentity).LastOrDefault(i => i is not null);
        var slip = unit.New?.Slip ?? unit.Moves.Select(m => m.NewSlip).LastOrDefault(s => s is not null);
        // one audit row for each verb, however many steps it took
        var audited = new HashSet<string>();
        var rows = unit.Moves.SelectMany(move => move.Rows.Select(row => new StoredRow(unit, move, row, Seal(row.Words), audited.Add(move.Verb)))).ToArray();
        return new(unit, together, isNewPatient, wrapped, keys.KeyId,
            Seal(identity is null ? null : JsonSerializer.Serialize(identity, ServiceDefaults.Json.Lenient)), keys.Index(identity),
            Seal(slip?.Content), slip?.WrittenBy, rows);

        byte[]? Seal(string? text) => text is null || wrapped is null ? null : keys.Seal(wrapped, text);
    }
}

/// <summary>A row of the history with its words sealed.</summary>
internal sealed record StoredRow(Unit Unit, Move Move, HistoryRow Row, byte[]? Words, bool IsAudited)
{
    /// <summary>Of its event; null for what is told nobody.</summary>
    public string? RoutingKey => Row.EventBody is null ? null : ReferralEvents.TypeOf(Unit.Referral.Direction, Row.Event);
}

/// <summary>
/// The one statement of all moves. It takes any number of commands: every column is an array with one element for
/// each row. Parts that no command of a group needs are left out.
/// </summary>
internal static class ReferralWrite
{
    // the version that was read must still stand: who comes second finds nothing to update
    private static readonly string Update = $"""
        , moved as (
            update referral set {ReferralColumns.Changes}
            from input
            where referral.id = input.id and referral.version = input.read_version and not input.is_new
            returning referral.id
        )
        """;

    private static readonly string Insert = $"""
        , person as (
            insert into patient (id, wrapped_key, key_id, identity, id_index)
            select patient_id, wrapped_key, key_id, identity, id_index from input where new_patient
        ), begun as (
            insert into referral ({ReferralColumns.Names})
            select {ReferralColumns.Values} from input where is_new
            returning id
        )
        """;

    // a patient who was not known when he was sent
    private const string Known = """
        , known as (
            update patient set identity = input.identity, id_index = input.id_index
            from input join stored using (id)
            where patient.id = input.patient_id and input.identity is not null and not input.new_patient
        )
        """;

    private const string Slip = """
        , slipped as (
            insert into slip (referral_id, version, content, written_by, written_at)
            select id, slip_version, slip_content, slip_author, now from input join stored using (id) where slip_content is not null
        )
        """;

    private const string Always = """
        , row as materialized (
            select * from unnest(@h_id, @h_version, @h_sequence, @h_message, @h_verb, @h_event, @h_from, @h_to, @h_leg, @h_at, @h_subject,
                                 @h_institution, @h_role, @h_behalf, @h_reason, @h_detail, @h_words, @h_key, @h_body, @h_audited, @h_purpose)
                with ordinality as h (id, version, sequence, message_id, verb, event, from_state, to_state, leg, at, subject,
                                      institution, role, on_behalf_of, reason, detail, words, routing_key, body, audited, purpose, n)
            join stored using (id)
        ), told as (
            insert into history (referral_id, version, sequence, message_id, verb, event, from_state, to_state, leg, at,
                                 subject, institution, role, on_behalf_of, reason, detail, words)
            select id, version, sequence, message_id, verb, event, from_state, to_state, leg, at,
                   subject, institution, role, on_behalf_of, reason, detail, words
            from row
        ), published as (
            insert into outbox (message_id, exchange, routing_key, body)
            select message_id, 'referral-events', routing_key, body from row where body is not null order by n
            returning id, message_id
        ), audited as (
            insert into audit (at, subject, institution, role, on_behalf_of, purpose, action, verdict, referral_id)
            select at, subject, institution, role, on_behalf_of, purpose, verb, 'allowed', id from row where audited
        )
        """;

    private const string Keep = """
        , kept as (
            insert into idempotency_key (scope, key, fingerprint, status, body, etag, location)
            select scope, key, fingerprint, status, body, etag, location
            from unnest(@k_id, @k_scope, @k_key, @k_fingerprint, @k_status, @k_body, @k_etag, @k_location)
                as k (id, scope, key, fingerprint, status, body, etag, location)
            join stored using (id)
        )
        """;

    private const string Handled = """
        , handled as (
            insert into inbox (message_id, consumer)
            select message_id, consumer from unnest(@i_id, @i_message, @i_consumer) as i (id, message_id, consumer) join stored using (id)
        )
        """;

    private const string Advise = """
        , advised as (
            insert into appointment_advice (booking_id, referral_id, place, bring)
            select booking_id, id, place, bring::text[]
            from unnest(@a_id, @a_booking, @a_place, @a_bring) as a (id, booking_id, place, bring) join stored using (id)
            on conflict (booking_id) do update set place = excluded.place, bring = excluded.bring
        )
        """;

    // a command of several referrals is undone as a whole, and with it the group, when one of them was moved meanwhile
    private const string Verdict = """
        select id, null::bigint, case when exists (select from input where together and id not in (select id from stored)) then lost_race() end
        from stored
        union all
        select message_id, id, null from published
        """;

    /// <summary>Stores a group in one round trip and one commit; returns the ids of the referrals that were stored, and what is to be published.</summary>
    public static async Task<(HashSet<Guid> Stored, IReadOnlyList<OutboxMessage> Published)> Execute(NpgsqlDataSource database, IReadOnlyList<Stored> commands)
    {
        var rows = commands.SelectMany(c => c.Units).SelectMany(u => u.Rows).ToArray();
        await using var connection = await database.OpenConnectionAsync();
        await using var command = Command(commands, rows);
        command.Connection = connection;
        await using var reader = await command.ExecuteReaderAsync();
        var (stored, published) = (new HashSet<Guid>(), new List<OutboxMessage>());
        while (await reader.ReadAsync())
            if (await reader.IsDBNullAsync(1))
                stored.Add(reader.GetGuid(0));
            else
                published.Add(Message(reader.GetInt64(1), Array.Find(rows, r => r.Row.MessageId == reader.GetGuid(0))!));
        // read to the end: what fails at the commit must not be lost with the reader
        await reader.NextResultAsync();
        return (stored, published);
    }

    private static OutboxMessage Message(long id, StoredRow r) => new(id, r.Row.MessageId, ReferralEvents.Exchange, r.RoutingKey!, r.Row.EventBody!);

    private static NpgsqlCommand Command(IReadOnlyList<Stored> commands, StoredRow[] rows)
    {
        var command = new NpgsqlCommand();
        var p = command.Parameters;
        var units = commands.SelectMany(c => c.Units).ToArray();
        ReferralColumns.Put(p, Array.ConvertAll(units, u => u.Unit.Referral));
        p.Put("is_new", units, u => u.Unit.New is not null);
        p.Put("read_version", units, u => u.Unit.ReadVersion);
        p.Put("together", units, u => u.Together);
        p.Put("now", units, u => u.Unit.Moves[0].Now);
        p.Put("new_patient", units, u => u.IsNewPatient);
        p.Put("wrapped_key", units, u => u.WrappedKey);
        p.Put("key_id", units, u => u.KeyId);
        p.Put("identity", units, u => u.Identity);
        p.Put("id_index", units, u => u.IdIndex);
        p.Put("slip_content", units, u => u.SlipContent);
        p.Put("slip_author", units, u => u.SlipAuthor);

        p.Put("h_id", rows, r => r.Unit.Referral.Id);
        p.Put("h_version", rows, r => r.Row.Version);
        p.Put("h_sequence", rows, r => r.Row.Sequence);
        p.Put("h_message", rows, r => r.Row.MessageId);
        p.Put("h_verb", rows, r => r.Move.Verb);
        p.Put("h_event", rows, r => r.Row.Event);
        p.Put("h_from", rows, r => r.Row.From);
        p.Put("h_to", rows, r => r.Row.To);
        p.Put("h_leg", rows, r => r.Row.Leg);
        p.Put("h_at", rows, r => r.Unit.Moves[0].Now);
        p.Put("h_subject", rows, r => r.Move.Actor.Subject);
        p.Put("h_institution", rows, r => r.Move.Actor.Institution);
        p.Put("h_role", rows, r => r.Move.Actor.Role);
        p.Put("h_behalf", rows, r => r.Move.Actor.OnBehalfOf);
        p.Put("h_reason", rows, r => r.Row.Reason);
        p.PutJson("h_detail", rows, r => r.Row.Detail?.ToJsonString());
        p.Put("h_words", rows, r => r.Words);
        p.Put("h_key", rows, r => r.RoutingKey);
        p.Put("h_body", rows, r => r.Row.EventBody);
        p.Put("h_audited", rows, r => r.IsAudited);
        p.Put("h_purpose", commands.SelectMany(c => c.Units.SelectMany(u => u.Rows.Select(_ => c.Beside.Purpose))).ToArray(), purpose => purpose);

        var (updates, inserts) = (units.Any(u => u.Unit.New is null), units.Any(u => u.Unit.New is not null));
        var sql = new StringBuilder($"""
            with input as materialized (
                select * from unnest({ReferralColumns.Parameters}, @is_new, @read_version, @together, @now, @new_patient, @wrapped_key, @key_id,
                                     @identity, @id_index, @slip_content, @slip_author)
                    as input ({ReferralColumns.Names}, is_new, read_version, together, now, new_patient, wrapped_key, key_id,
                              identity, id_index, slip_content, slip_author)
                -- the same order in every statement: two that meet wait for each other instead of locking crosswise
                order by id
            )
            """);
        if (updates)
            sql.Append(Update);
        if (inserts)
            sql.Append(Insert);
        sql.Append($", stored as ({(updates ? "select id from moved" : "")}{(updates && inserts ? " union all " : "")}{(inserts ? "select id from begun" : "")})");
        if (units.Any(u => u is { Identity: not null, IsNewPatient: false }))
            sql.Append(Known);
        if (units.Any(u => u.SlipContent is not null))
            sql.Append(Slip);
        sql.Append(Always);
        if (commands.Where(c => c.Beside is { Key: not null, Answer: not null }).ToArray() is { Length: > 0 } kept)
        {
            sql.Append(Keep);
            Put(p, kept);
        }
        if (commands.Where(c => c.Beside.MessageId is not null).ToArray() is { Length: > 0 } handled)
        {
            sql.Append(Handled);
            p.Put("i_id", handled, c => c.Id);
            p.Put("i_message", handled, c => c.Beside.MessageId);
            p.Put("i_consumer", handled, c => c.Beside.Consumer);
        }
        if (commands.Where(c => c.Beside.Advice is not null).ToArray() is { Length: > 0 } advised)
        {
            sql.Append(Advise);
            p.Put("a_id", advised, c => c.Id);
            p.Put("a_booking", advised, c => c.Beside.Advice!.BookingId);
            p.Put("a_place", advised, c => c.Beside.Advice!.Place);
            p.Put("a_bring", advised, c => Arrays.Literal(c.Beside.Advice!.Bring));
        }
        command.CommandText = sql.Append(Verdict).ToString();
        return command;
    }

    private static void Put(NpgsqlParameterCollection p, Stored[] kept)
    {
        p.Put("k_id", kept, c => c.Id);
        p.Put("k_scope", kept, c => c.Beside.Key!.Scope);
        p.Put("k_key", kept, c => c.Beside.Key!.Key);
        p.Put("k_fingerprint", kept, c => c.Beside.Key!.Fingerprint);
        p.Put("k_status", kept, c => c.Beside.Answer!.Status);
        p.Put("k_body", kept, c => c.Beside.Answer!.Body);
        p.Put("k_etag", kept, c => c.Beside.Answer!.Etag);
        p.Put("k_location", kept, c => c.Beside.Answer!.Location);
    }
}
