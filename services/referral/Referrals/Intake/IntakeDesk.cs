using System.Text.Json;
using Dapper;
using Npgsql;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Patients;
using ReferralService.Referrals.Booking;
using ReferralService.Rules;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Intake;

/// <summary>Turns a filled form into a referral that has not moved yet, and looks up what its submission depends on.</summary>
internal sealed class IntakeDesk(NpgsqlDataSource database, PatientKeys keys, ReferralNumbers numbers)
{
    /// <summary>
    /// A referral of <paramref name="sender"/> as the form says, or what the alliance's data says against it. With a
    /// parent it continues the parent's episode, patient and consent.
    /// </summary>
    public async Task<(NewReferral? New, Problem? Problem)> Write(
        ReferralForm form, string sender, string author, DateTimeOffset now, AllianceSnapshot alliance,
        Referral? parent = null, Relation? relation = null)
    {
        var kind = form.KindOrDefault();
        var direction = kind == ReferralKind.RehabReturn ? Direction.Down : Direction.Up;
        var receiver = form.To?.Institution ?? (relation == Relation.Return ? parent!.Sender : null);
        var target = receiver is null ? null : alliance.Find(receiver);
        if (target is null)
            return (null, Refusals.Rule("/to/institution", "No such institution; use its code or exact name.", "未找到该机构，请使用机构代码或准确全称。"));
        if (target.Code == sender)
            return (null, Refusals.Rule("/to/institution", "An institution does not refer to itself.", "不能转给本机构。"));
        if (alliance.Find(sender) is not { } own)
            return (null, Refusals.Rule("/referrer/institution", "Your institution is not in the directory.", "您所在机构未登记。"));
        if (own.Synthetic != target.Synthetic)
            return (null, Refusals.Rule("/to/institution", "Sandbox and real institutions do not mix.", "测试机构与真实机构不能互转。"));
        if (form.Referrer!.Institution is { } named && alliance.Find(named)?.Code != sender)
            return (null, Refusals.Rule("/referrer/institution", "The referrer's institution is not the one you act for.", "转诊医生所在机构与您代表的机构不一致。"));
        if (form.To?.Department is { } department && !form.External && !alliance.HasDepartment(target.Code, department))
            return (null, Refusals.Rule("/to/department", "The receiver has no such department.", "接收机构没有该科室。"));
        var purposes = direction == Direction.Up ? "UpPurpose" : "DownPurpose";
        for (var i = 0; i < (form.Purposes?.Length ?? 0); i++)
            if (alliance.Reason(purposes, form.Purposes![i]) is null)
                return (null, Refusals.Rule($"/purposes/{i}", $"Not a code of the list {purposes}.", $"不在 {purposes} 代码表中。"));
        var day = ChinaTime.DayOf(now);
        if (EvaluateRules.UnknownIndication(form.Indications, alliance.Rules, day, "") is { } unknown)
            return (null, unknown);

        var identity = parent is null ? Identity.Of(form.Patient!) : null;
        var group = form.Diagnosis?.Code?[..3].ToUpperInvariant() ?? parent?.DiagnosisGroup;
        var emergency = form.IsEmergency;
        var referral = new Referral
        {
            Id = Guid.CreateVersion7(now),
            ReferralNo = await numbers.Next(direction, now),
            EpisodeId = parent?.EpisodeId ?? Guid.CreateVersion7(now),
            ParentId = parent?.Id, ParentNo = parent?.ReferralNo, Relation = relation,
            Direction = direction, Kind = kind,
            Priority = form.Priority ?? Priority.Routine,
            GreenChannel = emergency ? form.GreenChannel ?? GreenChannel.Other : null,
            PatientClass = direction == Direction.Down ? form.PatientClass ?? PatientClass.Other : null,
            Channel = form.Channel ?? Channel.CLINIC_WINDOW,
            Synthetic = own.Synthetic,
            PatientId = parent?.PatientId ?? Guid.CreateVersion7(now),
            PatientMasked = parent?.PatientMasked ?? Masking.Name(identity!.Name),
            PatientSex = parent?.PatientSex ?? identity!.Sex,
            PatientBirthYear = parent?.PatientBirthYear ?? identity!.BirthYear(now),
            // an ambulance may have a name from bystanders: that is not who the patient is
            Identified = parent?.Identified ?? (!emergency || identity!.IdNo is not null || identity.BirthDate is not null),
            SlipVersion = 1,
            Sender = sender, SenderClinician = form.Referrer.Doctor!, SenderOwnNo = form.SenderOwnNo,
            Receiver = target.Code, Department = form.To?.Department, Clinician = form.To?.Doctor,
            External = form.External, Tried = [target.Code],
            DiagnosisCode = form.Diagnosis?.Code ?? parent?.DiagnosisCode, DiagnosisGroup = group,
            Sensitive = alliance.IsSensitive(form.Diagnosis?.Code ?? parent?.DiagnosisCode, day) || IsTelling(form.To?.Department) || form.PatientClass == PatientClass.Palliative,
            Purposes = form.Purposes ?? [],
            Eligibility = Eligibility(direction, form.PatientClass, form.Diagnosis?.Code ?? parent?.DiagnosisCode, day, alliance),
            Flags = Flags(form),
            Contracted = parent?.Contracted ?? false,
            StandingAgreement = emergency && alliance.HasStandingAgreement(sender, target.Code, form.GreenChannel ?? GreenChannel.Other, day),
            Author = author, DraftedAt = now, StateSince = now,
            ConsentAt = form.Consent is { } consent ? consent.At ?? now : parent?.ConsentAt ?? (emergency ? null : now),
            ExpectedArrival = form.ExpectedArrival ?? (direction == Direction.Down ? ChinaTime.EndOf(day).AddHours(9) : null),
            FollowUpsPlanned = direction == Direction.Down ? form.Plan?.FollowUps?.Count ?? 1 : 0,
        };
        if (direction == Direction.Down)
            referral.NextFollowUpOn = ChinaTime.DayOf(referral.ExpectedArrival!.Value).AddDays(form.Plan?.FollowUps?.FirstOrDefault()?.DueInDays ?? 7);

        // the patient's own part lives with the patient; the slip keeps what the doctor wrote
        var content = JsonSerializer.Serialize(form with { Patient = null }, ServiceDefaults.Json.Lenient);
        return (new(referral, new(1, content, author), identity), null);
    }

    /// <summary>What must be known before a referral may leave: an open duplicate, a signature, a skipped level.</summary>
    /// <param name="form">The slip as it is now; null once the patient's data was erased.</param>
    public async Task<SubmissionFacts> LookUp(Referral referral, ReferralForm? form, Identity? identity, AllianceSnapshot alliance, DateTimeOffset now)
    {
        await using var connection = await database.OpenConnectionAsync();
        var index = keys.Index(identity);
        // contract and duplicate are the same question about the same person: one round trip
        var known = await connection.QuerySingleAsync<(string? Open, bool Contracted)>("""
            with person as (
                select coalesce(@index, (select id_index from patient where id = @PatientId)) as id_index
            )
            select (select r.referral_no
                    from person join patient p using (id_index) join referral r on r.patient_id = p.id
                    where r.ended_at is null and r.id <> @Id and r.kind = @Kind
                      and r.diagnosis_group = @DiagnosisGroup and r.submitted_at > @since
                    order by r.submitted_at desc limit 1),
                   exists (select from person join contract c on c.patient_index = person.id_index
                           where c.clinic = @clinic and c.since <= @today and (c.until is null or c.until >= @today))
            """, new
        {
            index, referral.PatientId, referral.Id, Kind = referral.Kind.ToString(), referral.DiagnosisGroup,
            since = now.AddDays(-30), clinic = referral.IsUp ? referral.Sender : referral.Receiver, today = ChinaTime.DayOf(now),
        });
        referral.Contracted |= known.Contracted;
        return new(known.Open, NeedsReview: false,
            LevelSkipped: referral.IsUp && !referral.External && alliance.SkipsALevel(referral.Sender, referral.Receiver, ChinaTime.DayOf(now)))
        {
            Rules = Judge(referral, form, alliance, now), Override = form?.Override,
        };
    }

    /// <summary>What the rules in force now say about the slip as it is now.</summary>
    public static RuleCheck Judge(Referral r, ReferralForm? form, AllianceSnapshot alliance, DateTimeOffset now) => RuleCheck.Of(new(
        r.Kind, r.Priority, r.DiagnosisCode, form?.Indications ?? [], form?.Measures ?? [], form?.IndicatedSince,
        r.External ? null : alliance.Find(r.Receiver)?.Level, ChinaTime.DayOf(now)), alliance.Rules);

    private static string[] Flags(ReferralForm form)
    {
        var flags = new List<string>();
        if (form.ConfirmDuplicate)
            flags.Add("DUPLICATE_CONFIRMED");
        // people are told of what comes, not of what was typed in afterwards
        if (form.Channel == Channel.RETRO_ENTRY)
            flags.Add("RETRO_ENTRY");
        if (!string.IsNullOrWhiteSpace(form.LevelSkipReason))
            flags.Add("LEVEL_SKIP_REASONED");
        return [.. flags];
    }

    private static string[] Eligibility(Direction direction, PatientClass? patientClass, string? diagnosis, DateOnly day, AllianceSnapshot alliance) =>
        direction == Direction.Down && patientClass == PatientClass.Rehab && alliance.Rules.InSet(BookingNeeds.RehabJointWard, diagnosis, day)
            ? [BookingNeeds.RehabJointWard] : [];

    // departments that give the illness away: psychiatry, infectious disease, tuberculosis, palliative care
    private static bool IsTelling(string? department) => department is { Length: >= 2 } && department[..2] is "15" or "16" or "17" or "24";
}
