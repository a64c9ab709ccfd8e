using MassTransit;
using ReferralService.Deadlines;
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
using ReferralService.Workflow;
using static Referrals.Contracts.ReferralEvents;
using static Referrals.Contracts.ReferralKind;
using static ReferralService.Workflow.Side;
using Step = Referrals.Contracts.ReferralEvents;

namespace ReferralService.Referrals;

/// <summary>
/// Every move a referral can make, up and back. What does not stand on this page is refused. Read a line as: during
/// these states, when this is asked, by these sides, under these conditions, do this, go there, tell that.
/// </summary>
internal sealed class ReferralStateMachine : MassTransitStateMachine<Referral>
{
    public ReferralStateMachine()
    {
        InstanceState(r => r.State);
        OnUnhandledEvent(move => move.Ignore());

        // ── the sender writes ────────────────────────────────────────────────────────────────────────────────
        Initially(
            When(StartDraft).By(Sender | Drafter).TransitionTo(Draft).Record("drafted"),
            When(Submit).By(Sender).Do(SubmitReferral.Ask).SubmitOrDispatch(this),
            When(Arrive).By(Receiver).WhereSomebodyComes().Do(SubmitReferral.AskAfterwards).TransitionTo(Submitted).Tell(Step.Submitted)
                .TransitionTo(Accepted).Tell(Step.Accepted)
                .Do(RecordArrival.Register).TransitionTo(Arrived).Tell(Step.Arrived));

        During(Draft,
            When(Amend).By(Sender | Drafter).Do(AmendReferral.Rewrite).Record("amended"),
            When(Discard).By(Sender | Drafter).Do(CancelReferral.Discard).TransitionTo(Cancelled).Record("discarded"),
            When(SendForReview).By(Sender).NotAnEmergency().Do(SubmitReferral.Validate).TransitionTo(InternalReview).Record("sent-for-review"),
            When(Submit).By(Sender).Do(SubmitReferral.Ask).SubmitOrDispatch(this));

        During(InternalReview,
            When(Approve).By(Approver).Do(ApproveReferral.Sign).TransitionTo(Submitted).Tell(Step.Submitted),
            When(SendBack).By(Approver).Do(SendBackReferral.Explain).TransitionTo(Draft).Record("sent-back"),
            When(Discard).By(Sender).Do(CancelReferral.Discard).TransitionTo(Cancelled).Record("discarded"),
            When(Submit).By(Sender).OnlyAnEmergency().Do(SubmitReferral.Ask).SubmitOrDispatch(this));

        // ── the receiver looks ───────────────────────────────────────────────────────────────────────────────
        During(Submitted,
            When(Claim).By(Receiver).Do(ClaimReferral.Take).TransitionTo(InTriage).Tell(TriageStarted),
            When(Assign).By(Receiver).Do(AssignReferral.Give).TransitionTo(InTriage).Tell(Assigned));

        During(InTriage,
            When(Release).By(Receiver | Side.System).Do(ReleaseReferral.GiveBack).TransitionTo(Submitted).Tell(Released));

        During([Submitted, InTriage],
            When(RequestInformation).By(Receiver).Do(Triage.RequestInformation.Ask).TransitionTo(InformationRequested).Tell(Step.InformationRequested),
            When(Accept).By(Receiver).Must(AcceptReferral.TakesOver, Refusals.NotThisKind).Do(AcceptReferral.TakeOver).TransitionTo(Accepted).Tell(Step.Accepted),
            When(Advise).By(Receiver).OnlyUp().Do(AdviseReferral.Advise).TransitionTo(Advised).Tell(Step.Advised));

        During(InformationRequested,
            When(SupplyInformation).By(Sender).Do(Triage.SupplyInformation.Answer).BackToTriage(this).Tell(InformationSupplied),
            When(WithdrawQuestion).By(Receiver).Do(Triage.WithdrawQuestion.Resume).BackToTriage(this).Tell(QuestionWithdrawn));

        During([Submitted, InTriage, InformationRequested],
            When(Decline).By(Receiver).NotAnEmergency().Do(DeclineReferral.Refuse).TransitionTo(Declined).Tell(Step.Declined),
            When(Cancel).By(Sender).Do(CancelReferral.Withdraw).TransitionTo(Cancelled).Tell(Step.Cancelled),
            When(Expire).By(Side.System).OnlyUp().NotAnEmergency().Do(ExpireReferral.RunOut).TransitionTo(Expired).Tell(Step.Expired));

        During([Submitted, InTransit],
            When(Acknowledge).By(Receiver).OnlyUp().OnlyAnEmergency().Do(AcknowledgeEmergency.Answer).Tell(Acknowledged));

        // ── answers that need no transfer ────────────────────────────────────────────────────────────────────
        During(InTriage,
            When(Report).By(Receiver).OnlyUp().OnlyFor(DiagnosticReading).Do(ReportResult.File).TransitionTo(Completed).Tell(Reported),
            When(Convert).By(Receiver).OnlyUp().OnlyFor(Advice, Teleconsultation, DiagnosticReading).Do(ConvertReferral.BecomeTransfer).TransitionTo(Advised).Tell(Converted));
        During(Accepted,
            When(Report).By(Receiver).OnlyUp().OnlyFor(DiagnosticReading).Do(ReportResult.File).TransitionTo(Completed).Tell(Reported));
        During([Arrived, InTreatment],
            When(Report).By(Receiver).OnlyUp().OnlyFor(Examination, Teleconsultation).Do(ReportResult.File).TransitionTo(Completed).Tell(Reported));
        During([Arrived, InTreatment, Treated],
            When(Convert).By(Receiver).OnlyUp().OnlyFor(Advice, Teleconsultation, DiagnosticReading).Do(ConvertReferral.BecomeTransfer).TransitionTo(Completed).Tell(Converted));

        // ── place and time ───────────────────────────────────────────────────────────────────────────────────
        During([Accepted, Waitlisted, NoShow],
            When(Booked).By(Side.System).WhereSomebodyComes().Do(RecordBooking.Hold).TransitionTo(Scheduled).Tell(Step.Scheduled));
        During(Scheduled,
            When(Booked).By(Side.System).WhereSomebodyComes().Do(RecordBooking.Hold).Tell(Rescheduled));
        During(InTransit,
            When(Booked).By(Side.System).WhereSomebodyComes().Do(RecordBooking.Hold).TellFirstOrNext());
        During(Accepted,
            When(NoCapacity).By(Side.System).WhereSomebodyComes().Do(RecordNoCapacity.Wait).TransitionTo(Waitlisted).Tell(Step.Waitlisted));
        During([Scheduled, NoShow],
            When(CancelBooking).By(Receiver | Sender | Side.System).WhereSomebodyComes().Do(Booking.CancelBooking.LetGo).TransitionTo(Accepted).Tell(BookingCancelled));
        During(InTransit,
            When(CancelBooking).By(Receiver | Sender | Side.System).WhereSomebodyComes().Do(Booking.CancelBooking.LetGo).Tell(BookingCancelled));
        During([Scheduled, InTransit],
            When(MissAppointment).By(Receiver | Side.System).NotAnEmergency().WhereSomebodyComes().Do(RecordNoShow.Missed).TransitionTo(NoShow).Tell(Step.NoShow));

        // ── another target, or an emergency after all ────────────────────────────────────────────────────────
        During([Submitted, InTriage, InformationRequested, Accepted, Waitlisted, Scheduled, NoShow, InTransit],
            When(Redirect).By(Receiver | Sender | Alliance).Do(RedirectReferral.NextLeg).NextLegState(this).Tell(Redirected));
        During([InternalReview, Submitted, InTriage, InformationRequested, Accepted, Waitlisted, Scheduled, NoShow],
            When(MakeEmergency).By(Sender).OnlyUp().WhereSomebodyComes().Do(Intake.MakeEmergency.Raise).AnnounceIfUnheard(this)
                .AcceptIfAgreed(this).TransitionTo(InTransit).Tell(MadeEmergency).Tell(Step.InTransit));

        // ── on the way ───────────────────────────────────────────────────────────────────────────────────────
        During([Accepted, Waitlisted, Scheduled],
            When(Dispatch).By(Sender).WhereSomebodyComes().Do(DispatchPatient.Leave).TransitionTo(InTransit).Tell(Step.InTransit));
        During([InTransit, NoShow],
            When(ChangeArrival).By(Receiver | Sender).WhereSomebodyComes().Do(Journey.ChangeArrival.Move).TransitionTo(InTransit).Tell(ArrivalChanged));
        During([Submitted, InTriage, InformationRequested],
            When(Arrive).By(Receiver).WhereSomebodyComes().Do(AcceptReferral.ByArrival)
                .TransitionTo(Accepted).Tell(Step.Accepted)
                .Do(RecordArrival.Register).TransitionTo(Arrived).Tell(Step.Arrived));
        During([Accepted, Waitlisted, Scheduled, NoShow, InTransit, CancellationRequested],
            When(Arrive).By(Receiver).WhereSomebodyComes().AcceptIfNobodyDid(this).Do(RecordArrival.Register).TransitionTo(Arrived).Tell(Step.Arrived));

        // ── up: treatment and the way back ───────────────────────────────────────────────────────────────────
        During(Arrived,
            When(StartTreatment).By(Receiver).OnlyUp().Do(Treatment.StartTreatment.Open).TransitionTo(InTreatment).Tell(TreatmentStarted));
        During([Arrived, InTreatment],
            When(AddInterimNote).By(Receiver).OnlyUp().Do(Treatment.InterimNote.Write).TransitionTo(InTreatment).Tell(Step.InterimNote),
            When(CompleteTreatment).By(Receiver).OnlyUp().Do(Treatment.CompleteTreatment.Conclude).TransitionTo(Treated).Tell(Step.Treated));
        During(Treated,
            When(Return).By(Receiver).OnlyFor(OutpatientTransfer, InpatientTransfer).Must(ReturnPatient.NoLiveChild, Refusals.ReturnUnderWay).Do(ReturnPatient.SendBack).Tell(ReturnInitiated),
            When(ReturnAccepted).By(Side.System).Must(ReturnPatient.ChildIsLive, Refusals.NotInThisState).Do(ReturnProgress.Accepted).Tell(Step.ReturnAccepted),
            When(ReturnArrived).By(Side.System).OnlyUp().Must(ReturnPatient.ChildIsLive, Refusals.NotInThisState).Do(ReturnProgress.Arrived).TransitionTo(Completed).Tell(Step.Completed),
            When(ReturnFailed).By(Side.System).Must(ReturnPatient.ChildIsLive, Refusals.NotInThisState).Do(ReturnProgress.Failed).Tell(NoteAdded),
            When(CompleteWithoutReturn).By(Receiver).OnlyUp().Do(Treatment.CompleteWithoutReturn.Conclude).TransitionTo(Completed).Tell(Step.Completed));
        During([Arrived, InTreatment, Treated],
            When(ReferOnward).By(Receiver).OnlyUp().Do(ReferFurther.Onward).Tell(ReferredOnward),
            When(OnwardAccepted).By(Side.System).OnlyUp().Do(ReferFurther.TransferredOn).TransitionTo(Completed).Tell(Step.Completed));

        // ── down: follow-up, and up again if need be ─────────────────────────────────────────────────────────
        During([Arrived, FollowUp],
            When(RecordFollowUp).By(Receiver).OnlyDown().Do(FollowUps.RecordFollowUp.Visit).BeginPlan(this).Tell(FollowUpRecorded).EscalateUnreached(),
            When(AdjustPlan).By(Sender).OnlyDown().Do(FollowUps.AdjustPlan.Change).Tell(PlanAdjusted),
            When(ReRefer).By(Receiver).OnlyDown().Do(ReferFurther.Again).Tell(ReReferred),
            When(ReReferralAccepted).By(Side.System).OnlyDown().Do(ReferFurther.ReReferred).TransitionTo(Completed).Tell(Step.Completed));
        During(FollowUp,
            When(Finish).By(Receiver).OnlyDown().Do(FinishPlan.Conclude).TransitionTo(Completed).Tell(Step.Completed));

        // ── ending it after acceptance ───────────────────────────────────────────────────────────────────────
        During([Accepted, Waitlisted, Scheduled, NoShow, InTransit],
            When(RequestCancellation).By(Sender).Do(Ending.RequestCancellation.Ask).TransitionTo(CancellationRequested).Tell(Step.CancellationRequested),
            When(WithdrawAcceptance).By(Receiver).NotAnEmergency().Do(DeclineReferral.AfterAcceptance).TransitionTo(Declined).Tell(Step.Declined));
        During(CancellationRequested,
            When(TakeBack).By(Sender).Do(Ending.RequestCancellation.Forget).WhereItCameFrom(this).Tell(CancellationTakenBack),
            When(RefuseCancellation).By(Receiver).Do(Ending.RequestCancellation.Refuse).WhereItCameFrom(this).Tell(CancellationRefused),
            When(ConfirmCancellation).By(Receiver | Side.System).ByItselfOnly(Ending.RequestCancellation.NobodyIsOnTheRoad).Do(Ending.RequestCancellation.Confirm).TransitionTo(Cancelled).Tell(Step.Cancelled));

        During([Submitted, InTriage, InformationRequested, Accepted, Waitlisted, Scheduled, InTransit, CancellationRequested],
            When(Close).By(Sender | Receiver | Alliance).Do(CloseReferral.End).TransitionTo(Closed).Tell(Step.Closed));
        During(NoShow,
            When(Close).By(Sender | Receiver | Alliance | Side.System).ByItselfOnly(r => !r.IsEmergency).Do(CloseReferral.End).TransitionTo(Closed).Tell(Step.Closed));
        During([Arrived, InTreatment, Treated, FollowUp],
            When(Close).By(Receiver).Do(CloseReferral.End).TransitionTo(Closed).Tell(Step.Closed));

        // ── after an end that was a refusal or a mistake: never reopened, referred again ─────────────────────────
        During([Declined, Expired, Cancelled, Closed],
            When(ReferAgain).By(Sender).Must(Annotate.WasSubmitted, Refusals.NotInThisState).Must(Ending.ReferAgain.MayFollow, Refusals.NotInThisState)
                .Must(Ending.ReferAgain.NotYet, Refusals.ReferredAgain).Do(Ending.ReferAgain.Follow).Tell(ReReferred));

        // ── what changes no state ────────────────────────────────────────────────────────────────────────────
        During([Submitted, InTriage, InformationRequested, Accepted, Waitlisted, Scheduled, NoShow, InTransit, CancellationRequested],
            When(RaisePriority).By(Sender | Receiver).Must(ChangePriority.IsRoutine, Refusals.NotInThisState).Do(ChangePriority.Raise).Tell(PriorityRaised));
        During(InTriage,
            When(LowerPriority).By(Receiver).Must(ChangePriority.IsUrgent, Refusals.NotInThisState).Do(ChangePriority.Lower).Tell(PriorityLowered));

        State[] open = [Submitted, InTriage, InformationRequested, Accepted, Waitlisted, Scheduled, NoShow, InTransit,
            Arrived, InTreatment, Treated, FollowUp, CancellationRequested];
        During(open,
            When(Attach).By(Sender | Receiver).Do(AttachResult.Keep).Tell(AttachmentAdded),
            When(AddNote).By(Sender | Receiver).Do(Annotate.Note).Tell(NoteAdded),
            When(DeadlineReached).By(Side.System).Do(Deadlines.DeadlineReached.Escalate).Tell(m => m.EventName));
        // results and remarks lie beside a draft already; partners hear of no draft
        During([Draft, InternalReview],
            When(Attach).By(Sender).Do(AttachResult.Keep).Record(AttachmentAdded),
            When(AddNote).By(Sender).Do(Annotate.Note).Record(NoteAdded),
            When(DeadlineReached).By(Side.System).Do(Deadlines.DeadlineReached.Escalate).Record(m => m.EventName));

        State[] known = [.. open, Completed, Advised, Declined, Cancelled, Expired, Closed];
        During(known,
            When(AddAddendum).By(Sender | Receiver).Must(Annotate.WasSubmitted, Refusals.NotInThisState).Do(Annotate.Addendum).Tell(AddendumAdded),
            When(MarkInError).By(Sender | Receiver).Must(Annotate.WasSubmitted, Refusals.NotInThisState).Must(Annotate.WasRight, Refusals.NotInThisState).Do(Annotate.InError).Tell(MarkedInError),
            When(FileConsent).By(Sender | Receiver).Must(Annotate.WasSubmitted, Refusals.NotInThisState).Do(Annotate.Consent).Tell(ConsentFiled),
            When(IdentifyPatient).By(Sender | Receiver).Must(Annotate.WasSubmitted, Refusals.NotInThisState).Must(Annotations.IdentifyPatient.IsUnknown, Refusals.PatientKnown).Do(Annotations.IdentifyPatient.Identify).Tell(PatientIdentified),
            When(Rate).By(Sender | Receiver).Must(Annotate.WasSubmitted, Refusals.NotInThisState).Do(Annotate.Rate).Tell(Rated));
    }

    // States, as ReferralState of the contracts names them.
    public State Draft { get; private set; } = null!;
    public State InternalReview { get; private set; } = null!;
    public State Submitted { get; private set; } = null!;
    public State InTriage { get; private set; } = null!;
    public State InformationRequested { get; private set; } = null!;
    public State Accepted { get; private set; } = null!;
    public State Waitlisted { get; private set; } = null!;
    public State Scheduled { get; private set; } = null!;
    public State NoShow { get; private set; } = null!;
    public State InTransit { get; private set; } = null!;
    public State Arrived { get; private set; } = null!;
    public State InTreatment { get; private set; } = null!;
    public State Treated { get; private set; } = null!;
    public State FollowUp { get; private set; } = null!;
    public State CancellationRequested { get; private set; } = null!;
    public State Completed { get; private set; } = null!;
    public State Advised { get; private set; } = null!;
    public State Declined { get; private set; } = null!;
    public State Cancelled { get; private set; } = null!;
    public State Expired { get; private set; } = null!;
    public State Closed { get; private set; } = null!;

    // Events, one per verb of the HTTP interface; the ones nobody can call come from timers, scheduling or a linked referral.
    public Event<Move<DraftReferral>> StartDraft { get; private set; } = null!;
    public Event<Move<AmendReferral>> Amend { get; private set; } = null!;
    public Event<Move<DiscardReferral>> Discard { get; private set; } = null!;
    public Event<Move<SendForReview>> SendForReview { get; private set; } = null!;
    public Event<Move<ApproveReferral>> Approve { get; private set; } = null!;
    public Event<Move<SendBackReferral>> SendBack { get; private set; } = null!;
    public Event<Move<SubmitReferral>> Submit { get; private set; } = null!;
    public Event<Move<MakeEmergency>> MakeEmergency { get; private set; } = null!;
    public Event<Move<AcknowledgeEmergency>> Acknowledge { get; private set; } = null!;
    public Event<Move<ClaimReferral>> Claim { get; private set; } = null!;
    public Event<Move<AssignReferral>> Assign { get; private set; } = null!;
    public Event<Move<ReleaseReferral>> Release { get; private set; } = null!;
    public Event<Move<RequestInformation>> RequestInformation { get; private set; } = null!;
    public Event<Move<SupplyInformation>> SupplyInformation { get; private set; } = null!;
    public Event<Move<WithdrawQuestion>> WithdrawQuestion { get; private set; } = null!;
    public new Event<Move<AcceptReferral>> Accept { get; private set; } = null!;
    public Event<Move<DeclineReferral>> Decline { get; private set; } = null!;
    public Event<Move<AdviseReferral>> Advise { get; private set; } = null!;
    public Event<Move<ConvertReferral>> Convert { get; private set; } = null!;
    public Event<Move<ReportResult>> Report { get; private set; } = null!;
    public Event<Move<RedirectReferral>> Redirect { get; private set; } = null!;
    public Event<Move<WithdrawAcceptance>> WithdrawAcceptance { get; private set; } = null!;
    public Event<Move<RecordBooking>> Booked { get; private set; } = null!;
    public Event<Move<RecordNoCapacity>> NoCapacity { get; private set; } = null!;
    public Event<Move<CancelBooking>> CancelBooking { get; private set; } = null!;
    public Event<Move<RecordNoShow>> MissAppointment { get; private set; } = null!;
    public Event<Move<ChangeArrival>> ChangeArrival { get; private set; } = null!;
    public Event<Move<DispatchPatient>> Dispatch { get; private set; } = null!;
    public Event<Move<RecordArrival>> Arrive { get; private set; } = null!;
    public Event<Move<StartTreatment>> StartTreatment { get; private set; } = null!;
    public Event<Move<InterimNote>> AddInterimNote { get; private set; } = null!;
    public Event<Move<CompleteTreatment>> CompleteTreatment { get; private set; } = null!;
    public Event<Move<ReturnPatient>> Return { get; private set; } = null!;
    public Event<Move<ReturnProgress>> ReturnAccepted { get; private set; } = null!;
    public Event<Move<ReturnProgress>> ReturnArrived { get; private set; } = null!;
    public Event<Move<ReturnProgress>> ReturnFailed { get; private set; } = null!;
    public Event<Move<ReferFurther>> ReferOnward { get; private set; } = null!;
    public Event<Move<LinkedAccepted>> OnwardAccepted { get; private set; } = null!;
    public Event<Move<CompleteWithoutReturn>> CompleteWithoutReturn { get; private set; } = null!;
    public Event<Move<RecordFollowUp>> RecordFollowUp { get; private set; } = null!;
    public Event<Move<AdjustPlan>> AdjustPlan { get; private set; } = null!;
    public Event<Move<FinishPlan>> Finish { get; private set; } = null!;
    public Event<Move<ReferFurther>> ReRefer { get; private set; } = null!;
    public Event<Move<LinkedAccepted>> ReReferralAccepted { get; private set; } = null!;
    public Event<Move<CancelReferral>> Cancel { get; private set; } = null!;
    public Event<Move<RequestCancellation>> RequestCancellation { get; private set; } = null!;
    public Event<Move<TakeBackCancellation>> TakeBack { get; private set; } = null!;
    public Event<Move<ConfirmCancellation>> ConfirmCancellation { get; private set; } = null!;
    public Event<Move<RefuseCancellation>> RefuseCancellation { get; private set; } = null!;
    public Event<Move<CloseReferral>> Close { get; private set; } = null!;
    public Event<Move<ReferAgain>> ReferAgain { get; private set; } = null!;
    public Event<Move<ExpireReferral>> Expire { get; private set; } = null!;
    public Event<Move<ChangePriority>> RaisePriority { get; private set; } = null!;
    public Event<Move<ChangePriority>> LowerPriority { get; private set; } = null!;
    public Event<Move<AttachResult>> Attach { get; private set; } = null!;
    public Event<Move<Annotate>> AddNote { get; private set; } = null!;
    public Event<Move<Annotate>> AddAddendum { get; private set; } = null!;
    public Event<Move<MarkInError>> MarkInError { get; private set; } = null!;
    public Event<Move<FileConsent>> FileConsent { get; private set; } = null!;
    public Event<Move<IdentifyPatient>> IdentifyPatient { get; private set; } = null!;
    public Event<Move<RateReferral>> Rate { get; private set; } = null!;
    public Event<Move<DeadlineReached>> DeadlineReached { get; private set; } = null!;

    private static readonly Dictionary<string, string> VerbsNotNamedLikeTheirEvent = new()
    {
        [nameof(StartDraft)] = "draft",
        [nameof(CancelBooking)] = "booking-cancelled",
        [nameof(MissAppointment)] = "no-show",
        [nameof(AddInterimNote)] = "interim-note",
        [nameof(RecordFollowUp)] = "follow-up",
        [nameof(AddNote)] = "note",
        [nameof(AddAddendum)] = "addendum",
    };

    /// <summary>The verb of the HTTP interface and of the table of moves that raises this event.</summary>
    public string VerbOf(Event @event) =>
        VerbsNotNamedLikeTheirEvent.TryGetValue(@event.Name, out var verb) ? verb : Kebab(@event.Name);

    private static string Kebab(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) ? (i > 0 ? "-" : "") + char.ToLowerInvariant(c) : c.ToString()));
}
