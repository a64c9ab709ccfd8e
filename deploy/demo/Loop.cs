using System.Diagnostics;
using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>
/// The main walk: slip 01 goes up, the patient is treated, slip 02 brings him back to the rehab joint ward of his
/// township, where the follow-up plan runs to its end.
/// </summary>
internal sealed class Loop(Stage stage, Evidence evidence)
{
    public static readonly string[] UpStates =
        ["Submitted", "InTriage", "Accepted", "Scheduled", "InTransit", "Arrived", "InTreatment", "Treated", "Completed"];
    public static readonly string[] DownStates =
        ["Submitted", "Accepted", "Scheduled", "InTransit", "Arrived", "FollowUp", "Completed"];

    private readonly Slip _up = stage.Files.Slip("01");
    private readonly Slip _down = stage.Files.Slip("02");
    private readonly Journey _journey = new(stage);

    public async Task<(Case Up, Case Down)> Run()
    {
        stage.Printer.Title(_up.Title);
        var up = await GoUp();
        await evidence.Arrived(up);
        stage.Printer.Title(_down.Title);
        var down = await ComeBack(up);
        await evidence.Arrived(up, down);
        return (up, down);
    }

    private async Task<Case> GoUp()
    {
        var (township, hospital) = (stage.Author(_up), stage.Addressee(_up));
        var desk = stage.Cast.Desk(hospital.Institution);
        var up = await Case.Submit(stage, township, _up, _up.Form(), "Submitted");
        await up.Move(hospital, "claim", [], "InTriage");
        await _journey.AcceptAndBook(up, township, hospital, _up.Department);
        await up.Move(stage.Cast.Desk(township.Institution), "dispatch", new() { ["transport"] = "Ambulance" }, "InTransit");
        await up.Move(desk, "arrive", await _journey.AppointmentCode(up, township), "Arrived", detail: "by appointment code");
        await up.Move(hospital, "start-treatment", new() { ["visitNo"] = "DEMO-" + up.No, ["clinician"] = hospital.Subject }, "InTreatment");
        await up.Move(hospital, "interim-note", new() { ["text"] = "病情平稳，已完成头颅影像学检查。" }, "InTreatment");
        await up.Move(hospital, "complete-treatment", new()
        {
            ["diagnosisResult"] = _down.Text("diagnosisResult"), ["mainResults"] = _down.Text("mainResults"),
            ["treatmentCourse"] = _down.Text("treatmentCourse"), ["nextPlan"] = _down.Text("nextPlan"), ["rehabEligible"] = true,
        }, "Treated", detail: "eligible for rehab below");
        return up;
    }

    private async Task<Case> ComeBack(Case up)
    {
        var (hospital, township) = (stage.Author(_down), stage.Addressee(_down));
        var form = _down.Form();
        // the patient and who he is come from the referral that is returned
        form.Remove("patient");
        var arrival = Day.At(Day.Today.AddDays(_down.ExpectedArrivalDays), new(10, 0));
        form["expectedArrival"] = Day.Text(arrival);
        var answer = await up.Move(hospital, "return", new() { ["slip"] = form }, "Treated", detail: "creates the downward referral");
        var down = await Case.Born(stage, hospital, answer, _down.Institution, _down.Target, "Submitted");

        await _journey.AcceptAndBook(down, hospital, township, _down.Department);
        await down.Move(stage.Cast.Desk(hospital.Institution), "dispatch",
            new() { ["transport"] = "Family", ["expectedArrival"] = Day.Text(arrival) }, "InTransit", detail: "discharge");
        await down.Move(stage.Cast.Desk(township.Institution), "arrive", await _journey.AppointmentCode(down, hospital), "Arrived", detail: "by appointment code");
        await up.AwaitStep(hospital, "referral service", "return-arrived", $"the arrival of {down.No}", Stopwatch.GetTimestamp(), "Completed", "Returned");

        var tasks = _down.FollowUps;
        for (var n = 1; n <= tasks.Count; n++)
        {
            await down.Move(township, "follow-up", new() { ["way"] = "Ward", ["text"] = tasks[n - 1] + "（已完成）" },
                "FollowUp", detail: $"{n} of {tasks.Count}");
            await CheckFollowUps(down, township, n, tasks.Count);
        }
        await down.Move(township, "finish", new() { ["text"] = "康复计划完成，转居家康复。" }, "Completed", "PlanFinished");
        await down.Move(stage.Cast.Desk(township.Institution), "rate", new() { ["rating"] = 5 }, "Completed", detail: "5 of 5");
        return down;
    }

    private static async Task CheckFollowUps(Case down, Actor by, int done, int planned)
    {
        await down.Look(by);
        var (number, of) = ((int?)down.View["followUps"]?["number"], (int?)down.View["followUps"]?["of"]);
        if ((number, of) != (done, planned))
            throw new WalkFailed($"{down.No} should count follow-up {done} of {planned}, but counts {number} of {of}.");
    }
}
