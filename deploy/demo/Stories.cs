using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>
/// Shorter ways a referral can take. Each leaves the alliance ready for the next run: what it occupied is free again,
/// or is meant to stay occupied.
/// </summary>
internal sealed class Stories(Stage stage, Evidence evidence)
{
    private readonly Journey _journey = new(stage);

    public async Task Run()
    {
        await evidence.Arrived(await Declined());
        await evidence.Arrived(await GreenChannel());
        await evidence.Arrived(await Teleconsultation());
        await evidence.Arrived(await Waitlisted());
        await evidence.Arrived(await CancelledAfterAcceptance());
    }

    private Slip Open(string number)
    {
        var slip = stage.Files.Slip(number);
        stage.Printer.Title(slip.Title);
        return slip;
    }

    private async Task<Case> Declined()
    {
        var slip = Open("06");
        var decline = slip.Then("decline");
        var referral = await Case.Submit(stage, stage.Author(slip), slip, slip.Form(), "Submitted");
        await referral.Move(stage.Addressee(slip, otherwise: "dr-0053"), "decline", decline, "Declined", detail: $"{decline["reason"]}");
        return referral;
    }

    /// <summary>Nobody is asked first: a standing agreement accepts it, identity and consent follow.</summary>
    private async Task<Case> GreenChannel()
    {
        var slip = Open("04");
        var (township, emergencyRoom) = (stage.Author(slip), stage.Addressee(slip, otherwise: "dr-0010"));
        var form = slip.Form();
        // the paper says "full name to be verified": for the system the patient is still unknown
        ((JsonObject)form["patient"]!).Remove("name");
        var referral = await Case.Submit(stage, township, slip, form, "InTransit");
        await referral.Move(emergencyRoom, "acknowledge", [], "InTransit", detail: "the alarm stops");
        await referral.Move(stage.Cast.Desk(slip.Target), "arrive", new() { ["identifiedBy"] = "Emergency" }, "Arrived");
        await referral.Move(stage.Cast.Desk(slip.Target), "identify-patient", new() { ["patient"] = slip.Then("identify") }, "Arrived");
        await referral.Move(township, "file-consent", slip.Then("fileConsent"), "Arrived");
        await referral.Look(township);
        stage.Printer.Remark($"the patient is known now: {referral.View["patient"]?["name"]}");
        // the bed is free again for the next emergency
        await referral.Move(emergencyRoom, "complete-treatment", new()
        {
            ["diagnosisResult"] = slip.Text("impression"), ["treatmentCourse"] = "急诊介入治疗，恢复良好。", ["rehabEligible"] = false,
        }, "Treated");
        await referral.Move(emergencyRoom, "complete-without-return", new() { ["reason"] = "CURED" }, "Completed", "NotReturned");
        return referral;
    }

    private async Task<Case> Teleconsultation()
    {
        var slip = Open("05");
        var (township, consultant) = (stage.Author(slip), stage.Addressee(slip));
        var referral = await Case.Submit(stage, township, slip, slip.Form(), "Submitted");
        await _journey.AcceptAndBook(referral, township, consultant, slip.Department);
        await referral.Move(consultant, "arrive", new() { ["identifiedBy"] = "Staff" }, "Arrived", detail: "the session is open");
        await referral.Move(consultant, "report", new() { ["text"] = "考虑慢阻肺急性加重，建议调整抗感染方案并规范吸入治疗，暂无需转院。" },
            "Completed", "Consulted");
        return referral;
    }

    /// <summary>No bed is free until one is published; the patient then stays in it, so that the next run waits again.</summary>
    private async Task<Case> Waitlisted()
    {
        var slip = Open("09");
        var (township, surgeon) = (stage.Author(slip), stage.Addressee(slip));
        var referral = await Case.Submit(stage, township, slip, slip.Form(), "Submitted");
        await _journey.AcceptAndBook(referral, township, surgeon, slip.Department);
        if (!(await referral.Timeline(township)).Any(step => (string?)step["to"] == "Waitlisted"))
            stage.Printer.Remark("a bed of this department was free: nobody has to wait today");
        await referral.Move(stage.Cast.Desk(township.Institution), "dispatch", new() { ["transport"] = "Family" }, "InTransit");
        await referral.Move(stage.Cast.Desk(slip.Target), "arrive", await _journey.AppointmentCode(referral, township), "Arrived", detail: "by appointment code");
        return referral;
    }

    private async Task<Case> CancelledAfterAcceptance()
    {
        var slip = Open("03");
        var (township, hospital) = (stage.Author(slip), stage.Addressee(slip));
        var referral = await Case.Submit(stage, township, slip, slip.Form(), "Submitted");
        await _journey.AcceptAndBook(referral, township, hospital, slip.Department);
        await referral.Move(township, "request-cancellation", new() { ["reason"] = "PATIENT_WITHDRAW" }, "CancellationRequested", detail: "PATIENT_WITHDRAW");
        await referral.Move(hospital, "confirm-cancellation", [], "Cancelled", detail: "slot and code are free");
        return referral;
    }
}
