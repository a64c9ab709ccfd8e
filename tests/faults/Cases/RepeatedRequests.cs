using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X4: one key, one referral: fifty times at once, with another body, after a restart.</summary>
internal static class RepeatedRequests
{
    public static async Task Run(Scene scene)
    {
        for (var round = 0; round < scene.Pick(1, 3, 10); round++)
        {
            var (key, slip) = (Guid.NewGuid().ToString(), Patients.Slip());
            var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Submit(scene, key, slip)));
            foreach (var answer in answers)
            {
                scene.Recorder.Heard(answer);
                scene.Expect(answer.Status is 201 or 409, $"one of fifty: {answer}");
            }
            var bodies = answers.Where(a => a.Status == 201).Select(a => a.Body).Distinct().ToArray();
            scene.Same(1, bodies.Length, "different answers to one request");
            if (bodies.Length == 0)
                return;
            var work = new Work(scene);
            var id = work.Submitted(answers.First(a => a.Status == 201));
            var other = await Submit(scene, key, Patients.Slip());
            scene.Expect(other.Status == 422 && other.Body.Contains("idempotency-key-reused", StringComparison.Ordinal), $"the key with another body: {other}");

            var acceptance = Guid.NewGuid().ToString();
            scene.Recorder.Ask(id, "accept", Alliance.Tertiary);
            var moves = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Accept(scene, id, acceptance)));
            foreach (var move in moves)
                scene.Expect(move.Status is 200 or 409, $"one of fifty acceptances: {move}");
            scene.Same(1, moves.Where(a => a.Status == 200).Select(a => a.Body).Distinct().Count(), "different answers to one acceptance");
            scene.Recorder.Acknowledge(id, "accept", Alliance.Tertiary);

            if (round == 0)
            {
                await scene.Referral.Kill();
                await scene.Referral.Start();
            }
            var again = await Submit(scene, key, slip);
            scene.Expect(again.Status == 201 && again.Body == bodies[0], $"the same request later: {again}");
            var accepted = await Accept(scene, id, acceptance);
            scene.Expect(accepted.Status == 200 && accepted.Body == moves.First(m => m.Status == 200).Body, $"the same acceptance later: {accepted}");
        }
    }

    private static Task<Answer> Submit(Scene scene, string key, object slip) => Load.Ask(key, scene.Elapsed, () =>
        scene.Referral.As(Alliance.Township, subject: Work.Subject).Command("/v1/referrals?submit=true", slip, key: key));

    private static Task<Answer> Accept(Scene scene, Guid id, string key) => Load.Ask(key, scene.Elapsed, () =>
        scene.Referral.As(Alliance.Tertiary, subject: Work.Subject).Command($"/v1/referrals/{id}/accept", new { department = "03.03" }, ifMatch: "*", key: key));
}
