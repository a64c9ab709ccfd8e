using System.Text.Json.Nodes;
using Referrals.Contracts;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class OutOfOrderTests(Scheduling scheduling)
{
    [Fact]
    public async Task The_same_event_delivered_five_times_has_one_effect()
    {
        var hospital = scheduling.NewInstitution();
        var slot = await hospital.Slot(capacity: 5);
        var referral = A.Referral(hospital);
        var accepted = referral.Accepted();

        await scheduling.Hears(accepted, accepted, accepted, accepted, accepted);

        (await scheduling.Bookings(referral)).Should().ContainSingle();
        (await scheduling.SaidTypes(referral)).Should().Equal("booked");
        (await scheduling.Database.Query<int>("select taken from slot where id = @slot", new { slot })).Should().Equal(1);
        (await scheduling.Database.Query<int>("select count(*)::int from inbox where message_id = @Id", new { accepted.Id })).Should().Equal(1);
    }

    [Fact]
    public async Task Cancelled_before_accepted_leaves_nothing_held()
    {
        var hospital = scheduling.NewInstitution();
        var slot = await hospital.Slot();
        var referral = A.Referral(hospital);
        var (accepted, cancelled) = (referral.Accepted(), referral.Cancelled());

        await scheduling.Hears(cancelled, accepted);

        (await scheduling.Bookings(referral)).Should().BeEmpty();
        (await scheduling.Waits(referral)).Should().BeFalse();
        (await scheduling.Database.Query<int>("select taken from slot where id = @slot", new { slot })).Should().Equal(0);
    }

    [Fact]
    public async Task An_acceptance_that_comes_after_newer_news_is_still_booked()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        var referral = A.Referral(hospital);
        var (accepted, raised) = (referral.Accepted(), referral.PriorityRaised());

        await scheduling.Hears(raised, accepted);

        (await scheduling.SaidTypes(referral)).Should().Equal("booked");
    }

    [Fact]
    public async Task An_acceptance_of_the_old_leg_does_not_book_after_the_redirect()
    {
        var (first, second) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        await first.Slot();
        await second.Slot();
        var referral = A.Referral(first);
        var (accepted, redirected) = (referral.Accepted(), referral.Redirected(second));

        await scheduling.Hears(redirected, accepted);

        (await scheduling.Bookings(referral)).Should().BeEmpty();
    }

    [Fact]
    public async Task An_unknown_event_and_unknown_members_are_no_trouble()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        var referral = A.Referral(hospital);
        var accepted = referral.Accepted();
        var body = AReferral.Write(accepted).Replace("\"data\":{", "\"newattribute\":1,\"data\":{\"newMember\":{\"a\":[1]},");

        await scheduling.Publish(accepted.Type, AReferral.Write(referral.Cancelled()).Replace("referral.up.cancelled", "referral.up.sung"));
        await scheduling.Publish(accepted.Type, body);

        await Eventually.Is(async () => (await scheduling.SaidTypes(referral)).SequenceEqual(["booked"]), "it is booked");
        (await scheduling.Bookings(referral)).Should().ContainSingle().Which.State.Should().Be("Booked");
    }

    [Fact]
    public async Task Values_of_a_later_version_are_no_trouble_and_put_nobody_in_front()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        var referral = A.Referral(hospital);
        var accepted = referral.Accepted();
        var body = Later(accepted, ("kind", "HomeCare"), ("direction", "Sideways"), ("greenChannel", "Burns"), ("patientClass", "Newborn"),
            ("relation", "Twin"), ("outcome", "Cured"), ("previousState", "Dreaming"), ("priority", "Immediate"));

        await scheduling.Publish(accepted.Type, body);

        await Eventually.Is(async () => (await scheduling.SaidTypes(referral)).SequenceEqual(["booked"]), "it is booked");
        (await scheduling.Database.Query<string>("select priority from need where referral_id = @Id", new { referral.Id })).Should().Equal("Routine");
    }

    [Fact]
    public async Task A_state_of_a_later_version_is_put_aside_and_what_follows_flows()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        var referral = A.Referral(hospital);
        var unknown = referral.Accepted();
        var before = await scheduling.InErrorQueue();

        await scheduling.Publish(unknown.Type, Later(unknown, ("state", "AcceptedInPart")));
        await scheduling.Hears(referral.Accepted());

        (await scheduling.SaidTypes(referral)).Should().Equal("booked");
        await Eventually.Is(async () => await scheduling.InErrorQueue() == before + 1, "it waits for the version that knows the state", seconds: 60);
    }

    private static string Later(ReferralEvent heard, params (string Member, string Value)[] values)
    {
        var body = JsonNode.Parse(AReferral.Write(heard))!;
        foreach (var (member, value) in values)
            body["data"]![member] = value;
        return body.ToJsonString();
    }

    [Theory]
    [InlineData("not JSON", "}{")]
    [InlineData("no members", "{}")]
    [InlineData("wrong types", """{"specversion":"1.0","id":17,"type":"referral.up.accepted","data":[]}""")]
    public async Task Poison_goes_to_the_error_queue_and_what_follows_flows(string what, string body)
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        var referral = A.Referral(hospital);
        var before = await scheduling.InErrorQueue();

        await scheduling.Publish("referral.up.accepted", body);
        await scheduling.Hears(referral.Accepted());

        (await scheduling.SaidTypes(referral)).Should().Equal("booked");
        await Eventually.Is(async () => await scheduling.InErrorQueue() == before + 1, $"the error queue has one more ({what})", seconds: 60);
    }
}
