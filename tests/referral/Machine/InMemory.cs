using System.Reflection;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Alliances.Import;
using ReferralService.Referrals;
using ReferralService.Workflow;

namespace ReferralService.Tests.Machine;

/// <summary>The machine without database and broker: a small alliance, rows that stand where a test wants them.</summary>
internal static class InMemory
{
    public const string Clinic = "CLINIC", Hospital = "HOSPITAL-1", Department = "03.03", Doctor = "doctor-1", Author = "author";
    public static readonly string[] Hospitals = ["HOSPITAL-1", "HOSPITAL-2", "HOSPITAL-3", "HOSPITAL-4", "HOSPITAL-5"];
    public static readonly DateTimeOffset Noon = new(2026, 3, 2, 4, 0, 0, TimeSpan.Zero);

    public static readonly ReferralStateMachine Machine = new();
    public static readonly MoveDriver Driver = new(Machine);
    public static readonly MoveIndex Index = new(Machine);

    private static string Demo(string file) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "demo", file));

    /// <summary>One clinic, five hospitals with the same department, and the reason lists of the demo.</summary>
    public static readonly AllianceSnapshot Alliance = new(1,
        Hospitals.Append(Clinic).Select(code => new Institution(
            code, code, code == Clinic ? "TownshipHealthCentre" : "SecondaryHospital", "General", "Public", "210600", null, null, null, null, [], null, true)),
        Hospitals.Append(Clinic).Select(code => new Department(code, Department, "神经内科", true)),
        Hospitals.Append(Clinic).Select((code, i) => new Clinician(i == 0 ? Doctor : "doctor-of-" + code, code, Department, "医生", null)),
        [new Alliance("al", "医联体", "UrbanMedicalGroup", "Tight", Hospital)],
        Hospitals.Append(Clinic).Select(code => new Membership("al", code, new(2020, 1, 1), null)),
        [],
        Csv.Read(Demo("reason-codes.csv")).Select(l => new ReasonCode(
            l["list"]!, l["code"]!, l["side"]!, l["textRequired"] == "true", l["nameZh"]!, l["nameEn"]!)),
        []);

    /// <summary>A referral that has not moved yet.</summary>
    public static Referral New(ReferralKind kind, Priority priority = Priority.Routine, bool agreement = false, DateTimeOffset? now = null)
    {
        var down = kind == ReferralKind.RehabReturn;
        var at = now ?? Noon;
        var id = Guid.NewGuid();
        return new Referral
        {
            Id = id, ReferralNo = "ZZ" + id.ToString("n")[..12], EpisodeId = Guid.NewGuid(), PatientId = Guid.NewGuid(),
            Direction = down ? Direction.Down : Direction.Up, Kind = kind, Priority = priority,
            GreenChannel = priority == Priority.Emergency ? GreenChannel.Stroke : null, StandingAgreement = agreement,
            PatientClass = down ? PatientClass.Rehab : null, PatientMasked = "秘*", PatientBirthYear = 1950, Identified = true,
            Sender = down ? Hospital : Clinic, SenderClinician = Author, Author = Author,
            Receiver = down ? Clinic : Hospital, Tried = [down ? Clinic : Hospital], Department = Department,
            DiagnosisCode = "SECRET.I63.900", DiagnosisGroup = "I63", SlipVersion = 1,
            Synthetic = true, DraftedAt = at, StateSince = at, ConsentAt = priority == Priority.Emergency ? null : at,
            ExpectedArrival = down ? at.AddDays(2) : null, FollowUpsPlanned = down ? 2 : 0,
        };
    }

    /// <summary>A referral that stands in a state, with what a referral there has; it took no move to get there.</summary>
    public static Referral At(string state, ReferralKind kind = ReferralKind.OutpatientTransfer, Priority priority = Priority.Routine,
        bool agreement = false, string? cameFrom = null)
    {
        var r = New(kind, priority, agreement);
        if (state == "new")
            return r;
        r.State = state;
        r.Version = 10;
        if (state is not ("Draft" or "InternalReview"))
        {
            r.Sequence = 7;
            r.Leg = 1;
            r.SubmittedAt = r.LegSubmittedAt = Noon;
        }
        if (state is not ("Draft" or "InternalReview" or "Submitted" or "InTriage" or "InformationRequested"))
            r.AcceptedAt = Noon;
        if (state == "InTriage")
        {
            r.ClaimedBy = Doctor;
            r.ClaimedUntil = Noon.AddMinutes(15);
        }
        if (state is "Scheduled" or "NoShow")
        {
            r.BookingId = Guid.NewGuid();
            r.BookingResource = "Slot";
            r.BookingStartsAt = Noon.AddDays(1);
            r.BookingEndsAt = Noon.AddDays(1).AddMinutes(30);
            r.BookingAttempt = 1;
        }
        if (state is "InTransit")
            (r.DispatchedAt, r.ExpectedArrival) = (Noon, Noon.AddHours(3));
        if (state is "Arrived" or "InTreatment" or "Treated" or "FollowUp" or "Completed")
            r.ArrivedAt = Noon;
        if (state is "Treated")
            (r.TreatedAt, r.RehabEligible, r.ReturnSince) = (Noon, true, Noon);
        if (state is "CancellationRequested")
            (r.CameFrom, r.Reason) = (cameFrom ?? "Accepted", "PATIENT_WITHDRAW");
        if (MovesModel.Finals.Contains(state))
            r.EndedAt = Noon;
        if (state == "Completed")
            r.Outcome = r.IsUp ? Outcome.NotReturned : Outcome.PlanFinished;
        r.Told = new(r.State, r.Leg, r.Priority, r.SlipVersion);
        return r;
    }

    /// <summary>How the model sees a row.</summary>
    public static Standing Standing(Referral r) => new()
    {
        State = r.State.Length == 0 ? "new" : r.State, Kind = r.Kind, Priority = r.Priority, Agreement = r.StandingAgreement,
        Sender = r.Sender, Tried = r.Tried, Leg = r.Leg, Author = r.Author, Submitted = r.SubmittedAt is not null,
        Claimed = r.ClaimedBy is not null, CameFrom = r.CameFrom, Attempt = r.BookingAttempt, LiveChild = r.LiveChildId,
        Identified = r.Identified, InError = r.InError, GoesOn = r.GoesOn, Gone = r.Reason is "DIED" or "DUPLICATE" or "WRONG_PATIENT",
    };

    // a row that a refused move has touched is thrown away, as the service does by reading it again
    private static readonly Func<Referral, object> Clone = typeof(object)
        .GetMethod("MemberwiseClone", BindingFlags.Instance | BindingFlags.NonPublic)!.CreateDelegate<Func<Referral, object>>();

    public static Referral Copy(this Referral r) => (Referral)Clone(r);

    public static Actor By(Side side, string subject = "dr-test", string institution = Hospital) =>
        side == Side.System ? Actor.System : new(side, subject, institution, "Clinician", null);
}
