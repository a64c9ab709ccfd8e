using MassTransit;
using Referrals.Contracts;
using ReferralService.Deadlines;
using ReferralService.Patients;
using ReferralService.Referrals;
using ReferralService.Referrals.Annotations;
using ReferralService.Referrals.Booking;
using ReferralService.Referrals.Decision;
using ReferralService.Referrals.Ending;
using ReferralService.Referrals.FollowUps;
using ReferralService.Referrals.Intake;
using ReferralService.Referrals.Journey;
using ReferralService.Referrals.Treatment;
using ReferralService.Referrals.Triage;
using ReferralService.Workflow;

namespace ReferralService.Tests.Machine;

/// <summary>Every verb with a body that no rule stands against, raised on the machine in memory.</summary>
internal static class Verbs
{
    private const string Words = "SECRET 患者自述";

    /// <summary>The particulars of a command that matter to the model.</summary>
    /// <param name="Linked">The new referral of return, onward, re-refer and convert.</param>
    /// <param name="LinkedId">The referral that return-accepted and its like speak of.</param>
    internal sealed record With(
        string? Target = null, bool Agrees = true, bool Agreement = false, int? Leg = null, long? Attempt = null,
        NewReferral? Linked = null, Guid? LinkedId = null);

    public static readonly With Usual = new();

    private static readonly ReferralForm Form = CreateReferral.Example;
    private static readonly AdviseReferral Advice = new("ADVICE_ONLY", Words);
    private static readonly CompleteTreatment Treated = new("SECRET", null, Words, null, true);
    private static readonly DeadlineFacts Facts = new("Triage", InMemory.Noon, 1);
    private static readonly PatientForm Patient = new() { Name = "SECRET", Sex = "1", Age = 60 };

    private delegate Move Shot(Referral r, string verb, Actor actor, DateTimeOffset now, With with);

    private static Shot Of<T>(Func<ReferralStateMachine, Event<Move<T>>> on, Func<Referral, With, DateTimeOffset, T> body) where T : class
    {
        var @event = on(InMemory.Machine);
        return (r, verb, actor, now, with) => InMemory.Driver
            .Raise(r, @event, new Move<T>(body(r, with, now), verb, actor, now) { Alliance = InMemory.Alliance })
            .GetAwaiter().GetResult();
    }

    private static Shot Of<T>(Func<ReferralStateMachine, Event<Move<T>>> on, T body) where T : class => Of(on, (_, _, _) => body);

    private static readonly Dictionary<string, Shot> Shots = new()
    {
        ["draft"] = Of(m => m.StartDraft, new DraftReferral()),
        ["amend"] = Of(m => m.Amend, (r, _, now) => new AmendReferral(Form) { Rewritten = new(Rewritten(r, now), new(2, "SECRET", "x"), null) }),
        ["discard"] = Of(m => m.Discard, new DiscardReferral()),
        ["send-for-review"] = Of(m => m.SendForReview, new SendForReview()),
        ["approve"] = Of(m => m.Approve, new ApproveReferral()),
        ["send-back"] = Of(m => m.SendBack, new SendBackReferral("INCOMPLETE", Words)),
        ["submit"] = Of(m => m.Submit, new SubmitReferral()),
        ["make-emergency"] = Of(m => m.MakeEmergency, (_, with, _) => new MakeEmergency(GreenChannel.Stroke, Words) { StandingAgreement = with.Agreement }),
        ["acknowledge"] = Of(m => m.Acknowledge, new AcknowledgeEmergency()),
        ["claim"] = Of(m => m.Claim, new ClaimReferral()),
        ["assign"] = Of(m => m.Assign, (r, _, _) => new AssignReferral(r.Receiver == InMemory.Hospital ? InMemory.Doctor : "doctor-of-" + r.Receiver)),
        ["release"] = Of(m => m.Release, new ReleaseReferral("WORKLOAD", Words)),
        ["request-information"] = Of(m => m.RequestInformation, new RequestInformation("MISSING_RESULTS", Words)),
        ["supply-information"] = Of(m => m.SupplyInformation, new SupplyInformation(Words)),
        ["withdraw-question"] = Of(m => m.WithdrawQuestion, new WithdrawQuestion()),
        ["accept"] = Of(m => m.Accept, new AcceptReferral(InMemory.Department, null, null)),
        ["decline"] = Of(m => m.Decline, new DeclineReferral("OTHER", Words)),
        ["advise"] = Of(m => m.Advise, Advice),
        ["convert"] = Of(m => m.Convert, (r, with, now) => new ConvertReferral(ReferralKind.OutpatientTransfer, InMemory.Department, null, null, Words)
            { Transfer = with.Linked ?? Child(r, Relation.Conversion, now) }),
        ["report"] = Of(m => m.Report, new ReportResult(Words, true)),
        ["redirect"] = Of(m => m.Redirect, (r, with, _) => new RedirectReferral(
            with.Target ?? Untried(r), InMemory.Department, null, "NO_CAPACITY", Words, with.Agrees) { StandingAgreement = with.Agreement }),
        ["withdraw-acceptance"] = Of(m => m.WithdrawAcceptance, new WithdrawAcceptance("BED_LOST", Words)),
        ["booked"] = Of(m => m.Booked, (r, with, now) => new RecordBooking(with.Leg ?? r.Leg, with.Attempt ?? r.BookingAttempt + 1, Guid.NewGuid(),
            "Slot", now.AddDays(1), now.AddDays(1).AddMinutes(30), null, "hash")),
        ["no-capacity"] = Of(m => m.NoCapacity, (r, with, _) => new RecordNoCapacity(with.Leg ?? r.Leg, with.Attempt ?? r.BookingAttempt + 1)),
        ["booking-cancelled"] = Of(m => m.CancelBooking, new CancelBooking("BED_LOST", Words)),
        ["no-show"] = Of(m => m.MissAppointment, new RecordNoShow("FORGOT", Words)),
        ["change-arrival"] = Of(m => m.ChangeArrival, (_, _, now) => new ChangeArrival(now.AddDays(1), Words)),
        ["dispatch"] = Of(m => m.Dispatch, (_, _, now) => new DispatchPatient(Transport.Family, null, now.AddHours(3), Words)),
        ["arrive"] = Of(m => m.Arrive, new RecordArrival(null, Identification.IdCard, null, InMemory.Department, null)),
        ["start-treatment"] = Of(m => m.StartTreatment, new StartTreatment("V1", null)),
        ["interim-note"] = Of(m => m.AddInterimNote, new InterimNote(Words)),
        ["complete-treatment"] = Of(m => m.CompleteTreatment, Treated),
        ["return"] = Of(m => m.Return, (r, with, now) => new ReturnPatient(Form) { Child = with.Linked ?? Child(r, Relation.Return, now) }),
        ["return-accepted"] = Of(m => m.ReturnAccepted, (r, with, _) => new ReturnProgress(with.LinkedId ?? r.LiveChildId ?? Guid.Empty, "ZX1")),
        ["return-arrived"] = Of(m => m.ReturnArrived, (r, with, _) => new ReturnProgress(with.LinkedId ?? r.LiveChildId ?? Guid.Empty, "ZX1")),
        ["return-failed"] = Of(m => m.ReturnFailed, (r, with, _) => new ReturnProgress(with.LinkedId ?? r.LiveChildId ?? Guid.Empty, "ZX1")),
        ["refer-onward"] = Of(m => m.ReferOnward, (r, with, now) => new ReferFurther(Form) { Next = with.Linked ?? Child(r, Relation.Onward, now) }),
        ["onward-accepted"] = Of(m => m.OnwardAccepted, (_, with, _) => new LinkedAccepted(with.LinkedId ?? Guid.Empty, "ZZ1")),
        ["complete-without-return"] = Of(m => m.CompleteWithoutReturn, new CompleteWithoutReturn("CURED", Words)),
        ["follow-up"] = Of(m => m.RecordFollowUp, new RecordFollowUp(FollowUpWay.Home, Words, null, null)),
        ["adjust-plan"] = Of(m => m.AdjustPlan, new AdjustPlan(Words, null, null)),
        ["finish"] = Of(m => m.Finish, new FinishPlan(Words)),
        ["re-refer"] = Of(m => m.ReRefer, (r, with, now) => new ReferFurther(Form) { Next = with.Linked ?? Child(r, Relation.ReReferral, now) }),
        ["re-referral-accepted"] = Of(m => m.ReReferralAccepted, (_, with, _) => new LinkedAccepted(with.LinkedId ?? Guid.Empty, "ZZ1")),
        ["cancel"] = Of(m => m.Cancel, new CancelReferral("PATIENT_WITHDRAW", Words)),
        ["request-cancellation"] = Of(m => m.RequestCancellation, new RequestCancellation("PATIENT_WITHDRAW", Words)),
        ["take-back"] = Of(m => m.TakeBack, new TakeBackCancellation()),
        ["confirm-cancellation"] = Of(m => m.ConfirmCancellation, new ConfirmCancellation()),
        ["refuse-cancellation"] = Of(m => m.RefuseCancellation, new RefuseCancellation("CLINICALLY_UNSAFE", Words)),
        ["close"] = Of(m => m.Close, new CloseReferral("OTHER_HOSPITAL", Words, null)),
        ["refer-again"] = Of(m => m.ReferAgain, (r, with, now) =>
        {
            var next = with.Linked ?? Again(r, null, now);
            return new ReferAgain(next.Referral.Receiver, InMemory.Department, null, with.Agrees, null)
                { Next = next, Parent = next.Referral.Relation == Relation.Return ? next.Referral.ParentId : null };
        }),
        ["expire"] = Of(m => m.Expire, new ExpireReferral(Facts)),
        ["raise-priority"] = Of(m => m.RaisePriority, new ChangePriority(Words)),
        ["lower-priority"] = Of(m => m.LowerPriority, new ChangePriority(Words)),
        ["attach"] = Of(m => m.Attach, new AttachResult("SECRET", "CT-001", "lab", true, null, "urn:SECRET")),
        ["note"] = Of(m => m.AddNote, new Annotate(Words)),
        ["addendum"] = Of(m => m.AddAddendum, new Annotate(Words)),
        ["mark-in-error"] = Of(m => m.MarkInError, new MarkInError(Words)),
        ["file-consent"] = Of(m => m.FileConsent, new FileConsent(ConsentForm.Written, null)),
        ["identify-patient"] = Of(m => m.IdentifyPatient, new IdentifyPatient(Patient)),
        ["rate"] = Of(m => m.Rate, new RateReferral(4, Words)),
        ["deadline-reached"] = Of(m => m.DeadlineReached, new DeadlineReached(Facts, ReferralEvents.Escalated)),
    };

    public static IReadOnlyList<string> All { get; } = [.. Shots.Keys];

    /// <summary>Raises the verb; <see cref="WasDone"/> says whether the machine let it pass.</summary>
    public static Move Raise(Referral r, string verb, Actor actor, DateTimeOffset now, With? with = null) =>
        Shots[verb](r, verb, actor, now, with ?? Usual);

    public static bool WasDone(this Move move) => move.Refusal is null && move.Rows.Count > 0;

    public static string Untried(Referral r) => InMemory.Hospitals.First(h => !r.Tried.Contains(h) && h != r.Sender);

    /// <summary>A linked referral of the same episode that has not moved yet.</summary>
    public static NewReferral Child(Referral parent, Relation relation, DateTimeOffset now,
        ReferralKind kind = ReferralKind.OutpatientTransfer, Priority priority = Priority.Routine, bool agreement = false)
    {
        var child = InMemory.New(relation == Relation.Return ? ReferralKind.RehabReturn : kind, priority, agreement, now);
        (child.ParentId, child.ParentNo, child.Relation) = (parent.Id, parent.ReferralNo, relation);
        (child.EpisodeId, child.PatientId, child.ConsentAt) = (parent.EpisodeId, parent.PatientId, parent.ConsentAt ?? now);
        child.Sender = relation == Relation.Conversion ? parent.Sender : parent.Receiver;
        child.Receiver = relation switch
        {
            Relation.Return => parent.Sender,
            Relation.Conversion => parent.Receiver,
            _ => InMemory.Hospitals.First(h => h != parent.Receiver),
        };
        child.Tried = [child.Receiver];
        return new(child, new(1, "SECRET", "x"), null);
    }

    /// <summary>The next referral of one that ended, in the place it had with a parent that still waits.</summary>
    public static NewReferral Again(Referral ended, Referral? waiting, DateTimeOffset now)
    {
        var next = InMemory.New(ended.Kind, ended.Priority, agreement: false, now);
        next.Sender = ended.Sender;
        next.Receiver = InMemory.Hospitals.FirstOrDefault(h => !ended.Tried.Contains(h) && h != ended.Sender) ?? ended.Receiver;
        next.Tried = [next.Receiver];
        (next.EpisodeId, next.PatientId, next.ConsentAt) = (ended.EpisodeId, ended.PatientId, ended.ConsentAt ?? now);
        if (waiting is not null)
            (next.ParentId, next.ParentNo, next.Relation) = (waiting.Id, waiting.ReferralNo, ended.Relation);
        else if (next.IsUp)
            (next.ParentId, next.ParentNo, next.Relation) = (ended.Id, ended.ReferralNo, Relation.ReReferral);
        return new(next, new(1, "SECRET", "x"), null);
    }

    private static Referral Rewritten(Referral r, DateTimeOffset now)
    {
        var to = InMemory.New(r.Kind, r.Priority, r.StandingAgreement, now);
        (to.Receiver, to.Tried, to.Identified) = (r.Receiver, r.Tried, r.Identified);
        return to;
    }
}
