using System.Text.Json;
using Dapper;
using Npgsql;
using ReferralService.Patients;
using ReferralService.Referrals;
using ReferralService.Referrals.Intake;
using ReferralService.Referrals.Reading;
using ReferralService.Workflow;
using ServiceDefaults.Auditing;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Privacy;

/// <summary>Correct who the patient is; what was said before is kept as an earlier version.</summary>
internal sealed record CorrectPatient(PatientForm? Patient) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Required(Patient, "/patient");
        Patient?.Check(checks, "/patient", identityNeeded: true);
    }
}

/// <summary>Nobody works with the person's data once the care has ended; or they may again.</summary>
internal sealed record RestrictPatient(bool? Restricted) : ICommand
{
    public void Check(Checks checks) => checks.Required(Restricted, "/restricted");
}

/// <summary>Destroy the person's key: nothing written about them can be read again.</summary>
/// <param name="Confirm">The referral's number again: it cannot be undone.</param>
internal sealed record ErasePatient(string? Confirm) : ICommand
{
    public void Check(Checks checks) => checks.Text(Confirm, "/confirm", 40);
}

/// <summary>What stands about the person now; no patient data.</summary>
/// <param name="Records">Records of the same person that it reached: one for each episode.</param>
internal sealed record PatientStanding(Guid ReferralId, string ReferralNo, int IdentityVersion, bool Restricted, bool Erased, int Records);

/// <summary>
/// A person's rights, exercised at a desk that has one of their referrals: correct, restrict, erase. Each reaches every
/// record of the same person whose sender or receiver the caller's institution is, and is audited with every referral
/// of these.
/// </summary>
internal sealed class PatientRights(Once once, GetReferral referrals, Access access, PatientKeys keys, IConfiguration configuration)
{
    private const string Gone = "已删除";
    private static readonly Role[] Offices = [Role.Head, Role.Coordinator, Role.AllianceOffice];
    private static readonly PatientStanding Example = new(new("019aa3a8-5c1e-7d31-9a53-0d6f7b1c2e4f"), "U261122000001234", 2, false, false, 1);

    /// <summary>Years that a record is kept: 30 for a stay in hospital, never less than 15 (医疗机构病历管理规定).</summary>
    public static int KeepYears(IConfiguration configuration)
    {
        var years = configuration.GetValue("Retention:ReferralYears", 30);
        return years >= 15 ? years : throw new InvalidOperationException($"Retention:ReferralYears is {years}: medical records are kept for at least 15 years.");
    }

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/referrals/{id}/patient-corrections", (string id, HttpContext http, PatientRights rights) =>
                rights.Handle<CorrectPatient>(http, id, "patient.correct", Roles.Desk, rights.Correct))
            .Describe("correctPatient", "Privacy", "Correct who the patient is; the earlier version is kept.",
                "For a party's desk. If-Match is the version of the identity as patient-file shows it. Clinical texts are corrected by an addendum. "
                + "It reaches the other records of the same person (number, name, sex, birthday as they were) that the caller's institution sent or received; "
                + "there address, phone, email, language and age stay as they are but for what it changes here.")
            .Accepts<CorrectPatient>("application/json").Produces<PatientStanding>().RefusesLikeACommand(ifMatch: true, more: 410)
            .Example(new CorrectPatient(CreateReferral.Example.Patient!), Example);
        routes.MapPost("/v1/referrals/{id}/patient-restriction", (string id, HttpContext http, PatientRights rights) =>
                rights.Handle<RestrictPatient>(http, id, "patient.restrict", Offices, rights.Restrict))
            .Describe("restrictPatient", "Privacy", "Restrict what is done with the patient's data once the care has ended, or lift that.",
                "For heads and offices of a party, at the patient's request. Break-glass remains.")
            .Accepts<RestrictPatient>("application/json").Produces<PatientStanding>().RefusesLikeACommand(more: 410)
            .Example(new RestrictPatient(true), Example with { IdentityVersion = 1, Restricted = true });
        routes.MapPost("/v1/referrals/{id}/patient-erasure", (string id, HttpContext http, PatientRights rights) =>
                rights.Handle<ErasePatient>(http, id, "patient.erase", Roles.Signing, rights.Erase))
            .Describe("erasePatient", "Privacy", "Erase the patient's data where the law allows: their key is destroyed.",
                "For the head of a party, at the patient's request. While a referral is open, or before the time that records are kept has passed, it is refused with the reason, and restriction is what remains; drafts that never left, sandbox referrals and those entered in error go at once. Workflow and history stay without a person.")
            .Accepts<ErasePatient>("application/json").Produces<PatientStanding>().RefusesLikeACommand()
            .Example(new ErasePatient("U261122000001234"), Example with { IdentityVersion = 1, Erased = true });
    }

    private sealed record Request<T>(NpgsqlConnection Connection, NpgsqlTransaction Transaction, Referral Referral, IReadOnlyList<Person> People, T Command, Caller Caller, HttpContext Http)
    {
        /// <summary>The records it changed, or found as they should be.</summary>
        public IReadOnlyList<Person> Reached { get; set; } = People;
        public Person Person => People.Single(p => p.Id == Referral.PatientId);
    }

    /// <summary>The row of a record of the person, locked.</summary>
    private sealed record Person
    {
        public Guid Id { get; init; }
        public byte[]? WrappedKey { get; init; }
        public byte[]? Identity { get; init; }
        public DateTimeOffset? RestrictedAt { get; init; }
        public int Version { get; init; }
    }

    private async Task<IResult> Handle<T>(HttpContext http, string id, string action, Role[] roles, Func<Request<T>, Task<Problem?>> change) where T : class, ICommand
    {
        var (caller, command, key, refused) = await Once.Read<T>(http);
        if (refused is not null)
            return refused;
        var (found, _, hidden) = await referrals.Find(http, id, action);
        if (found is not { } referral)
            return hidden!;
        if (!roles.Contains(caller!.Role) || (access.SidesOf(caller, referral) & (Side.Sender | Side.Receiver)) == 0)
        {
            await access.Denied(caller, action, referral.Id, id);
            return new ProblemResult(Problems.Forbidden);
        }
        return await once.Run<PatientStanding>(key!, async (connection, transaction) =>
        {
            var people = await Locked(connection, transaction, referral, caller);
            var request = new Request<T>(connection, transaction, referral, people, command!, caller, http);
            if (await change(request) is { } problem)
                return problem;
            foreach (var id in await connection.QueryAsync<Guid>("select id from referral where patient_id = any(@reached) order by id", new { reached = request.Reached.Select(p => p.Id).ToArray() }, transaction))
                await AuditTrail.Write(connection, once.Now, caller, action, denied: false, id);
            var now = (await Locked(connection, transaction, referral, caller)).Single(p => p.Id == referral.PatientId);
            return new PatientStanding(referral.Id, referral.ReferralNo, now.Version, now.RestrictedAt is not null, now.WrappedKey is null, request.Reached.Count);
        });
    }

    // the record of this referral, and the others of the same person that the caller's institution sent or received
    private static async Task<IReadOnlyList<Person>> Locked(NpgsqlConnection connection, NpgsqlTransaction transaction, Referral referral, Caller caller) =>
        (await connection.QueryAsync<Person>("""
            select p.id, p.wrapped_key, p.identity, case when p.restriction_lifted_at is null then p.restricted_at end as restricted_at,
                   1 + (select count(*)::int from identity_version v where v.patient_id = p.id) as version
            from patient p
            where p.id = @PatientId
               or p.id_index = (select id_index from patient where id = @PatientId)
                  and exists (select from referral r where r.patient_id = p.id and (r.sender = @me or r.receiver = @me and r.submitted_at is not null))
            order by p.id
            for update of p
            """, new { referral.PatientId, me = caller.Role == Role.AllianceOffice ? caller.OnBehalfOf : caller.Institution }, transaction)).AsList();

    private async Task<Problem?> Correct(Request<CorrectPatient> r)
    {
        if (r.Person is not { WrappedKey: not null } person)
            return Refusals.Erased;
        if (ETags.Check(r.Http.Request, person.Version) is { } stale)
            return stale;
        if (person.Identity is null || !r.Referral.Identified)
            return Refusals.Rule("/patient", "Nobody knows yet who the patient is: use identify-patient.", "患者身份尚未确认，请使用 identify-patient。");
        var identity = Identity.Of(r.Command.Patient!);
        var known = Opened(person)!;
        // who has the same number and another name, sex or birthday is somebody else: a wrong number is corrected here alone
        var others = r.People.Where(p => p.Id != person.Id).Select(p => (Record: p, Own: Opened(p)))
            .Where(o => o.Own is { } own && known.MayBe(own, null, once.Now)).ToArray();
        r.Reached = [person, .. others.Select(o => o.Record)];
        await Rewrite(r, person, known, identity);
        foreach (var (record, own) in others)
            await Rewrite(r, record, own!, Elsewhere(own!, known, identity));
        return null;
    }

    // on another record of the person: who they are, and of how they are reached what this correction changes
    private static Identity Elsewhere(Identity own, Identity known, Identity right)
    {
        var born = right.BirthDate ?? (known.BirthDate is null ? own.BirthDate : null);
        return right with
        {
            // the numbers of a house are each record's own
            ArchiveNo = own.ArchiveNo ?? right.ArchiveNo, MedicalRecordNo = own.MedicalRecordNo ?? right.MedicalRecordNo,
            Address = Changed(own.Address, known.Address, right.Address), Phone = Changed(own.Phone, known.Phone, right.Phone),
            Email = Changed(own.Email, known.Email, right.Email), Language = Changed(own.Language, known.Language, right.Language),
            BirthDate = born,
            // it was said on the day of that record; without a birth date one is needed
            Age = right.Age != known.Age ? right.Age : own.Age ?? (born is null ? right.Age : null),
        };

        // what a correction does not name it does not take from other records: its writer may not know that there is such a thing
        static string? Changed(string? own, string? known, string? right) => right is null || right == known ? own : right;
    }

    private Identity? Opened(Person person) => person is { WrappedKey: { } wrapped, Identity: { } kept }
        ? keys.Open<Identity>(wrapped, kept) : null;

    private async Task Rewrite(Request<CorrectPatient> r, Person person, Identity known, Identity identity)
    {
        // said twice it is no second version
        if (identity == known)
            return;
        await r.Connection.ExecuteAsync("""
            insert into identity_version (patient_id, version, identity, replaced_by, institution, replaced_at)
            values (@Id, @Version, @Identity, @Subject, @Institution, @now)
            """, new { person.Id, person.Version, person.Identity, r.Caller.Subject, r.Caller.Institution, now = once.Now }, r.Transaction);
        // the masked name on the person wins over what a move that began earlier still carries (trigger of the table)
        await r.Connection.ExecuteAsync("""
            update patient set identity = @identity, id_index = @index, masked = @masked where id = @Id;
            update referral set patient_masked = @masked, patient_sex = @Sex, patient_birth_year = @year, changed_at = @now where patient_id = @Id;
            """, new
        {
            person.Id, identity = keys.Seal(person.WrappedKey!, JsonSerializer.Serialize(identity, ServiceDefaults.Json.Lenient)),
            index = keys.Index(identity), masked = Masking.Name(identity.Name), identity.Sex, year = identity.BirthYear(once.Now), now = once.Now,
        }, r.Transaction);
    }

    private async Task<Problem?> Restrict(Request<RestrictPatient> r)
    {
        if (r.Person.WrappedKey is null)
            return Refusals.Erased;
        await r.Connection.ExecuteAsync("""
            update patient set restricted_at = case when restriction_lifted_at is null then coalesce(restricted_at, @now) else @now end, restriction_lifted_at = null
            where @restricted and id = any(@people);
            update patient set restriction_lifted_at = coalesce(restriction_lifted_at, @now)
            where not @restricted and restricted_at is not null and id = any(@people);
            """, new { restricted = r.Command.Restricted == true, now = once.Now, people = r.People.Select(p => p.Id).ToArray() }, r.Transaction);
        return null;
    }

    private sealed record Kept
    {
        public string? Open { get; init; }
        public DateTimeOffset? LastEnd { get; init; }
    }

    private async Task<Problem?> Erase(Request<ErasePatient> r)
    {
        if (!string.Equals(r.Command.Confirm, r.Referral.ReferralNo, StringComparison.OrdinalIgnoreCase))
            return Refusals.Rule("/confirm", "Repeat the referral's number: this cannot be undone.", "请再次填写转诊编号：此操作不可撤销。");
        var people = r.People.Select(p => p.Id).ToArray();
        var kept = await r.Connection.QuerySingleAsync<Kept>("""
            select min(referral_no) filter (where ended_at is null) as open,
                   -- a mark of one party takes nothing from the other's record: in error or not, it is kept
                   max(ended_at) filter (where submitted_at is not null and not synthetic) as last_end
            from referral where patient_id = any(@people)
            """, new { people }, r.Transaction);
        if (kept.Open is { } open)
            return new Problem(Refusals.MustBeKept)
            {
                Errors = [new("", new($"Referral {open} of this patient is still open.", $"该患者的转诊单 {open} 尚未结束。"))], More = new Dictionary<string, object?> { ["openReferral"] = open },
            };
        if (kept.LastEnd?.AddYears(KeepYears(configuration)) is { } until && until > once.Now)
        {
            var day = ChinaTime.DayOf(until).ToString("yyyy-MM-dd");
            return new Problem(Refusals.MustBeKept)
            {
                Errors = [new("", new($"The law keeps this record until {day}; restrict it instead.", $"依法须保存至 {day}，可改为限制处理。"))], More = new Dictionary<string, object?> { ["keptUntil"] = day },
            };
        }
        // what was erased before stays as it is
        await r.Connection.ExecuteAsync("""
            update patient set wrapped_key = null, identity = null, id_index = null, masked = @Gone, erased_at = @now
            where id = any(@people) and erased_at is null;
            update referral set patient_masked = @Gone, patient_sex = '0', patient_birth_year = null, sender_own_no = null, receiver_own_no = null, changed_at = @now
            where patient_id = any(@people) and patient_masked <> @Gone;
            """, new { people, Gone, now = once.Now }, r.Transaction);
        return null;
    }
}
