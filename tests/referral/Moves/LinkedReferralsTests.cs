using System.Net;
using System.Text.Json.Nodes;
using FluentAssertions;
using Xunit;

namespace ReferralService.Tests.Moves;

/// <summary>Onward, up again, and out of advice into a transfer.</summary>
[Collection("referral")]
public sealed class LinkedReferralsTests(ReferralHost host)
{
    private static object Slip(string to, Action<JsonObject>? change = null, bool plannedCheck = false)
    {
        var slip = A.UpwardSlip(to, change);
        slip.Remove("patient");
        slip.Remove("referrer");
        slip["referrer"] = new JsonObject { ["doctor"] = "dr-0001" };
        return new { slip, plannedCheck };
    }

    private async Task<A> TreatedAtTheCountyHospital()
    {
        var up = await A.Submitted(host, receiver: ReferralHost.County);
        await up.Does("accept");
        await up.Does("arrive");
        return await up.Does("complete-treatment");
    }

    [Fact]
    public async Task What_is_sent_onward_ends_when_the_higher_hospital_accepts()
    {
        var up = await TreatedAtTheCountyHospital();
        var onward = await up.Creates("refer-onward", Slip(ReferralHost.Tertiary));
        onward.Receiver.Should().Be(ReferralHost.Tertiary);
        onward.Last.GetProperty("episodeId").GetGuid().Should().Be((await up.Look()).GetProperty("episodeId").GetGuid());
        up.State.Should().Be("Treated", "it goes on until that one is accepted");

        await onward.Does("accept");
        var view = await up.Look();
        view.GetProperty("state").GetString().Should().Be("Completed");
        view.GetProperty("outcome").GetString().Should().Be("TransferredOn");
        (await up.Events())[^2..].Should().Equal("referred-onward", "completed");
    }

    [Fact]
    public async Task An_onward_referral_that_is_declined_leaves_it_open()
    {
        var up = await TreatedAtTheCountyHospital();
        var onward = await up.Creates("refer-onward", Slip(ReferralHost.Tertiary));
        await onward.Does("decline");
        (await up.Look()).GetProperty("state").GetString().Should().Be("Treated");
        await up.Does("complete-without-return");
    }

    [Fact]
    public async Task A_patient_below_who_gets_worse_is_sent_up_again_in_the_same_episode()
    {
        var down = await A.ReturnedAndArrived(host);
        await down.Does("follow-up");
        var again = await down.Creates("re-refer", Slip(ReferralHost.County), by: down.Receiver);
        (await down.Look()).GetProperty("state").GetString().Should().Be("FollowUp");
        again.Last.GetProperty("episodeId").GetGuid().Should().Be(down.Last.GetProperty("episodeId").GetGuid());
        await again.Does("accept");
        (await down.Look()).GetProperty("outcome").GetString().Should().Be("ReReferred");
    }

    [Fact]
    public async Task A_planned_check_leaves_the_plan_running_also_beside_an_earlier_referral_up()
    {
        var down = await A.ReturnedAndArrived(host);
        await down.Does("follow-up");
        var worse = await down.Creates("re-refer", Slip(ReferralHost.County), by: down.Receiver);
        await down.Look();
        var check = await down.Creates("re-refer", Slip(ReferralHost.Tertiary, plannedCheck: true), by: down.Receiver);
        await check.Does("accept");
        (await down.Look()).GetProperty("state").GetString().Should().Be("FollowUp");
        await worse.Does("accept");
        (await down.Look()).GetProperty("outcome").GetString().Should().Be("ReReferred");
    }

    [Fact]
    public async Task An_emergency_out_of_the_plan_is_on_its_way_and_ends_the_plan_at_once()
    {
        var down = await A.ReturnedAndArrived(host);
        var emergency = await down.Creates("re-refer", Slip(ReferralHost.Tertiary, slip =>
        {
            (slip["priority"], slip["greenChannel"]) = ("Emergency", "Stroke");
            slip["kind"] = "InpatientTransfer";
        }), by: down.Receiver);
        emergency.State.Should().Be("InTransit");
        (await down.Look()).GetProperty("outcome").GetString().Should().Be("ReReferred");
    }

    [Fact]
    public async Task An_emergency_out_of_the_plan_that_nobody_agreed_to_ends_the_plan_when_it_arrives()
    {
        var down = await A.ReturnedAndArrived(host);
        var emergency = await down.Creates("re-refer", Slip(ReferralHost.Tertiary), by: down.Receiver);
        await emergency.Does("make-emergency", new { greenChannel = "Obstetric" });
        (await down.Look()).GetProperty("state").GetString().Should().Be("Arrived");
        await emergency.Does("arrive", new { });
        (await down.Look()).GetProperty("outcome").GetString().Should().Be("ReReferred");
    }

    [Fact]
    public async Task Advice_that_is_not_enough_becomes_a_transfer_that_is_accepted_already()
    {
        var advice = await (await A.Submitted(host, slip => slip["kind"] = "Advice")).Does("claim");
        advice.Actions.Should().Contain(["advise", "convert"]).And.NotContain("accept");
        var transfer = await advice.Creates("convert");
        transfer.State.Should().Be("Accepted");
        transfer.Last.GetProperty("kind").GetString().Should().Be("OutpatientTransfer");
        transfer.Sender.Should().Be(advice.Sender);
        transfer.Last.GetProperty("slip").GetProperty("impression").GetString().Should().NotBeNullOrEmpty("it keeps the data");
        var view = await advice.Look();
        view.GetProperty("state").GetString().Should().Be("Advised");
        view.GetProperty("outcome").GetString().Should().Be("Converted");
    }

    [Fact]
    public async Task A_consultation_that_took_place_becomes_a_transfer_too()
    {
        var consultation = await A.Arrived(host, slip => slip["kind"] = "Teleconsultation");
        var transfer = await consultation.Creates("convert", new { kind = "InpatientTransfer", department = "03.03" });
        transfer.State.Should().Be("Accepted");
        var view = await consultation.Look();
        view.GetProperty("state").GetString().Should().Be("Completed");
        view.GetProperty("outcome").GetString().Should().Be("Converted");
    }

    [Theory]
    [InlineData("return"), InlineData("refer-onward"), InlineData("re-refer"), InlineData("refer-again")]
    public async Task A_linked_slip_names_the_person_of_its_case_or_nobody(string verb)
    {
        var parent = verb switch
        {
            "re-refer" => await A.ReturnedAndArrived(host),
            "refer-again" => await (await A.Submitted(host)).Does("decline"),
            _ => await A.Treated(host),
        };
        var known = (await parent.Look()).GetProperty("identity");
        var by = verb == "refer-again" ? parent.Sender : parent.Receiver;
        object About(JsonObject patient)
        {
            void Person(JsonObject slip) => slip["patient"] = patient;
            var slip = verb == "return" ? A.DownwardSlip(Person) : A.UpwardSlip(ReferralHost.County, Person);
            slip["referrer"] = new JsonObject { ["doctor"] = "dr-0001" };
            return verb == "refer-again" ? new { slip, patientAgrees = true } : new { slip };
        }
        JsonObject Same() => new() { ["name"] = known.GetProperty("name").GetString(), ["sex"] = "1", ["age"] = 60 };
        foreach (var (member, value) in new (string, JsonNode)[] { ("name", "另一人"), ("sex", "2"), ("age", 30) })
        {
            var other = Same();
            other[member] = value;
            var refused = await parent.IsRefused(verb, HttpStatusCode.UnprocessableEntity, "rule-broken", About(other), by: by);
            refused.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/slip/patient", member);
        }
        var child = await parent.Creates(verb, About(Same()), by: by);
        (await child.Look()).GetProperty("identity").GetRawText().Should().Be(known.GetRawText());
    }

    [Fact]
    public async Task A_transfer_is_not_converted()
    {
        var transfer = await (await A.Submitted(host)).Does("claim");
        await transfer.IsRefused("convert", HttpStatusCode.Conflict, "not-this-kind");
    }
}
