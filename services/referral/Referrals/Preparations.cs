using Dapper;
using Npgsql;
using Referrals.Contracts;
using ReferralService.Patients;
using ReferralService.Referrals.Annotations;
using ReferralService.Referrals.Decision;
using ReferralService.Referrals.Ending;
using ReferralService.Referrals.FollowUps;
using ReferralService.Referrals.Intake;
using ReferralService.Referrals.Journey;
using ReferralService.Referrals.Reading;
using ReferralService.Referrals.Treatment;
using ReferralService.Workflow;
using ServiceDefaults;
using ServiceDefaults.Http;

namespace ReferralService.Referrals;

/// <summary>What some commands need to know before the machine decides: the only place where a move looks things up.</summary>
internal static class Preparations
{
    public static readonly ReferralForm ReturnExample = new()
    {
        Kind = ReferralKind.RehabReturn, PatientClass = PatientClass.Rehab,
        DiagnosisResult = "脑梗死恢复期", TreatmentCourse = "抗血小板、调脂治疗10天", NextPlan = "继续二级预防",
        RehabAdvice = "肢体功能训练，每周3次", Plan = new("恢复独立行走", [new(7, "家庭访视"), new(14, "复查血压")]),
        ExtendedPrescription = [new("阿司匹林肠溶片 100mg", "每日1次，每次1片", 30)],
        Referrer = new("dr-0001", "13800009999", null),
    };

    public static async Task<(AmendReferral, IReadOnlyList<Birth>, Problem?)> Amend(Preparing<AmendReferral> about)
    {
        var (runner, draft, form) = (about.Services.GetRequiredService<MoveRunner>(), about.Referral, about.Command.Slip);
        Referral? parent = null;
        if (draft.Relation is null)
        {
            var checks = new Checks();
            checks.Required(form.Patient, "/slip/patient");
            if (!checks.Passed)
                return (about.Command, [], checks.Problem);
        }
        else
        {
            // a linked draft has a place in its family that depends on the direction
            if (form.IsDown == draft.IsUp)
                return (about.Command, [], Refusals.Rule("/slip/kind", "Up stays up and down stays down.", "转诊方向不可改变。"));
            if (await SomebodyElse(about, form) is { } stranger)
                return (about.Command, [], stranger);
            parent = (await about.Services.GetRequiredService<ReferralStore>().Find(draft.ParentId.ToString()!))?.Referral ?? draft;
        }
        var (rewritten, problem) = await about.Services.GetRequiredService<IntakeDesk>()
            .Write(form, draft.Sender, about.Caller.Subject, runner.Now, runner.Alliance, parent, draft.Relation, draft.Origin);
        return (about.Command with { Rewritten = rewritten }, [], problem);
    }

    // a linked slip is about the person of its chain: what it says of somebody else is not dropped in silence
    private static async Task<Problem?> SomebodyElse<T>(Preparing<T> about, ReferralForm? form)
    {
        if (form?.Patient is not { } named)
            return null;
        var runner = about.Services.GetRequiredService<MoveRunner>();
        var known = await about.Services.GetRequiredService<SlipReader>().Person(about.Referral, about.WrappedKey);
        return Identity.Of(named).MayBe(known, about.Referral.PatientBirthYear, runner.Now) ? null
            : Refusals.Rule("/slip/patient", "Not the person of this case: leave it out. Who that is has a correction of its own; another person needs a referral of their own.",
                "与本例患者不一致：请勿填写患者信息。更正身份请使用患者信息更正；其他患者请另行开具转诊单。");
    }

    public static async Task<(SubmitReferral, IReadOnlyList<Birth>, Problem?)> Submit(Preparing<SubmitReferral> about) =>
        (about.Command with { Facts = await LookUp(about) }, [], null);

    public static async Task<(ApproveReferral, IReadOnlyList<Birth>, Problem?)> Approve(Preparing<ApproveReferral> about) =>
        (about.Command with { Facts = await LookUp(about) }, [], null);

    private static async Task<SubmissionFacts> LookUp<T>(Preparing<T> about)
    {
        var runner = about.Services.GetRequiredService<MoveRunner>();
        var form = await about.Services.GetRequiredService<SlipReader>().Newest(about.Referral, about.WrappedKey);
        return await about.Services.GetRequiredService<IntakeDesk>().LookUp(about.Referral, form, null, runner.Alliance, runner.Now);
    }

    public static Task<(MakeEmergency, IReadOnlyList<Birth>, Problem?)> MakeEmergency(Preparing<MakeEmergency> about)
    {
        var standing = Agreed(about, about.Referral.Receiver, about.Command.GreenChannel);
        return Task.FromResult<(MakeEmergency, IReadOnlyList<Birth>, Problem?)>((about.Command with { StandingAgreement = standing }, [], null));
    }

    public static async Task<(RedirectReferral, IReadOnlyList<Birth>, Problem?)> Redirect(Preparing<RedirectReferral> about)
    {
        var runner = about.Services.GetRequiredService<MoveRunner>();
        if (runner.Alliance.Find(about.Command.Institution!)?.Code is not { } target)
            return (about.Command, [], null);
        if (about.Referral.IsEmergency)
            return (about.Command with { StandingAgreement = Agreed(about, target, about.Referral.GreenChannel) }, [], null);
        var form = await about.Services.GetRequiredService<SlipReader>().Newest(about.Referral, about.WrappedKey);
        return (about.Command with
        {
            Rules = IntakeDesk.Judge(about.Referral, form, runner.Alliance, runner.Now, target),
            DrugGap = !about.Referral.IsUp && form is not null && await about.Services.GetRequiredService<IntakeDesk>().Lacks(target, form),
        }, [], null);
    }

    private static bool Agreed<T>(Preparing<T> about, string receiver, GreenChannel? channel)
    {
        var runner = about.Services.GetRequiredService<MoveRunner>();
        return runner.Alliance.HasStandingAgreement(about.Referral.Sender, receiver, channel, ChinaTime.DayOf(runner.Now));
    }

    /// <summary>The referral that stays is one the caller knows: nothing else may stand in the place of its number.</summary>
    public static async Task<(CloseReferral, IReadOnlyList<Birth>, Problem?)> Close(Preparing<CloseReferral> about)
    {
        if (about.Command.ReplacedBy is not { } named)
            return (about.Command, [], null);
        var stays = (await about.Services.GetRequiredService<ReferralStore>().Find(named))?.Referral;
        if (stays is not { SubmittedAt: not null } || stays.Id == about.Referral.Id || !about.Services.GetRequiredService<Access>().IsParty(about.Caller, stays))
            return (about.Command, [], Refusals.Rule("/replacedBy", "Not the number of another referral of yours.", "不是您所属的其他转诊单号。"));
        return await AreTwoPeople(about, stays)
            ? (about.Command, [], Refusals.Rule("/replacedBy", "That referral is about somebody else.", "该转诊单属于另一位患者。"))
            : (about.Command with { ReplacedBy = stays.ReferralNo }, [], null);
    }

    // who is not identified may be the same
    private static async Task<bool> AreTwoPeople(Preparing<CloseReferral> about, Referral other)
    {
        await using var connection = await about.Services.GetRequiredService<NpgsqlDataSource>().OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<bool?>("""
            select here.id_index <> there.id_index from patient here, patient there where here.id = @here and there.id = @there
            """, new { here = about.Referral.PatientId, there = other.PatientId }) == true;
    }

    public static Task<(RecordArrival, IReadOnlyList<Birth>, Problem?)> Arrive(Preparing<RecordArrival> about)
    {
        var keys = about.Services.GetRequiredService<Keys>();
        var hash = about.Command.Code is { } code && about.Referral.BookingId is { } booking
            ? keys.Hash("appointment-code", $"{booking:n}:{code.Trim().ToUpperInvariant()}") : null;
        return Task.FromResult<(RecordArrival, IReadOnlyList<Birth>, Problem?)>((about.Command with { CodeHash = hash }, [], null));
    }

    /// <summary>The plan says from the arrival on when each follow-up is due.</summary>
    public static async Task<(RecordFollowUp, IReadOnlyList<Birth>, Problem?)> FollowUp(Preparing<RecordFollowUp> about)
    {
        var r = about.Referral;
        if (about.Command.NextDueOn is not null || r.ArrivedAt is not { } arrived || r.FollowUpsDone + 1 >= r.FollowUpsPlanned)
            return (about.Command, [], null);
        var form = await about.Services.GetRequiredService<SlipReader>().Newest(r, about.WrappedKey);
        var planned = form?.Plan?.FollowUps is { } plan && r.FollowUpsDone + 1 < plan.Count ? plan[r.FollowUpsDone + 1].DueInDays : null;
        return (about.Command with { Planned = planned is { } days ? ChinaTime.DayOf(arrived).AddDays(days) : null }, [], null);
    }

    public static async Task<(ReturnPatient, IReadOnlyList<Birth>, Problem?)> Return(Preparing<ReturnPatient> about)
    {
        var (child, births, problem) = await Link(about, about.Command.Slip with { Kind = ReferralKind.RehabReturn }, Relation.Return);
        return (about.Command with { Child = child }, births, problem);
    }

    public static async Task<(ReferFurther, IReadOnlyList<Birth>, Problem?)> ReferOnward(Preparing<ReferFurther> about)
    {
        var (next, births, problem) = await Link(about, about.Command.Slip, Relation.Onward);
        return (about.Command with { Next = next }, births, problem);
    }

    public static async Task<(ReferFurther, IReadOnlyList<Birth>, Problem?)> ReRefer(Preparing<ReferFurther> about)
    {
        var (next, births, problem) = await Link(about, about.Command.Slip, Relation.ReReferral);
        // the running plan goes on beside a planned check: its acceptance must not end it
        if (next is not null && about.Command.PlannedCheck)
            next.Referral.Flags = [.. next.Referral.Flags, ReferFurther.PlannedCheckFlag];
        return (about.Command with { Next = next }, births, problem);
    }

    // a linked referral is written and submitted by the receiver of this one, with its patient and episode
    private static async Task<(NewReferral?, IReadOnlyList<Birth>, Problem?)> Link<T>(
        Preparing<T> about, ReferralForm form, Relation relation) where T : ICommand
    {
        if (relation != Relation.Return && form.IsDown)
            return (null, [], Refusals.Rule("/slip/kind", "Only an upward kind.", "只能为上转类型。"));
        if (await SomebodyElse(about, form) is { } stranger)
            return (null, [], stranger);
        var runner = about.Services.GetRequiredService<MoveRunner>();
        var intake = about.Services.GetRequiredService<IntakeDesk>();
        var (made, problem) = await intake.Write(form, about.Referral.Receiver, about.Caller.Subject, runner.Now, runner.Alliance, about.Referral, relation);
        if (made is null)
            return (null, [], Inside("/slip", problem!));
        var facts = await intake.LookUp(made.Referral, made.Form, null, runner.Alliance, runner.Now);
        var linked = made with { Identity = null, MustBeSigned = MustBeSigned(made, facts) };
        return (linked, [Asked(linked, new(form.ConfirmDuplicate) { Facts = facts })], null);
    }

    public static async Task<(ConvertReferral, IReadOnlyList<Birth>, Problem?)> Convert(Preparing<ConvertReferral> about)
    {
        var (command, referral) = (about.Command, about.Referral);
        var slip = await about.Services.GetRequiredService<SlipReader>().Newest(referral, about.WrappedKey);
        if (slip is null)
            return (command, [], Refusals.Rule("", "The patient's data was erased.", "患者数据已删除。"));
        var runner = about.Services.GetRequiredService<MoveRunner>();
        var form = slip with
        {
            Kind = command.Kind, Priority = command.Priority ?? slip.Priority,
            To = new(referral.Receiver, command.Department ?? referral.Department, command.Clinician),
            Override = command.Override ?? slip.Override, LevelSkipReason = slip.LevelSkipReason ?? command.Text,
            LeaveRegionReason = slip.LeaveRegionReason ?? (runner.Alliance.LeavesRegion(referral.Sender, referral.Receiver, ChinaTime.DayOf(runner.Now)) ? command.Text : null),
            // the choice was made for the question, and stands there
            Match = null, External = referral.External, ArrivedAt = null, Channel = slip.Channel == Channel.RETRO_ENTRY ? null : slip.Channel,
        };
        var intake = about.Services.GetRequiredService<IntakeDesk>();
        var (made, problem) = await intake.Write(form, referral.Sender, referral.Author, runner.Now, runner.Alliance, referral, Relation.Conversion);
        if (made is null)
            return (command, [], problem);
        var transfer = made with { Identity = null };
        var id = transfer.Referral.Id;
        var facts = await intake.LookUp(transfer.Referral, made.Form, null, runner.Alliance, runner.Now) with { OpenDuplicate = null };
        // a question that nobody had to sign is no way around the signature of what it becomes
        if (MustBeSigned(transfer, facts) && !await intake.WasSigned(referral, runner.Alliance, runner.Now))
            return (command with { Transfer = transfer with { MustBeSigned = true } }, [new Birth(transfer, ForReview(id))], null);
        // it goes where the question has been: who signed that has signed, and asking once more would not close it
        facts = facts with { Reviewed = true, LeavesRegion = false };
        return (command with { Transfer = transfer },
        [
            new Birth(transfer,
                new Consequence<SubmitReferral>(id, m => m.Submit, new(ConfirmDuplicate: true) { Facts = facts }, Required: true),
                new Consequence<AcceptReferral>(id, m => m.Accept, new(command.Department, command.Clinician, null), Required: true)),
        ], null);
    }

    /// <summary>
    /// The next referral of one that ended: its slip with a new target, its place in the family, and every target that
    /// refused this patient in this episode known.
    /// </summary>
    public static async Task<(ReferAgain, IReadOnlyList<Birth>, Problem?)> ReferAgain(Preparing<ReferAgain> about)
    {
        var (command, ended) = (about.Command, about.Referral);
        var runner = about.Services.GetRequiredService<MoveRunner>();
        var intake = about.Services.GetRequiredService<IntakeDesk>();
        var form = command.Slip ?? await about.Services.GetRequiredService<SlipReader>().Newest(ended, about.WrappedKey);
        if (form is null)
            return (command, [], Refusals.Rule("", "The patient's data was erased.", "患者数据已删除。"));
        if ((command.Slip?.Kind ?? ended.Kind) is var kind && (kind == ReferralKind.RehabReturn) == ended.IsUp)
            return (command, [], Refusals.Rule("/slip/kind", "Up stays up and down stays down.", "转诊方向不可改变。"));
        if (await SomebodyElse(about, command.Slip) is { } stranger)
            return (command, [], stranger);
        if ((command.Institution ?? command.Slip?.To?.Institution) is not { } named)
            named = command.MayAskAgain(ended, ended.Receiver) ? ended.Receiver : "";
        if (runner.Alliance.Find(named)?.Code is not { } target)
            return (command, [], Refusals.Rule("/institution", "Name another target; 'candidates' lists some.", "请选择其他接收机构，可参考 candidates。"));
        if (command.Slip is null && target != ended.Receiver && await intake.HasRefused(ended, target))
            return (command, [], Refusals.TriedBefore);

        var department = command.Department ?? command.Slip?.To?.Department ?? ended.Department;
        var (made, problem) = await intake.Write(form with
        {
            Kind = kind,
            Priority = command.Slip?.Priority ?? ended.Priority,
            GreenChannel = command.Slip is null ? ended.GreenChannel : command.Slip.GreenChannel,
            PatientClass = command.Slip?.PatientClass ?? ended.PatientClass,
            To = new(target, runner.Alliance.HasDepartment(target, department) || command.Department is not null ? department : null, command.Clinician),
            // it is asked now, and by whoever asks now; what was agreed to stays agreed to
            Date = null, ArrivedAt = null, Channel = form.Channel == Channel.RETRO_ENTRY ? null : form.Channel,
            ExpectedArrival = form.ExpectedArrival > runner.Now ? form.ExpectedArrival : null,
            Consent = command.Slip?.Consent, External = command.Slip?.External ?? false,
            // an offer was for the target that was chosen then
            Match = command.Slip?.Match,
        }, ended.Sender, about.Caller.Subject, runner.Now, runner.Alliance, ended, Relation.ReReferral);
        if (made is null)
            return (command, [], problem);

        var parent = await TakePlace(made.Referral, ended, about.Services.GetRequiredService<ReferralStore>());
        var facts = await intake.LookUp(made.Referral, made.Form, null, runner.Alliance, runner.Now);
        var next = made with { Identity = null, MustBeSigned = MustBeSigned(made, facts) };
        return (command with { Next = next, Parent = parent }, [Asked(next, new(ConfirmDuplicate: true) { Facts = facts })], null);
    }

    private static bool MustBeSigned(NewReferral made, SubmissionFacts facts) => facts.NeedsReview && !made.Referral.IsEmergency;

    // what must be signed first is drafted and sent for review: no way around the signature
    private static Birth Asked(NewReferral linked, SubmitReferral submit) => new(linked, linked.MustBeSigned ? ForReview(linked.Referral.Id)
        : [new Consequence<SubmitReferral>(linked.Referral.Id, m => m.Submit, submit, Required: true)]);

    private static Consequence[] ForReview(Guid id) =>
    [
        new Consequence<DraftReferral>(id, m => m.StartDraft, new(), Required: true),
        new Consequence<SendForReview>(id, m => m.SendForReview, new(), Required: true),
    ];

    // what the ended one was for a parent that still waits, the next one is now
    private static async Task<Guid?> TakePlace(Referral next, Referral ended, ReferralStore store)
    {
        // a downward referral has no parent but the treated one it brings back
        if (!next.IsUp)
            (next.ParentId, next.ParentNo, next.Relation) = (null, null, null);
        if (ended.ParentId is not { } parentId || (await store.Find(parentId.ToString()))?.Referral is not { IsFinal: false } parent
            || ended.Relation == Relation.Return && !parent.At(ReferralState.Treated))
            return null;
        (next.ParentId, next.ParentNo, next.Relation) = (parentId, ended.ParentNo, ended.Relation);
        if (ended.Flags.Contains(ReferFurther.PlannedCheckFlag))
            next.Flags = [.. next.Flags, ReferFurther.PlannedCheckFlag];
        return ended.Relation == Relation.Return ? parentId : null;
    }

    // what is wrong inside the form is named from the body's root
    private static Problem Inside(string at, Problem problem) =>
        problem with { Errors = [.. problem.Errors.Select(e => e with { Pointer = at + e.Pointer })] };
}
