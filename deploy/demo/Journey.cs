using System.Diagnostics;
using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>The stretch that every booked referral has in common.</summary>
internal sealed class Journey(Stage stage)
{
    private static readonly Dictionary<string, string> Places = new()
    {
        ["OutpatientTransfer"] = "Slot", ["InpatientTransfer"] = "Bed", ["Examination"] = "Equipment",
        ["Teleconsultation"] = "Session", ["RehabReturn"] = "Ward",
    };

    /// <summary>The receiver accepts and scheduling books. Where everything is full, the receiver opens room for one more.</summary>
    public async Task AcceptAndBook(Case about, Actor sender, Actor doctor, string department)
    {
        await about.Move(doctor, "accept", new() { ["department"] = department, ["clinician"] = doctor.Subject }, "Accepted");
        var since = Stopwatch.GetTimestamp();
        var because = "acceptance";
        await about.Await(sender, because, "Scheduled", "Waitlisted");
        if (about.State == "Waitlisted")
        {
            await about.AwaitStep(sender, "scheduling", "no-capacity", because, since, "Waitlisted");
            since = Stopwatch.GetTimestamp();
            because = "a place was published";
            await stage.Supply.OpenRoom(about.Receiver, department, Places[about.View.Text("kind")]);
        }
        await about.AwaitStep(sender, "scheduling", "booked", because, since, "Scheduled");
    }

    /// <summary>What the patient shows at the desk: the sender reads it out to him.</summary>
    public async Task<JsonObject> AppointmentCode(Case about, Actor sender)
    {
        var bookings = await stage.Api.Scheduling.Get(sender, "/v1/bookings?referral=" + about.Id, $"to read the booking of {about.No}");
        var code = bookings.Rows("items").Select(b => (string?)b["appointmentCode"]).FirstOrDefault(c => c is not null)
            ?? throw new WalkFailed($"{about.No} is scheduled, but scheduling has no appointment code for it.");
        return new() { ["code"] = code };
    }
}
