using Referrals.Contracts;
using ReferralService.Patients;
using ReferralService.Matching;
using ReferralService.Privacy;
using ReferralService.Referrals.Annotations;
using ReferralService.Referrals.Attachments;
using ReferralService.Referrals.Booking;
using ReferralService.Referrals.Decision;
using ReferralService.Referrals.Ending;
using ReferralService.Referrals.FollowUps;
using ReferralService.Referrals.Intake;
using ReferralService.Referrals.Journey;
using ReferralService.Referrals.Reading;
using ReferralService.Referrals.Treatment;
using ReferralService.Referrals.Triage;
using ReferralService.Rules;
using ReferralService.Workflow;

namespace ReferralService.Referrals;

/// <summary>What the referral service offers over HTTP, in the order of a referral's life.</summary>
internal static class ReferralRoutes
{
    public static readonly Dictionary<string, string> Sections = new()
    {
        ["Referrals"] = "Writing, finding and reading referrals.",
        ["Rules"] = "The alliance's rules as data: who should go up, who may come down, and what a referral is warned of.",
        ["Matching"] = "Where a patient could go: ranked, explained, and chosen with a reason.",
        ["Attachments"] = "Results and files that belong to a referral, with their marks of mutual recognition (互认).",
        ["Indicators"] = "Figures of institutions and alliances, with their definitions.",
        ["Accountability"] = "Refusals, silences, held-over patients, complaints, and the ledger of patients sent down.",
        ["Certificates"] = "What an insurer may rely on.",
        ["Clients"] = "Software of an institution: its secrets, its limits, its tokens.",
        ["Moves"] = "What the parties do with a referral; the state machine decides.",
        ["Contracts"] = "Family-doctor contracts: who signed with whom.",
        ["Settings"] = "What an alliance sets for its members, and how long each timer is.",
        ["Directory"] = "Institutions, departments, clinicians, alliances, grids and reason codes.",
        ["Privacy"] = PrivacyRoutes.Section,
        ["Audit"] = "Who did, read or was refused what.",
    };

    public static void MapReferrals(this IEndpointRouteBuilder routes)
    {
        CreateReferral.Map(routes);
        RequestReferral.Map(routes);
        GetReferral.Map(routes);
        ListReferrals.Map(routes);
        GetTimeline.Map(routes);
        GetEpisode.Map(routes);
        PrintSlip.Map(routes);
        routes.MapPrivacy();
        Alliances.Http.DirectoryRoutes.Map(routes);
        Alliances.Settings.SettingRoutes.Map(routes);
        Alliances.FamilyDoctor.ContractRoutes.Map(routes);
        Alliances.FamilyDoctor.ExportContracts.Map(routes);
        Alliances.Formulary.DrugGaps.Map(routes);
        Deadlines.TimerRoutes.Map(routes);

        EvaluateRules.Map(routes);
        PublishRules.Map(routes);
        MatchRoutes.Map(routes);
        MatchWeightRoutes.Map(routes);
        GetReport.Map(routes);
        UploadAttachment.Map(routes);
        ReadAttachments.Map(routes);

        var moves = new MoveRoutes(routes);
        var form = CreateReferral.Example;

        moves.Map(m => m.Amend, Roles.Clinical, "Rewrite a draft.", new AmendReferral(form), prepare: Preparations.Amend);
        moves.Map(m => m.Discard, Roles.Clinical, "Drop a draft.", new DiscardReferral());
        moves.Map(m => m.SendForReview, Roles.Clinical, "Ask the approver to sign.", new SendForReview());
        moves.Map(m => m.Approve, Roles.Signing, "Sign: the referral goes out.", new ApproveReferral(), prepare: Preparations.Approve);
        moves.Map(m => m.SendBack, Roles.Signing, "Send it back to be mended.", new SendBackReferral("INCOMPLETE", null));
        moves.Map(m => m.Submit, Roles.Clinical, "Send it off: slip and consent are frozen, the receiver may look.", new SubmitReferral(), prepare: Preparations.Submit);
        moves.Map(m => m.MakeEmergency, Roles.Clinical, "It became an emergency: the patient leaves now.", new MakeEmergency(GreenChannel.Stroke, null), prepare: Preparations.MakeEmergency);

        moves.Map(m => m.Acknowledge, Roles.Desk, "Answer an emergency's alarm.", new AcknowledgeEmergency());
        moves.Map(m => m.Claim, Roles.Clinical, "Take it up for triage, for 15 minutes from the last move.", new ClaimReferral());
        moves.Map(m => m.Assign, Roles.Office, "Give it to a doctor.", new AssignReferral("dr-0001"));
        moves.Map(m => m.Release, Roles.Clinical, "Give it back.", new ReleaseReferral("WORKLOAD", null));
        moves.Map(m => m.RequestInformation, Roles.Clinical, "Ask the sender for something missing; triage stands still.", new RequestInformation("MISSING_RESULTS", "请补充头颅CT结果"));
        moves.Map(m => m.SupplyInformation, Roles.Clinical, "Answer the receiver's question.", new SupplyInformation("CT未见出血"));
        moves.Map(m => m.WithdrawQuestion, Roles.Clinical, "The answer is no longer needed.", new WithdrawQuestion());

        moves.Map(m => m.Accept, Roles.Clinical, "Take the patient over; scheduling books what the kind needs.", new AcceptReferral("03.03", "dr-0001", null));
        moves.Map(m => m.Decline, Roles.Clinical, "Refuse, with a coded reason; never an emergency.", new DeclineReferral("NOT_MEET_ADMISSION", "可在基层继续观察"));
        moves.Map(m => m.Advise, Roles.Clinical, "Give advice instead of a transfer.", new AdviseReferral("ADVICE_ONLY", "调整降压方案，两周复查"));
        moves.Map(m => m.Convert, Roles.Clinical, "Turn advice, consultation or reading into a transfer, already accepted.", new ConvertReferral(ReferralKind.OutpatientTransfer, "03.03", null, null, null), prepare: Preparations.Convert);
        moves.Map(m => m.Report, Roles.Clinical, "File the report of an examination, reading or consultation.", new ReportResult("窦性心律，未见急性缺血改变"));
        moves.Map(m => m.Redirect, Roles.Clinical, "Send it on to another institution under the same number.", new RedirectReferral("12210681DEM000022E", "03.03", null, "NO_CAPACITY", null, true), prepare: Preparations.Redirect);
        moves.Map(m => m.WithdrawAcceptance, Roles.Clinical, "Take an acceptance back.", new WithdrawAcceptance("BED_LOST", null));

        moves.Map(m => m.CancelBooking, Roles.Desk, "Let the booking go; scheduling looks for another.", new CancelBooking("PATIENT_REQUEST", null));
        moves.Map(m => m.MissAppointment, Roles.Desk, "The patient did not come.", new RecordNoShow("FORGOT", "已电话联系"));
        moves.Map(m => m.Dispatch, Roles.Desk, "The patient leaves for the receiver; downward the discharge.", new DispatchPatient(Transport.Ambulance, null, null, null));
        moves.Map(m => m.ChangeArrival, Roles.Desk, "The patient comes another day.", new ChangeArrival(new DateTimeOffset(2026, 3, 2, 1, 30, 0, TimeSpan.Zero), null));
        moves.Map(m => m.Arrive, Roles.Desk, "Register the patient, by code or identity.", new RecordArrival("K7M3QX", null, null, null, null), prepare: Preparations.Arrive);

        moves.Map(m => m.StartTreatment, Roles.Clinical, "Open the visit or admission.", new StartTreatment("V-2026-0001", null));
        moves.Map(m => m.AddInterimNote, Roles.Clinical, "Record progress for the sender to read.", new InterimNote("病情稳定"));
        moves.Map(m => m.CompleteTreatment, Roles.Clinical, "Record diagnosis, results, course and whether rehab below makes sense.", new CompleteTreatment("脑梗死", "MRI示左侧基底节梗死灶", "抗血小板、调脂治疗", "康复训练", true));
        moves.Map(m => m.Return, Roles.Clinical, "Send the patient back: creates and submits the downward referral.", new ReturnPatient(Preparations.ReturnExample), prepare: Preparations.Return);
        moves.Map(m => m.ReferOnward, Roles.Clinical, "Refer on to a higher hospital in the same episode.", new ReferFurther(form), prepare: Preparations.ReferOnward);
        moves.Map(m => m.CompleteWithoutReturn, Roles.Clinical, "Close the loop without a way back.", new CompleteWithoutReturn("CURED", null));

        moves.Map(m => m.RecordFollowUp, Roles.Clinical, "Record follow-up n of m, or that nobody was reached for it.", new RecordFollowUp(FollowUpWay.Home, "血压130/80，肌力4级", null, null), prepare: Preparations.FollowUp);
        moves.Map(m => m.AdjustPlan, Roles.Clinical, "Change the plan that the primary level carries out.", new AdjustPlan("增加步态训练", 4, null));
        moves.Map(m => m.Finish, Roles.Clinical, "The plan has run.", new FinishPlan("生活自理"));
        moves.Map(m => m.ReRefer, Roles.Clinical, "Send the patient up again in the same episode.", new ReferFurther(form), prepare: Preparations.ReRefer);

        moves.Map(m => m.Cancel, Roles.Clinical, "Withdraw what nobody accepted yet.", new CancelReferral("PATIENT_WITHDRAW", null));
        moves.Map(m => m.RequestCancellation, Roles.Clinical, "Ask the receiver to cancel after acceptance.", new RequestCancellation("CONDITION_CHANGED", null));
        moves.Map(m => m.TakeBack, Roles.Clinical, "Take the cancellation request back.", new TakeBackCancellation());
        moves.Map(m => m.ConfirmCancellation, Roles.Clinical, "Agree to cancel: slot, bed and code are free.", new ConfirmCancellation());
        moves.Map(m => m.RefuseCancellation, Roles.Clinical, "Refuse to cancel.", new RefuseCancellation("ALREADY_ARRIVED", null));
        moves.Map(m => m.Close, Roles.Clinical, "End it otherwise, with a coded reason.", new CloseReferral("OTHER_HOSPITAL", null, null), prepare: Preparations.Close);
        moves.Map(m => m.ReferAgain, Roles.Clinical, "Refer the patient again after a refusal or an end: a linked referral with the same slip, elsewhere.", new ReferAgain("12210681DEM000022E", "03.03", null, true, null), prepare: Preparations.ReferAgain);

        moves.Map(m => m.RaisePriority, Roles.Clinical, "Routine becomes Urgent.", new ChangePriority("症状加重"));
        moves.Map(m => m.LowerPriority, Roles.Clinical, "Urgent becomes Routine, with a reason.", new ChangePriority("症状缓解"));
        moves.Map(m => m.Attach, Roles.Desk, "Attach a result, with its mark of mutual recognition.", new AttachResult("头颅CT", "CT-001", "前阳镇影像室", true, new DateOnly(2099, 12, 31), "urn:oid:1.2.3") { Mark = "全国HR" }, needsIfMatch: false, prepare: AttachResult.Prepare);
        moves.Map(m => m.AddNote, Roles.Desk, "Add a note.", new Annotate("家属陪同"), needsIfMatch: false);
        moves.Map(m => m.AddAddendum, Roles.Clinical, "Add to what was written; the snapshot stays.", new Annotate("补充：既往青霉素过敏"), needsIfMatch: false);
        moves.Map(m => m.MarkInError, Roles.Clinical, "Entered in error: it leaves the indicators.", new MarkInError("录入患者错误"), needsIfMatch: false);
        moves.Map(m => m.FileConsent, Roles.Desk, "File the patient's consent.", new FileConsent(ConsentForm.Written, null), needsIfMatch: false);
        moves.Map(m => m.IdentifyPatient, Roles.Desk, "Say who the patient of an emergency is.", new IdentifyPatient(form.Patient!), needsIfMatch: false);
        moves.Map(m => m.Rate, Roles.Desk, "Record the patient's satisfaction.", new RateReferral(5, null), needsIfMatch: false);

        routes.ServiceProvider.GetRequiredService<Actions>().Offer(moves.Verbs);
    }
}
