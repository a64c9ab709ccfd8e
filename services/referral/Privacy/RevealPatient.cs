using ReferralService.Patients;
using ReferralService.Referrals;
using ReferralService.Referrals.Intake;
using ReferralService.Referrals.Reading;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Privacy;

/// <summary>What masked data is needed for; it decides how much is shown.</summary>
internal enum RevealPurpose { Treatment, Complaint, LegalDuty, ContactPatient, VerifyIdentity, Billing }

/// <summary>Show a party what is masked: for a purpose, and with a reason in words.</summary>
internal sealed record RevealPatient(RevealPurpose? Purpose, string? Reason) : ICommand
{
    /// <summary>How long a party that treats goes on seeing a sensitive referral.</summary>
    public static readonly TimeSpan Lasts = TimeSpan.FromHours(1);

    public void Check(Checks checks)
    {
        checks.Required(Purpose, "/purpose");
        checks.Text(Reason, "/reason", Reasons.TextLimit);
    }

    /// <summary>Whoever calls a patient or writes a bill needs no clinical text.</summary>
    public bool NeedsSlip() => Purpose is RevealPurpose.Treatment or RevealPurpose.Complaint or RevealPurpose.LegalDuty;

    /// <summary>As the audit has it: CONTACT_PATIENT.</summary>
    public string Code() => string.Concat(Purpose.ToString()!.Select((c, i) => i > 0 && char.IsUpper(c) ? "_" + c : char.ToUpperInvariant(c).ToString()));
}

/// <summary>Who the patient is, and the slip where the purpose needs it.</summary>
/// <param name="Until">Until when the detail, timeline, attachments and print show it to this person, too; absent for other purposes than treatment.</param>
internal sealed record RevealedPatient(Guid Id, string ReferralNo, Identity? Identity, ReferralForm? Slip, DateTimeOffset? Until);

internal sealed class RevealDesk(GetReferral referrals, SlipReader slips, Openings openings, Access access, TimeProvider clock)
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/v1/referrals/{id}/reveal", (string id, HttpContext http, RevealDesk desk) => desk.Handle(http, id))
        .Describe("revealPatient", "Privacy", "Show a party what is masked, for a purpose and with a reason; each showing is audited.",
            "A sensitive illness is shown to its sender and to the department that treats it; for treatment, detail, timeline, attachments and print then show it to the same person for an hour. "
            + "Contact, identity and bill get the person without the slip. No Idempotency-Key is needed: a repetition shows it again.")
        .Accepts<RevealPatient>("application/json").Produces<RevealedPatient>().Refuses(400, 403, 404, 408, 410, 413, 415, 422)
        .Example(new RevealPatient(RevealPurpose.ContactPatient, "通知就诊时间变更"), new RevealedPatient(
            new("019aa3a8-5c1e-7d31-9a53-0d6f7b1c2e4f"), "U261122000001234",
            new("张三", "1", new(1958, 3, 14), null, null, null, null, "13800001234", null, null), null, null));

    private async Task<IResult> Handle(HttpContext http, string id)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var (command, malformed, _) = await RequestBody.Read<RevealPatient>(http);
        if (malformed is not null)
            return new ProblemResult(malformed);
        var checks = new Checks();
        command!.Check(checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        var (found, _, refused) = await referrals.Find(http, id, "reveal");
        if (found is not { } referral)
            return refused!;
        if (!Roles.Desk.Contains(caller.Role) || !referrals.MayReveal(caller, referral))
        {
            await access.Denied(caller, "reveal", referral.Id, id);
            return new ProblemResult(Problems.Forbidden);
        }
        if (await slips.KeyOf(referral) is not { } wrapped)
            return new ProblemResult(Refusals.Erased);
        var now = clock.GetUtcNow();
        // the audit row first, then what lets the person look again, then the data
        var (slip, identity) = await slips.Read(referral, caller with { Purpose = command.Code() }, now, "reveal");
        await openings.Add(Guid.CreateVersion7(now), OpeningKind.Reveal, referral, wrapped, caller, command.Purpose!.Value.ToString(), command.Reason!, now, RevealPatient.Lasts);
        http.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(new RevealedPatient(referral.Id, referral.ReferralNo, identity, command.NeedsSlip() ? slip : null,
            command.Purpose == RevealPurpose.Treatment && caller.Purpose == "TREATMENT" ? now + RevealPatient.Lasts : null));
    }
}
