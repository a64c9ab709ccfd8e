using System.Text.Json;
using MassTransit;
using Microsoft.AspNetCore.Mvc;
using ReferralService.Alliances;
using ReferralService.Referrals.Journey;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Intake;

/// <summary>A new referral: as a draft, submitted at once, or typed in after the patient came (补录).</summary>
internal sealed class CreateReferral(
    IntakeDesk intake, MoveRunner runner, MoveDesk desk, Access access, Actions actions)
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/v1/referrals", ([FromQuery] bool? submit, [FromQuery] bool? arrived, HttpContext http, CreateReferral create) =>
            create.Handle(http, submit ?? false, arrived ?? false))
        .Describe("createReferral", "Referrals", "Write a referral; submit=true sends it off in the same call, arrived=true records one whose patient is already here.")
        .Accepts<ReferralForm>("application/json")
        .Produces<CommandAnswer>(201)
        .RefusesLikeACommand()
        .Example(Example, CommandAnswer.Example);

    private async Task<IResult> Handle(HttpContext http, bool submit, bool arrived)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (incomplete is not null)
            return new ProblemResult(incomplete);
        var (form, malformed, bytes) = await RequestBody.Read<ReferralForm>(http);
        if (malformed is not null)
            return new ProblemResult(malformed);
        var checks = new Checks();
        form!.Check(checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        var (key, keyless) = IdempotencyKey.Of(http.Request, caller!.Scope, bytes);
        if (keyless is not null)
            return new ProblemResult(keyless);
        if (!(arrived ? Roles.Desk : Roles.Clinical).Contains(caller.Role) || caller is { Role: Role.Machine, OnBehalfOf: null })
        {
            await access.Denied(caller, "draft", null, "new");
            return new ProblemResult(Problems.Forbidden);
        }

        if (!arrived && form.ArrivedAt is not null)
            return new ProblemResult(Refusals.Rule("/arrivedAt", "Only where the patient is already here: arrived=true.", "仅在补录（arrived=true）时填写。"));
        var now = runner.Now;
        if (arrived && form.Date > ChinaTime.DayOf(now))
            return new ProblemResult(Refusals.Rule("/date", "Nobody asked in the future.", "不能晚于今日。"));
        var alliance = runner.Alliance;
        // the receiver types in what it received: the sender is the one the slip names
        var acting = caller.Role == Role.AllianceOffice ? caller.OnBehalfOf ?? caller.Institution : caller.Institution;
        if (caller.Role == Role.AllianceOffice && acting != caller.Institution && !alliance.ShareAnAlliance(caller.Institution, acting, ChinaTime.DayOf(now)))
        {
            await access.Denied(caller, "draft", null, "new");
            return new ProblemResult(Problems.Forbidden);
        }
        var sender = arrived ? alliance.Find(form.Referrer!.Institution ?? "")?.Code : acting;
        if (sender is null)
            return new ProblemResult(Refusals.Rule("/referrer/institution", "Name the institution that referred.", "请填写转出机构。"));
        if (arrived)
            form = form with { Channel = Channel.RETRO_ENTRY, To = (form.To ?? new(null, null, null)) with { Institution = acting } };

        // a village clinic drafts what goes further than its township: there the doctor submits it
        string? origin = null;
        if (!arrived && Drafts(form, acting, now, alliance) is { } township)
        {
            if (submit)
                return await desk.Replayed(key!) ?? new ProblemResult(Refusals.Rule("/to/institution",
                    "A village clinic drafts, the doctor of its township submits: send it without submit=true.", "村卫生室负责填写，由乡镇卫生院医生提交：请不要使用 submit=true。"));
            (sender, origin) = (township, acting);
        }

        var (created, refused) = await intake.Write(form, sender, caller.Subject, now, alliance, origin: origin, arrived: arrived);
        if (refused is not null)
            return await desk.Replayed(key!) ?? new ProblemResult(refused);
        var referral = created!.Referral;
        var actor = access.ActorOf(caller, arrived ? Side.Receiver : origin is null ? Side.Sender : Side.Drafter);
        Alongside Keep(Referral r) => new(key, new(201, Body(r), ETags.Of(r.EtagVersion), Location(r)), Purpose: caller.Purpose);
        string Body(Referral r) => JsonSerializer.Serialize(actions.Answer(r, caller, []), ServiceDefaults.Json.Lenient);

        Ran ran;
        if (arrived)
        {
            // nothing stands in the way of what happened, but it counts
            referral.Flags = [.. referral.Flags.Union(IntakeDesk.Judge(referral, form, alliance, now).Flags)];
            ran = await Run(runner.Machine.Arrive, new RecordArrival(null, Identification.Staff, form.ArrivedAt, form.To!.Department, null)
            {
                AskedAt = form.Date is { } day ? ChinaTime.StartOf(day) : null,
            });
        }
        else if (submit)
            ran = await Run(runner.Machine.Submit, new SubmitReferral(form.ConfirmDuplicate)
            {
                Facts = await intake.LookUp(referral, created.Form, created.Identity, alliance, now),
            });
        else
            ran = await Run(runner.Machine.StartDraft, new DraftReferral());

        if (ran.Refusal is not null)
            return await desk.Replayed(key!) ?? new ProblemResult(ran.Refusal);
        if (ran.Saved != Saved.Done)
            return await desk.Replayed(key!) ?? new ProblemResult(Problems.LostRace);
        http.Response.Headers.ETag = ETags.Of(referral.EtagVersion);
        http.Response.Headers.Location = Location(referral);
        return TypedResults.Text(Body(referral), "application/json", statusCode: 201);

        Task<Ran> Run<T>(Event<Move<T>> on, T command) where T : class =>
            runner.Run(referral, null, on, runner.Begin(on, command, actor), created, [], Keep);
    }

    // null: it sends itself. An emergency never waits for the township.
    private static string? Drafts(ReferralForm form, string acting, DateTimeOffset now, AllianceSnapshot alliance)
    {
        if (form.IsDown || form.IsEmergency || alliance.Find(acting) is not { Level: "VillageClinic", Parent: { } parent }
            || alliance.SettingsOf(acting, now).VillageClinicsSubmit)
            return null;
        return form.To?.Institution is { } to && alliance.Find(to)?.Code != parent ? parent : null;
    }

    private static string Location(Referral r) => "/v1/referrals/" + r.Id;

    /// <summary>The paper slip's own fields, nothing else.</summary>
    internal static readonly ReferralForm Example = new()
    {
        Patient = new() { Name = "张演示", Sex = "1", Age = 67, Phone = "13800001234", Address = "演示市前阳镇" },
        To = new("12210600DEM0000149", "03.03", null),
        Impression = "高血压3级 脑卒中？",
        PresentIllness = "突发右侧肢体无力2小时",
        PastHistory = "高血压10年",
        TreatmentSoFar = "监测血压，未用药",
        Referrer = new("dr-0103", "13800005678", null),
    };
}
