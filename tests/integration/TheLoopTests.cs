using FluentAssertions;
using Deployed;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Integration.Tests;

/// <summary>One patient up and back through all three services.</summary>
public sealed class TheLoopTests(AllianceFixture alliance, ITestOutputHelper output) : IntegrationTest(alliance, output)
{
    [Fact]
    public async Task A_patient_goes_up_and_comes_back_and_both_sides_hear_every_step_by_signed_webhook_in_order()
    {
        await using var receiver = await Receiver.Open();
        var secrets = new Dictionary<string, string>
        {
            ["/clinic"] = await receiver.Subscribe(Alliance, Alliance.Township, "/clinic"),
            ["/hospital"] = await receiver.Subscribe(Alliance, Alliance.Tertiary, "/hospital"),
        };

        var up = await A.Submitted(Alliance, A.Slip("01"));
        await up.Does("claim");
        await up.Does("accept", new { department = "03.03", clinician = "dr-0001" });
        await up.Reaches("Scheduled");
        await up.Does("dispatch");
        await up.Does("arrive");
        await up.Does("start-treatment");
        await up.Does("complete-treatment");
        var down = await up.Returns();
        await down.Does("accept", new { department = "21" });
        await down.Reaches("Scheduled");
        await down.Does("dispatch");
        await down.Does("arrive");
        await down.Does("follow-up");
        await down.Does("follow-up");
        await down.Does("follow-up");
        await down.Does("finish");

        await up.Look();
        (up.State, up.Last.GetProperty("outcome").GetString()).Should().Be(("Completed", "Returned"));
        await down.Look();
        (down.State, down.Last.GetProperty("outcome").GetString()).Should().Be(("Completed", "PlanFinished"));
        (await up.Timeline()).Should().Equal("submitted", "triage-started", "accepted", "scheduled", "in-transit", "arrived",
            "treatment-started", "treated", "return-initiated", "return-accepted", "completed");

        foreach (var (path, secret) in secrets)
            foreach (var referral in new[] { up, down })
            {
                var timeline = await referral.Timeline();
                await Eventually.Is(() => Task.FromResult(Webhooks().Count >= timeline.Count), $"{path} hears all of {referral.No}", seconds: 20);
                var webhooks = Webhooks();
                webhooks.Select(w => w.Name).Should().Equal(timeline);
                webhooks.Select(w => w.Sequence).Should().Equal(Enumerable.Range(1, timeline.Count).Select(n => (long)n));
                webhooks.Should().OnlyContain(w => w.IsSignedWith(secret));
                webhooks.Should().NotContain(w => w.IsSignedWith(secrets.Values.First(other => other != secret)));

                List<Webhook> Webhooks() => [.. receiver.Received.Where(w => w.Path == path && w.Subject == referral.No)];
            }
        await FinalRead.Holds(Alliance);
        NothingOfThePatientIsIn(receiver.Received.Select(w => w.Body));
        NothingOfThePatientIsIn(Alliance.Services.SelectMany(service => service.Log));
    }

    private static void NothingOfThePatientIsIn(IEnumerable<string> texts)
    {
        var patient = A.Slip("01")["patient"]!.AsObject();
        var all = string.Join('\n', texts);
        foreach (var member in new[] { "name", "phone", "address", "idNo", "archiveNo" })
            all.Should().NotContain(patient[member]!.GetValue<string>());
    }

    [Fact]
    public async Task A_webhook_that_failed_is_sent_again_under_its_id_after_the_notification_service_was_killed()
    {
        await using var receiver = await Receiver.Open();
        var secret = await receiver.Subscribe(Alliance, Alliance.OtherTownship, "/partner");
        receiver.Answers = 503;
        var slip = A.UpwardSlip();
        slip["to"]!["institution"] = Alliance.OtherTownship;
        slip["to"]!["department"] = "02";
        slip["kind"] = "Teleconsultation";
        var referral = await A.Submitted(Alliance, slip);
        await Eventually.Is(() => Task.FromResult(Webhooks().Any()), "the first attempt fails");

        await Notification.Kill();
        receiver.Answers = 200;
        await Notification.Start();
        await Eventually.Is(() => Task.FromResult(Webhooks().Any(w => w.Answered == 200)), "the webhook is sent again", seconds: 30);

        Webhooks().Select(w => w.Id).Distinct().Should().ContainSingle();
        Webhooks().Should().OnlyContain(w => w.IsSignedWith(secret));

        IEnumerable<Webhook> Webhooks() => receiver.Received.Where(w => w.Subject == referral.No);
    }
}
