using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X16: two clerks of one hospital act on what they both saw: one succeeds, the other is told to look again.</summary>
internal static class LostUpdate
{
    public static async Task Run(Scene scene)
    {
        var work = new Work(scene);
        var other = await scene.Alliance.Another("referral");
        for (var round = 0; round < scene.Pick(5, 20, 50); round++)
        {
            if (await work.Submit() is not { } id)
                return;
            using var seen = await scene.Referral.As(Alliance.Tertiary).GetAsync($"/v1/referrals/{id}/available-actions");
            var etag = seen.Headers.ETag!.ToString();
            scene.Recorder.Ask(id, "accept", Alliance.Tertiary);
            scene.Recorder.Ask(id, "decline", Alliance.Tertiary);
            Task<Answer> Clerk(Service at, string subject, string verb, object body) => Load.Ask(subject, scene.Elapsed, () =>
                at.As(Alliance.Tertiary, subject: subject).Command($"/v1/referrals/{id}/{verb}", body, ifMatch: etag));
            var answers = await Task.WhenAll(
                Clerk(scene.Referral, "clerk-1", "accept", new { department = "03.03" }),
                Clerk(round % 2 == 0 ? scene.Referral : other, "clerk-2", "decline", new { reason = "NO_CAPACITY", text = "满" }));
            foreach (var answer in answers)
                scene.Recorder.Heard(answer);
            scene.Expect(answers.Select(a => a.Status).Order().SequenceEqual([200, 412]), $"two clerks were answered {answers[0]} and {answers[1]}");
            var winner = answers[0].Status == 200 ? "Accepted" : "Declined";
            var stands = (await scene.Referral.Database.Query<string>("select to_state from history where referral_id = @id and version = 2", new { id }))[0];
            scene.Same(winner, stands, "what stands after two clerks");
            scene.Same(1, await Scene.Count(scene.Referral, "select count(*) from history where referral_id = @id and event in ('accepted', 'declined')", new { id }), "decisions");
        }
    }
}
