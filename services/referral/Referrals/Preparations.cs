using System.Text.Json;
using Referrals.Contracts;
using ReferralService.Patients;
using ReferralService.Referrals.Decision;
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
        Referrer = new("dr-0001", "13800009999", null),
    };

    public static async Task<(AmendReferral, IReadOnlyList<Birth>, Problem?)> Amend(Preparing<AmendReferral> about)
    {
        var runner = about.Services.GetRequiredService<MoveRunner>();
        var (rewritten, problem) = await about.Services.GetRequiredService<IntakeDesk>()
            .Write(about.Command.Slip, about.Referral.Sender, about.Caller.Subject, runner.Now, runner.Alliance);
        return (about.Command with { Rewritten = rewritten }, [], problem);
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

    public static Task<(RedirectReferral, IReadOnlyList<Birth>, Problem?)> Redirect(Preparing<RedirectReferral> about)
    {
        var target = about.Services.GetRequiredService<MoveRunner>().Alliance.Find(about.Command.Institution!)?.Code;
        var standing = target is not null && about.Referral.IsEmergency && Agreed(about, target, about.Referral.GreenChannel);
        return Task.FromResult<(RedirectReferral, IReadOnlyList<Birth>, Problem?)>((about.Command with { StandingAgreement = standing }, [], null));
    }

    private static bool Agreed<T>(Preparing<T> about, string receiver, GreenChannel? channel)
    {
        var runner = about.Services.GetRequiredService<MoveRunner>();
        return runner.Alliance.HasStandingAgreement(about.Referral.Sender, receiver, channel, ChinaTime.DayOf(runner.Now));
    }

    public static Task<(RecordArrival, IReadOnlyList<Birth>, Problem?)> Arrive(Preparing<RecordArrival> about)
    {
        var keys = about.Services.GetRequiredService<Keys>();
        var hash = about.Command.Code is { } code && about.Referral.BookingId is { } booking
            ? keys.Hash("appointment-code", $"{booking:n}:{code.Trim().ToUpperInvariant()}") : null;
        return Task.FromResult<(RecordArrival, IReadOnlyList<Birth>, Problem?)>((about.Command with { CodeHash = hash }, [], null));
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
        var runner = about.Services.GetRequiredService<MoveRunner>();
        var intake = about.Services.GetRequiredService<IntakeDesk>();
        var (made, problem) = await intake.Write(form, about.Referral.Receiver, about.Caller.Subject, runner.Now, runner.Alliance, about.Referral, relation);
        if (made is null)
            return (null, [], Inside("/slip", problem!));
        var linked = made with { Identity = null };
        var facts = await intake.LookUp(linked.Referral, form, null, runner.Alliance, runner.Now);
        var submit = new SubmitReferral(form.ConfirmDuplicate) { Facts = facts };
        return (linked, [new Birth(linked, new Consequence<SubmitReferral>(linked.Referral.Id, m => m.Submit, submit, Required: true))], null);
    }

    public static async Task<(ConvertReferral, IReadOnlyList<Birth>, Problem?)> Convert(Preparing<ConvertReferral> about)
    {
        var (command, referral) = (about.Command, about.Referral);
        var slip = await about.Services.GetRequiredService<SlipReader>().Newest(referral, about.WrappedKey);
        if (slip is null)
            return (command, [], Refusals.Rule("", "The patient's data was erased.", "患者数据已删除。"));
        var form = slip with
        {
            Kind = command.Kind, Priority = command.Priority ?? slip.Priority,
            To = new(referral.Receiver, command.Department ?? referral.Department, command.Clinician),
        };
        var runner = about.Services.GetRequiredService<MoveRunner>();
        var (made, problem) = await about.Services.GetRequiredService<IntakeDesk>()
            .Write(form, referral.Sender, referral.Author, runner.Now, runner.Alliance, referral, Relation.Conversion);
        if (made is null)
            return (command, [], problem);
        var transfer = made with { Identity = null };
        var id = transfer.Referral.Id;
        return (command with { Transfer = transfer },
        [
            new Birth(transfer,
                new Consequence<SubmitReferral>(id, m => m.Submit, new(ConfirmDuplicate: true), Required: true),
                new Consequence<AcceptReferral>(id, m => m.Accept, new(command.Department, command.Clinician, null), Required: true)),
        ], null);
    }

    // what is wrong inside the form is named from the body's root
    private static Problem Inside(string at, Problem problem) =>
        problem with { Errors = [.. problem.Errors.Select(e => e with { Pointer = at + e.Pointer })] };
}
