using Npgsql;
using NpgsqlTypes;
using ReferralService.Referrals;

namespace ReferralService.Workflow;

/// <summary>The columns of a referral as parameters of the one write.</summary>
internal static class ReferralParameters
{
    // a null carries its type too: the statement is prepared once for all values
    public static void Put<T>(this NpgsqlParameterCollection parameters, string name, T value) =>
        parameters.Add(Types.TryGetValue(Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T), out var type)
            ? new NpgsqlParameter(name, type) { Value = (object?)value ?? DBNull.Value }
            : new NpgsqlParameter<T>(name, value));

    private static readonly Dictionary<Type, NpgsqlDbType> Types = new()
    {
        [typeof(string)] = NpgsqlDbType.Text,
        [typeof(Guid)] = NpgsqlDbType.Uuid,
        [typeof(DateTimeOffset)] = NpgsqlDbType.TimestampTz,
        [typeof(DateOnly)] = NpgsqlDbType.Date,
        [typeof(int)] = NpgsqlDbType.Integer,
        [typeof(long)] = NpgsqlDbType.Bigint,
        [typeof(bool)] = NpgsqlDbType.Boolean,
        [typeof(byte[])] = NpgsqlDbType.Bytea,
        [typeof(TimeSpan)] = NpgsqlDbType.Interval,
    };

    /// <summary>Every column of the row, by its name.</summary>
    public static void AddRow(this NpgsqlParameterCollection p, Referral r)
    {
        p.Put("id", r.Id);
        p.Put("referral_no", r.ReferralNo);
        p.Put("episode_id", r.EpisodeId);
        p.Put("parent_id", r.ParentId);
        p.Put("parent_no", r.ParentNo);
        p.Put("relation", r.Relation?.ToString());
        p.Put("direction", r.Direction.ToString());
        p.Put("kind", r.Kind.ToString());
        p.Put("priority", r.Priority.ToString());
        p.Put("green_channel", r.GreenChannel?.ToString());
        p.Put("patient_class", r.PatientClass?.ToString());
        p.Put("channel", r.Channel.ToString());
        p.Put("synthetic", r.Synthetic);
        p.Put("patient_id", r.PatientId);
        p.Put("patient_masked", r.PatientMasked);
        p.Put("patient_sex", r.PatientSex);
        p.Put("patient_birth_year", r.PatientBirthYear);
        p.Put("slip_version", r.SlipVersion);
        p.Put("sender", r.Sender);
        p.Put("sender_clinician", r.SenderClinician);
        p.Put("receiver", r.Receiver);
        p.Put("department", r.Department);
        p.Put("clinician", r.Clinician);
        p.Put("leg", r.Leg);
        p.Put("tried", r.Tried);
        p.Put("external", r.External);
        p.Put("sender_own_no", r.SenderOwnNo);
        p.Put("receiver_own_no", r.ReceiverOwnNo);
        p.Put("diagnosis_code", r.DiagnosisCode);
        p.Put("diagnosis_group", r.DiagnosisGroup);
        p.Put("sensitive", r.Sensitive);
        p.Put("purposes", r.Purposes);
        p.Put("eligibility", r.Eligibility);
        p.Put("flags", r.Flags);
        p.Put("contracted", r.Contracted);
        p.Put("standing_agreement", r.StandingAgreement);
        p.Put("state", r.State);
        p.Put("state_since", r.StateSince);
        p.Put("version", r.Version);
        p.Put("sequence", r.Sequence);
        p.Put("etag_version", r.EtagVersion);
        p.Put("author", r.Author);
        p.Put("claimed_by", r.ClaimedBy);
        p.Put("claimed_until", r.ClaimedUntil);
        p.Put("assigned", r.Assigned);
        p.Put("came_from", r.CameFrom);
        p.Put("reason", r.Reason);
        p.Put("outcome", r.Outcome?.ToString());
        p.Put("after_acceptance", r.AfterAcceptance);
        p.Put("replaced_by", r.ReplacedBy);
        p.Put("drafted_at", r.DraftedAt);
        p.Put("submitted_at", r.SubmittedAt);
        p.Put("leg_submitted_at", r.LegSubmittedAt);
        p.Put("triage_paused", r.TriagePaused);
        p.Put("accepted_at", r.AcceptedAt);
        p.Put("scheduled_at", r.ScheduledAt);
        p.Put("acknowledged_at", r.AcknowledgedAt);
        p.Put("dispatched_at", r.DispatchedAt);
        p.Put("arrived_at", r.ArrivedAt);
        p.Put("treatment_started_at", r.TreatmentStartedAt);
        p.Put("treated_at", r.TreatedAt);
        p.Put("ended_at", r.EndedAt);
        p.Put("consent_at", r.ConsentAt);
        p.Put("identified", r.Identified);
        p.Put("booking_id", r.BookingId);
        p.Put("booking_resource", r.BookingResource);
        p.Put("booking_starts_at", r.BookingStartsAt);
        p.Put("booking_ends_at", r.BookingEndsAt);
        p.Put("booking_code_hash", r.BookingCodeHash);
        p.Put("booking_attempt", r.BookingAttempt);
        p.Put("expected_arrival", r.ExpectedArrival);
        p.Put("visit_no", r.VisitNo);
        p.Put("rehab_eligible", r.RehabEligible);
        p.Put("live_child_id", r.LiveChildId);
        p.Put("live_child_no", r.LiveChildNo);
        p.Put("return_accepted_at", r.ReturnAcceptedAt);
        p.Put("return_since", r.ReturnSince);
        p.Put("linked_id", r.LinkedId);
        p.Put("linked_no", r.LinkedNo);
        p.Put("follow_ups_planned", r.FollowUpsPlanned);
        p.Put("follow_ups_done", r.FollowUpsDone);
        p.Put("next_follow_up_on", r.NextFollowUpOn);
        p.Put("follow_up_since", r.FollowUpSince);
        p.Put("rating", r.Rating);
        p.Put("in_error", r.InError);
        p.Put("changed_at", r.ChangedAt);
        p.Add(new NpgsqlParameter("timers", NpgsqlDbType.Jsonb) { Value = r.Timers });
        p.Put("next_deadline", r.NextDeadline);
        p.Put("next_deadline_at", r.NextDeadlineAt);
    }
}
