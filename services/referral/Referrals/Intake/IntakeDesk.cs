using System.Text.Json;
using Dapper;
using Npgsql;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Alliances.FamilyDoctor;
using ReferralService.Alliances.Formulary;
using ReferralService.Matching;
using ReferralService.Patients;
using ReferralService.Referrals.Booking;
using ReferralService.Rules;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Intake;

/// <summary>Turns a filled form into a referral that has not moved yet, and looks up what its submission depends on.</summary>
internal sealed class IntakeDesk(NpgsqlDataSource database, PatientKeys keys, ReferralNumbers numbers, MatchOffers offers)
{
    /// <summary>
    /// A referral of <paramref name="sender"/> as the form says, or what the alliance's data says against it. With a
    /// parent it continues the parent's episode, patient and consent.
    /// </summary>
    public async Task<(NewReferral? New, Problem? Problem)> Write(
        ReferralForm form, string sender, string author, DateTimeOffset now, AllianceSnapshot alliance,
        Referral? parent = null, Relation? relation = null, string? origin = null, bool arrived = false)
    {
        // nobody is told of it and its times are believed: it is for the receiver, whose patient is there
        if (form.Channel == Channel.RETRO_ENTRY && !arrived)
            return (null, Refusals.OnlyOnceArrived);
        var kind = form.KindOrDefault();
        var direction = kind == ReferralKind.RehabReturn ? Direction.Down : Direction.Up;
        var receiver = form.To?.Institution ?? await DefaultTarget(form, sender, direction, now, alliance, parent, relation);
        var target = receiver is null ? null : alliance.Find(receiver);
        if (target is null)
            return (null, receiver is null
                ? Refusals.Rule("/to", "Say where to: no contract and no grid of residence names a target.", "请填写转入单位：未查到签约或网格的默认机构。")
                : Refusals.Rule("/to/institution", "No such institution; use its code or exact name.", "未找到该机构，请使用机构代码或准确全称。"));
        if (target.Code == sender)
            return (null, Refusals.Rule("/to/institution", "An institution does not refer to itself.", "不能转给本机构。"));
        if (alliance.Find(sender) is not { } own)
            return (null, Refusals.Rule("/referrer/institution", "Your institution is not in the directory.", "您所在机构未登记。"));
        if (own.Synthetic != target.Synthetic)
            return (null, Refusals.Rule("/to/institution", "Sandbox and real institutions do not mix.", "测试机构与真实机构不能互转。"));
        if (direction == Direction.Down && AllianceSnapshot.Tier(target) > AllianceSnapshot.Tier(own) && !(relation == Relation.Return && target.Code == parent!.Sender))
            return (null, Refusals.Rule("/to/institution", "Downward never goes to a higher level.", "下转不能转往更高级别的机构。"));
        if (form.External && alliance.ShareAnAlliance(sender, target.Code, ChinaTime.DayOf(now)))
            return (null, Refusals.Rule("/external", "It is in your alliance and answers for itself.", "该机构与您同属一个医联体，由其自行答复。"));
        if (form.Referrer!.Institution is { } named && alliance.Find(named)?.Code is var written && written != sender && (written is null || written != origin))
            return (null, Refusals.Rule("/referrer/institution", "The referrer's institution is not the one you act for.", "转诊医生所在机构与您代表的机构不一致。"));
        if (form.To?.Department is { } department && !form.External && !alliance.HasDepartment(target.Code, department))
            return (null, Refusals.Rule("/to/department", "The receiver has no such department.", "接收机构没有该科室。"));
        var purposes = direction == Direction.Up ? "UpPurpose" : "DownPurpose";
        for (var i = 0; i < (form.Purposes?.Length ?? 0); i++)
            if (alliance.Reason(purposes, form.Purposes![i], ChinaTime.DayOf(now)) is not { } purpose)
                return (null, Refusals.Rule($"/purposes/{i}", $"Not a code of the list {purposes}.", $"不在 {purposes} 代码表中。"));
            else if (purpose.TextRequired && string.IsNullOrWhiteSpace(form.PurposeText))
                return (null, Refusals.Rule("/purposeText", "This purpose needs a text.", "该转诊目的须填写说明。"));
        var day = ChinaTime.DayOf(now);
        if (EvaluateRules.UnknownIndication(form.Indications, alliance.Rules, day, "") is { } unknown)
            return (null, unknown);
        if (form.Match is { } choice)
        {
            var (taken, refused) = offers.Take(choice, sender, target.Code, form.To?.Department, alliance, now);
            if (refused is not null)
                return (null, refused);
            form = form with { Match = taken };
        }

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
            // a case does not become harmless by the next slip saying less of it
            Sensitive = parent?.Sensitive == true || alliance.IsSensitive(form.Diagnosis?.Code ?? parent?.DiagnosisCode, day)
                || Sensitivity.GivesAway(form.To?.Department, form.PatientClass),
            Purposes = form.Purposes ?? [],
            Eligibility = Eligibility(direction, form.PatientClass, form.Diagnosis?.Code ?? parent?.DiagnosisCode, day, alliance),
            Flags = Flags(form),
            Origin = origin,
            Contracted = parent?.Contracted ?? false,
            StandingAgreement = emergency && alliance.HasStandingAgreement(sender, target.Code, form.GreenChannel ?? GreenChannel.Other, day),
            Author = author, DraftedAt = now, StateSince = now,
            ConsentAt = form.Consent is { } consent ? consent.At ?? now : parent?.ConsentAt ?? (emergency ? null : now),
            ExpectedArrival = form.ExpectedArrival ?? (direction == Direction.Down ? ChinaTime.EndOf(day).AddHours(9) : null),
            FollowUpsPlanned = direction == Direction.Down ? form.Plan?.FollowUps?.Count ?? 1 : 0,
        };
        SubmitReferral.MarkRegion(referral, alliance, day);
        if (direction == Direction.Down && await Lacks(target.Code, form))
            referral.Flags = [.. referral.Flags, DrugGaps.Flag];
        if (form.Times?.NoteOn(referral, now, "/times") is { } impossible)
            return (null, impossible);
        if (direction == Direction.Down)
            referral.NextFollowUpOn = ChinaTime.DayOf(referral.ExpectedArrival!.Value).AddDays(form.Plan?.FollowUps?.FirstOrDefault()?.DueInDays ?? 7);

        // the patient's own part lives with the patient; the slip keeps what the doctor wrote
        var content = JsonSerializer.Serialize(form with { Patient = null }, ServiceDefaults.Json.Lenient);
        return (new(referral, new(1, content, author), identity) { Form = form }, null);
    }

    /// <summary>True when the receiver has said what it has, and it is not all of the prescription.</summary>
    public async Task<bool> Lacks(string receiver, ReferralForm form)
    {
        if (form.ExtendedPrescription is not { Count: > 0 } prescription)
            return false;
        await using var connection = await database.OpenConnectionAsync();
        return await DrugGaps.Missing(connection, receiver, [.. prescription.Select(p => p.Drug!)]) is { Count: > 0 };
    }

    /// <summary>
    /// Where it goes when the form does not say: back to who sent, from a village clinic to its township, else by
    /// contract, else by the grid of residence.
    /// </summary>
    private async Task<string?> DefaultTarget(
        ReferralForm form, string sender, Direction direction, DateTimeOffset now, AllianceSnapshot alliance, Referral? parent, Relation? relation)
    {
        if (relation == Relation.Return)
            return parent!.Sender;
        await using var connection = await database.OpenConnectionAsync();
        var index = parent is null ? keys.Index(Identity.Of(form.Patient!))
            : await connection.ExecuteScalarAsync<byte[]?>("select id_index from patient where id = @PatientId", new { parent.PatientId });
        var contracts = await FamilyContracts.Of(connection, index, ChinaTime.DayOf(now));
        var grid = alliance.Grid(form.Patient?.Grid);
        if (direction == Direction.Down)
            return contracts.Clinic ?? grid?.Institution;
        // a village goes up to its township, whatever hospital the contract names
        if (alliance.Find(sender) is { Level: "VillageClinic", Parent: { } township })
            return township;
        return contracts.UpwardFrom(sender, alliance) ?? (grid?.Target is { } target && target != sender ? target : null);
    }

    /// <summary>The contracts of whoever this form is about.</summary>
    public async Task<FamilyContracts> ContractsOf(PatientForm patient, DateTimeOffset now)
    {
        await using var connection = await database.OpenConnectionAsync();
        return await FamilyContracts.Of(connection, keys.Index(Identity.Of(patient)), ChinaTime.DayOf(now));
    }

    /// <summary>What a referral keeps of the contract: priority with a partner, the family doctor as a reader, the team as hearers.</summary>
    public static void Sign(Referral r, FamilyContracts contracts)
    {
        (r.ContractId, r.FamilyClinic, r.FamilyDoctor, r.Participants) = (contracts.Id, contracts.Clinic, contracts.Doctor, contracts.Participants);
        r.Contracted = contracts.IsPartner(r.IsUp ? r.Sender : r.Receiver) || r.Origin is not null && contracts.IsPartner(r.Origin);
    }

    private sealed record Person
    {
        public string? Open { get; init; }
    }

    /// <summary>What must be known before a referral may leave: an open duplicate, a signature, a skipped level.</summary>
    /// <param name="form">The slip as it is now; null once the patient's data was erased.</param>
    public async Task<SubmissionFacts> LookUp(Referral referral, ReferralForm? form, Identity? identity, AllianceSnapshot alliance, DateTimeOffset now)
    {
        await using var connection = await database.OpenConnectionAsync();
        var index = keys.Index(identity);
        // contract and duplicate are the same question about the same person: one round trip
        var (open, contracts) = (await connection.QueryAsync<Person, FamilyContracts, (string?, FamilyContracts)>($"""
            with person as materialized (
                select coalesce(@index, (select id_index from patient where id = @PatientId)) as id_index
            )
            select (select his.referral_no
                    -- by the person, then the rest (offset 0): a plan may not start with all that is open anywhere
                    from (select r.id, r.referral_no, r.kind, r.diagnosis_group, r.submitted_at, r.ended_at
                          from patient p join referral r on r.patient_id = p.id
                          where p.id_index = person.id_index offset 0) his
                    where his.ended_at is null and his.id <> @Id and his.kind = @Kind
                      and his.diagnosis_group = @DiagnosisGroup and his.submitted_at > @since
                    order by his.submitted_at desc limit 1) as open,
                   1 as contracts, {FamilyContracts.Columns}
            from person {FamilyContracts.Joins}
            """, (person, contracts) => (person.Open, contracts), new
        {
            index, referral.PatientId, referral.Id, Kind = referral.Kind.ToString(), referral.DiagnosisGroup,
            since = now.AddDays(-30), today = ChinaTime.DayOf(now),
        }, splitOn: "contracts")).Single();
        Sign(referral, contracts);
        var day = ChinaTime.DayOf(now);
        var settings = alliance.SettingsOf(referral.Sender, now);
        var leaves = referral.IsUp && alliance.LeadSigns(referral.Sender, referral.Receiver, now);
        // a membership may have ended since it was drafted
        SubmitReferral.MarkRegion(referral, alliance, day);
        return new(open,
            // the head's step is skipped for contracted patients, the lead hospital's is not
            NeedsReview: leaves || referral.IsUp && settings.InternalReview && !referral.Contracted,
            LevelSkipped: referral.IsUp && alliance.SkipsALevel(referral.Sender, referral.Receiver, day))
        {
            LeavesRegion = leaves,
            OverTheTownship = referral.IsUp && alliance.PassesItsTownship(referral.Sender, referral.Receiver, now),
            Rules = Judge(referral, form, alliance, now), Override = form?.Override, Match = form?.Match,
        };
    }

    /// <summary>True when this target has refused, or left without an answer, the same case under an earlier number.</summary>
    public async Task<bool> HasRefused(Referral referral, string target)
    {
        await using var connection = await database.OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<bool>("""
            select exists (select from referral
                           where episode_id = @EpisodeId and direction = @Direction and state in ('Declined', 'Expired')
                             and tried @> array[@target])
            """, new { referral.EpisodeId, Direction = referral.Direction.ToString(), target });
    }

    /// <summary>True when it was signed before it left, or the lead hospital or the alliance office itself sent it where it is.</summary>
    public async Task<bool> WasSigned(Referral referral, AllianceSnapshot alliance, DateTimeOffset now)
    {
        await using var connection = await database.OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<bool>("""
            select exists (select from history
                           where referral_id = @Id and (verb = 'approve'
                               or verb = 'redirect' and leg = @Leg and (role = 'AllianceOffice' or institution = @lead)))
            """, new { referral.Id, referral.Leg, lead = alliance.LeadFor(referral.Sender, ChinaTime.DayOf(now)) });
    }

    /// <summary>What the rules in force now say about the slip as it is now.</summary>
    /// <param name="target">Another receiver than the one it is at.</param>
    public static RuleCheck Judge(Referral r, ReferralForm? form, AllianceSnapshot alliance, DateTimeOffset now, string? target = null) => RuleCheck.Of(new(
        r.Kind, r.Priority, r.DiagnosisCode, form?.Indications ?? [], form?.Measures ?? [], form?.IndicatedSince,
        alliance.Find(target ?? r.Receiver)?.Level, ChinaTime.DayOf(now)), alliance.Rules);

    private static string[] Flags(ReferralForm form)
    {
        var flags = new List<string>();
        if (form.ConfirmDuplicate)
            flags.Add("DUPLICATE_CONFIRMED");
        // people are told of what comes, not of what was typed in afterwards
        if (form.Channel == Channel.RETRO_ENTRY)
            flags.Add("RETRO_ENTRY");
        if (!string.IsNullOrWhiteSpace(form.LevelSkipReason))
            flags.Add(SubmitReferral.LevelSkipReasoned);
        if (form.Match is { IsFirst: false })
            flags.Add(MatchOffers.Overridden);
        if (!string.IsNullOrWhiteSpace(form.LeaveRegionReason))
            flags.Add("OUT_OF_REGION_REASONED");
        return [.. flags];
    }

    private static string[] Eligibility(Direction direction, PatientClass? patientClass, string? diagnosis, DateOnly day, AllianceSnapshot alliance) =>
        direction == Direction.Down && patientClass == PatientClass.Rehab && alliance.Rules.InSet(BookingNeeds.RehabJointWard, diagnosis, day)
            ? [BookingNeeds.RehabJointWard] : [];
}
