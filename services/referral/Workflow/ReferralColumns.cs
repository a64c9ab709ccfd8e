using Npgsql;
using NpgsqlTypes;
using ReferralService.Referrals;
using ServiceDefaults.Storage;

namespace ReferralService.Workflow;

/// <summary>
/// The columns of the table <c>referral</c>, each said once: its name, whether a move may change it, its type, and
/// where its value stands. Many rows go to PostgreSQL as one array for each column.
/// </summary>
internal static class ReferralColumns
{
    private static readonly Column[] All =
    [
        Fixed("id", r => r.Id),
        Fixed("referral_no", r => r.ReferralNo),
        Fixed("episode_id", r => r.EpisodeId),
        Fixed("parent_id", r => r.ParentId),
        Fixed("parent_no", r => r.ParentNo),
        Fixed("relation", r => r.Relation?.ToString()),
        Changing("direction", r => r.Direction.ToString()),
        Changing("kind", r => r.Kind.ToString()),
        Changing("priority", r => r.Priority.ToString()),
        Changing("green_channel", r => r.GreenChannel?.ToString()),
        Changing("patient_class", r => r.PatientClass?.ToString()),
        Changing("channel", r => r.Channel.ToString()),
        Fixed("synthetic", r => r.Synthetic),

        Fixed("patient_id", r => r.PatientId),
        Changing("patient_masked", r => r.PatientMasked),
        Changing("patient_sex", r => r.PatientSex),
        Changing("patient_birth_year", r => r.PatientBirthYear),
        Changing("slip_version", r => r.SlipVersion),

        Fixed("sender", r => r.Sender),
        Changing("sender_clinician", r => r.SenderClinician),
        Changing("receiver", r => r.Receiver),
        Changing("department", r => r.Department),
        Changing("clinician", r => r.Clinician),
        Changing("leg", r => r.Leg),
        Changing("tried", r => r.Tried),
        Changing("external", r => r.External),
        Changing("sender_own_no", r => r.SenderOwnNo),
        Changing("receiver_own_no", r => r.ReceiverOwnNo),

        Changing("diagnosis_code", r => r.DiagnosisCode),
        Changing("diagnosis_group", r => r.DiagnosisGroup),
        Changing("sensitive", r => r.Sensitive),
        Changing("purposes", r => r.Purposes),
        Changing("eligibility", r => r.Eligibility),
        Changing("flags", r => r.Flags),
        Changing("contracted", r => r.Contracted),
        Changing("standing_agreement", r => r.StandingAgreement),
        Fixed("origin", r => r.Origin),
        Changing("contract_id", r => r.ContractId),
        Changing("family_clinic", r => r.FamilyClinic),
        Changing("family_doctor", r => r.FamilyDoctor),
        Changing("participants", r => r.Participants),

        Changing("state", r => r.State),
        Changing("state_since", r => r.StateSince),
        Changing("version", r => r.Version),
        Changing("sequence", r => r.Sequence),
        Changing("etag_version", r => r.EtagVersion),
        Changing("author", r => r.Author),

        Changing("claimed_by", r => r.ClaimedBy),
        Changing("claimed_until", r => r.ClaimedUntil),
        Changing("assigned", r => r.Assigned),
        Changing("came_from", r => r.CameFrom),
        Changing("reason", r => r.Reason),
        Changing("outcome", r => r.Outcome?.ToString()),
        Changing("after_acceptance", r => r.AfterAcceptance),
        Changing("replaced_by", r => r.ReplacedBy),

        Fixed("drafted_at", r => r.DraftedAt),
        Changing("submitted_at", r => r.SubmittedAt),
        Changing("leg_submitted_at", r => r.LegSubmittedAt),
        Changing("triage_paused", r => r.TriagePaused),
        Changing("accepted_at", r => r.AcceptedAt),
        Changing("scheduled_at", r => r.ScheduledAt),
        Changing("acknowledged_at", r => r.AcknowledgedAt),
        Changing("dispatched_at", r => r.DispatchedAt),
        Changing("arrived_at", r => r.ArrivedAt),
        Changing("first_contact_at", r => r.FirstContactAt),
        Changing("called_at", r => r.CalledAt),
        Changing("door_at", r => r.DoorAt),
        Changing("treatment_started_at", r => r.TreatmentStartedAt),
        Changing("treated_at", r => r.TreatedAt),
        Changing("ended_at", r => r.EndedAt),
        Changing("consent_at", r => r.ConsentAt),
        Changing("identified", r => r.Identified),

        Changing("booking_id", r => r.BookingId),
        Changing("booking_resource", r => r.BookingResource),
        Changing("booking_starts_at", r => r.BookingStartsAt),
        Changing("booking_ends_at", r => r.BookingEndsAt),
        Changing("booking_code_hash", r => r.BookingCodeHash),
        Changing("booking_attempt", r => r.BookingAttempt),
        Changing("expected_arrival", r => r.ExpectedArrival),

        Changing("visit_no", r => r.VisitNo),
        Changing("rehab_eligible", r => r.RehabEligible),
        Changing("live_child_id", r => r.LiveChildId),
        Changing("live_child_no", r => r.LiveChildNo),
        Changing("return_accepted_at", r => r.ReturnAcceptedAt),
        Changing("return_since", r => r.ReturnSince),
        Changing("linked_id", r => r.LinkedId),
        Changing("linked_no", r => r.LinkedNo),
        Changing("follow_ups_planned", r => r.FollowUpsPlanned),
        Changing("follow_ups_done", r => r.FollowUpsDone),
        Changing("follow_ups_unreached", r => r.FollowUpsUnreached),
        Changing("next_follow_up_on", r => r.NextFollowUpOn),
        Changing("follow_up_since", r => r.FollowUpSince),
        Changing("rating", r => r.Rating),
        Changing("in_error", r => r.InError),

        Changing("changed_at", r => r.ChangedAt),
        new Column<string>("timers", true, r => r.Timers, NpgsqlDbType.Jsonb),
        Changing("next_deadline", r => r.NextDeadline),
        Changing("next_deadline_at", r => r.NextDeadlineAt),
    ];

    /// <summary>Names of all columns, for an insert: <c>id, referral_no, …</c></summary>
    public static readonly string Names = string.Join(", ", All.Select(c => c.Name));

    /// <summary>The same columns of the rows that were sent: <c>input.id, input.referral_no, …</c></summary>
    public static readonly string Values = string.Join(", ", All.Select(c => c.Read));

    /// <summary>What an update sets: <c>state = input.state, …</c></summary>
    public static readonly string Changes = string.Join(", ", All.Where(c => c.Changes).Select(c => $"{c.Name} = {c.Read}"));

    /// <summary>One parameter for each column: <c>@id, @referral_no, …</c></summary>
    public static readonly string Parameters = string.Join(", ", All.Select(c => "@" + c.Name));

    public static void Put(NpgsqlParameterCollection parameters, Referral[] rows)
    {
        foreach (var column in All)
            column.Put(parameters, rows);
    }

    private static Column<T> Fixed<T>(string name, Func<Referral, T> value) => new(name, false, value, Arrays.TypeOf<T>());

    private static Column<T> Changing<T>(string name, Func<Referral, T> value) => new(name, true, value, Arrays.TypeOf<T>());

    // an array of arrays would have to be rectangular: each goes as its text
    private static Column<string> Changing(string name, Func<Referral, string[]> values) =>
        new(name, true, r => Arrays.Literal(values(r)), NpgsqlDbType.Text, cast: "::text[]");

    private abstract class Column(string name, bool changes, string? cast)
    {
        public string Name => name;
        public bool Changes => changes;
        public string Read => $"input.{name}{cast}";

        public abstract void Put(NpgsqlParameterCollection parameters, Referral[] rows);
    }

    private sealed class Column<T>(string name, bool changes, Func<Referral, T> value, NpgsqlDbType type, string? cast = null)
        : Column(name, changes, cast)
    {
        public override void Put(NpgsqlParameterCollection parameters, Referral[] rows)
        {
            parameters.Add(Arrays.Parameter(Name, type, rows, value));
        }
    }
}
