using System.Text.Json;
using ReferralService.Alliances.FamilyDoctor;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Intake;

/// <summary>What a patient asks for through an app: a wish for the family doctor, never a referral by itself.</summary>
internal sealed record PatientRequest : ICommand
{
    public PatientForm? Patient { get; init; }
    /// <summary>APP or MINI_PROGRAM.</summary>
    public Channel? Channel { get; init; }
    /// <summary>In the patient's own words (主诉).</summary>
    public string? Complaint { get; init; }
    /// <summary>Where the patient would like to go; the doctor decides.</summary>
    public TargetForm? To { get; init; }

    public void Check(Checks checks)
    {
        checks.Required(Patient, "/patient");
        Patient?.Check(checks, "/patient", identityNeeded: true);
        if (Patient is not null)
            checks.That(Patient.IdNo is not null || Patient.Grid is not null, "/patient/idNo", "Identity number, or the grid of residence.", "请填写证件号码或居住网格。");
        checks.That(Channel is Referrals.Channel.APP or Referrals.Channel.MINI_PROGRAM, "/channel", "APP or MINI_PROGRAM.", "应为 APP 或 MINI_PROGRAM。");
        checks.Text(Complaint, "/complaint", 4000);
        checks.Text(To?.Institution, "/to/institution", 100, required: false);
        checks.Text(To?.Department, "/to/department", 16, required: false);
        checks.Text(To?.Doctor, "/to/doctor", 64, required: false);
    }
}

/// <summary>
/// A patient's request becomes a draft of the signed family doctor's clinic, or of the clinic responsible for the grid
/// of residence; only a clinician submits it (基层首诊).
/// </summary>
internal sealed class RequestReferral(IntakeDesk intake, MoveRunner runner, MoveDesk desk, Access access, Actions actions)
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/v1/referral-requests", (HttpContext http, RequestReferral request) => request.Handle(http))
        .Describe("requestReferral", "Referrals", "A patient asks through an app: a draft for the family doctor, who completes and submits it. Role: Machine.")
        .Accepts<PatientRequest>("application/json").Produces<CommandAnswer>(201).RefusesLikeACommand()
        .Example(new PatientRequest
        {
            Patient = new() { Name = "张演示", Sex = "1", Age = 67, IdNo = "210699195803141111", Phone = "13800001234", Email = "zhang@example.org", Language = "zh" },
            Channel = Channel.APP, Complaint = "右侧肢体无力，希望到上级医院就诊",
        }, CommandAnswer.Example with { State = "Draft", Sequence = 0, WaitingFor = "sender", AvailableActions = [] });

    private async Task<IResult> Handle(HttpContext http)
    {
        var (caller, request, key, refused) = await Once.Read<PatientRequest>(http);
        if (refused is not null)
            return refused;
        if (caller!.Role != Role.Machine)
        {
            await access.Denied(caller, "request", null, "new");
            return new ProblemResult(Problems.Forbidden);
        }
        var (now, alliance) = (runner.Now, runner.Alliance);
        var contracts = await intake.ContractsOf(request!.Patient!, now);
        var clinic = contracts.Clinic ?? alliance.Grid(request.Patient!.Grid)?.Institution;
        if (clinic is null)
            return await desk.Replayed(key!) ?? new ProblemResult(Refusals.Rule("/patient/idNo",
                "No family-doctor contract, and nobody is responsible for the grid: see a clinic near you.", "未签约家庭医生且网格无责任机构，请就近前往基层医疗机构。"));

        var form = new ReferralForm
        {
            Patient = request.Patient, Channel = request.Channel, To = request.To, PresentIllness = request.Complaint,
            Referrer = new(contracts.Doctor ?? "unassigned", null, null),
        };
        var (draft, problem) = await intake.Write(form, clinic, "patient", now, alliance);
        if (draft is null)
            return await desk.Replayed(key!) ?? new ProblemResult(problem!);
        var referral = draft.Referral;
        referral.Flags = [.. referral.Flags, SubmitReferral.RequestedByPatient];
        IntakeDesk.Sign(referral, contracts);
        var on = runner.Machine.StartDraft;
        var ran = await runner.Run(referral, null, on, runner.Begin(on, new DraftReferral(), access.ActorOf(caller, Side.Sender)), draft, [],
            r => new(key, new(201, Body(r), null, null), Purpose: caller.Purpose));
        if (ran.Refusal is not null || ran.Saved != Saved.Done)
            return await desk.Replayed(key!) ?? new ProblemResult(ran.Refusal ?? Problems.LostRace);
        return TypedResults.Text(Body(referral), "application/json", statusCode: 201);

        string Body(Referral r) => JsonSerializer.Serialize(actions.Answer(r, caller, []), ServiceDefaults.Json.Lenient);
    }
}
