using System.Text.Json.Nodes;
using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X19: nobody writes a member that is not his to write, or jumps a state.</summary>
internal static class MassAssignment
{
    public static async Task Run(Scene scene)
    {
        foreach (var (member, value) in new (string, JsonNode)[]
        {
            ("status", "Completed"), ("state", "Accepted"), ("id", Guid.NewGuid().ToString()), ("orgId", Alliance.OtherTownship), ("sender", Alliance.OtherTownship),
            ("version", 99), ("sequence", 99), ("createdAt", "2020-01-01T00:00:00Z"), ("submittedAt", "2020-01-01T00:00:00Z"), ("referralNo", "U1"), ("synthetic", false),
            ("__proto__", new JsonObject()), ("$type", "System.Object"), ("Patient", new JsonObject()),
        })
        {
            var slip = Patients.Slip();
            slip[member] = value;
            await Refused(scene, Alliance.Township, "/v1/referrals?submit=true", slip, "*", 400, member);
            var patient = Patients.Slip();
            patient["patient"]![member] = value.DeepClone();
            await Refused(scene, Alliance.Township, "/v1/referrals?submit=true", patient, "*", 400, "patient." + member);
        }

        var work = new Work(scene);
        var id = await work.Submit() ?? throw new InvalidOperationException("nothing was submitted");
        var before = await Row(scene, id);
        foreach (var member in new[] { "status", "state", "version", "acceptedAt", "receiver" })
            await Refused(scene, Alliance.Tertiary, $"/v1/referrals/{id}/accept", new JsonObject { ["department"] = "03.03", [member] = "x" }, "*", 400, member);
        // who refers does not accept; what has not come is not treated; what is open is not finished
        await Refused(scene, Alliance.Township, $"/v1/referrals/{id}/accept", new JsonObject { ["department"] = "03.03" }, "*", 403, "accept by the sender");
        await Refused(scene, Alliance.Tertiary, $"/v1/referrals/{id}/complete-treatment",
            new JsonObject { ["diagnosisResult"] = "x", ["treatmentCourse"] = "x", ["rehabEligible"] = true }, "*", 409, "treated before accepted");
        await Refused(scene, Alliance.Tertiary, $"/v1/referrals/{id}/start-treatment", new JsonObject { ["visitNo"] = "V1" }, "*", 409, "treatment before arrival");
        await Refused(scene, Alliance.Tertiary, $"/v1/referrals/{id}/finish", new JsonObject { ["text"] = "x" }, "*", 409, "finished before it began");
        await Refused(scene, Alliance.Tertiary, $"/v1/referrals/{id}/dispatch", new JsonObject { ["transport"] = "Ambulance", ["expectedArrival"] = DateTimeOffset.UtcNow.AddHours(1) }, "*", 403, "dispatch by the receiver");
        var down = A.DownwardSlip();
        down["patient"] = Patients.Slip()["patient"]!.DeepClone();
        down["to"] = new JsonObject { ["institution"] = Alliance.Tertiary, ["department"] = "03.03" };
        var answer = await Ask(scene, Alliance.Township, "/v1/referrals?submit=true", down, "*");
        scene.Expect(answer.Status is 409 or 403 or 422, $"a downward referral by a clinic: {answer}");
        scene.Same(before, await Row(scene, id), "the row after all refusals");
        scene.Same(1, await Scene.Count(scene.Referral, "select count(*) from referral where drafted_at >= @Began", new { scene.Alliance.Began }), "referrals after all refusals");
    }

    private static async Task<string> Row(Scene scene, Guid id) => (await scene.Referral.Database.Query<string>("select to_jsonb(r)::text from referral r where id = @id", new { id }))[0];

    private static Task<Answer> Ask(Scene scene, string institution, string path, JsonObject body, string ifMatch) => Load.Ask(path, scene.Elapsed, () =>
        scene.Referral.As(institution).Command(path, body, ifMatch));

    private static async Task Refused(Scene scene, string institution, string path, JsonObject body, string ifMatch, int status, string what)
    {
        var answer = await Ask(scene, institution, path, body, ifMatch);
        scene.Recorder.Heard(answer);
        scene.Expect(answer.Status == status, $"{what}: {answer}, not {status}");
    }
}
