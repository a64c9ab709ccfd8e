using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using ReferralService.Tests.Alliances;
using Xunit;

namespace ReferralService.Tests.Moves;

[Collection("referral")]
public sealed class CancellationTests(ReferralHost host)
{
    [Fact]
    public async Task What_nobody_accepted_is_withdrawn_at_once()
    {
        var referral = await (await A.Submitted(host)).Does("cancel");
        referral.State.Should().Be("Cancelled");
        referral.Last.GetProperty("waitingFor").GetString().Should().Be("nobody");
    }

    [Fact]
    public async Task After_the_acceptance_the_receiver_is_asked_first()
    {
        var referral = await A.Scheduled(host);
        var problem = await referral.IsRefused("cancel", HttpStatusCode.Conflict, "not-in-this-state");
        problem.GetProperty("state").GetString().Should().Be("Scheduled");
        problem.GetProperty("availableActions").EnumerateArray().Select(a => a.GetString()).Should().Contain("request-cancellation");

        await referral.Does("request-cancellation");
        referral.Last.GetProperty("waitingFor").GetString().Should().Be("receiver");
        await referral.Does("confirm-cancellation");
        referral.State.Should().Be("Cancelled");
        var view = await referral.Look();
        view.GetProperty("afterAcceptance").GetBoolean().Should().BeTrue();
        view.GetProperty("reason").GetString().Should().Be("PATIENT_WITHDRAW");
        view.TryGetProperty("booking", out var booking).Should().Be(booking.ValueKind == JsonValueKind.Null, "the place is free");
    }

    [Fact]
    public async Task A_duplicate_names_the_referral_that_stays_and_nothing_else_stands_in_that_place()
    {
        var (referral, stays) = (await A.Submitted(host), await A.Submitted(host));
        var (draft, foreign) = (await A.Drafted(host), await A.Submitted(host, slip => slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" },
            ReferralHost.County, ReferralHost.OtherTownship));
        object Duplicate(string? of) => new { reason = "DUPLICATE", replacedBy = of };
        var (one, another) = (await A.Submitted(host, Residents.Slip(Residents.New())), await A.Submitted(host, Residents.Slip(Residents.New())));
        foreach (var none in new[] { null, "张三 13800001234", "U000000000000000", referral.No, draft.No, foreign.No })
            (await referral.IsRefused("close", HttpStatusCode.UnprocessableEntity, "rule-broken", Duplicate(none)))
                .GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/replacedBy", none);
        await one.IsRefused("close", HttpStatusCode.UnprocessableEntity, "rule-broken", Duplicate(another.No));
        await referral.Does("close", Duplicate(stays.No.ToLowerInvariant()));
        (await referral.Look()).GetProperty("replacedBy").GetString().Should().Be(stays.No);
    }

    [Theory]
    [InlineData("take-back", "cancellation-taken-back"), InlineData("refuse-cancellation", "cancellation-refused")]
    public async Task A_cancellation_that_does_not_happen_leads_back_to_where_it_was_asked(string verb, string told)
    {
        var referral = await A.Scheduled(host);
        var booked = (await referral.Look()).GetProperty("booking").GetProperty("id").GetGuid();
        await referral.Does("request-cancellation");
        await referral.Does(verb);
        var view = await referral.Look();
        view.GetProperty("state").GetString().Should().Be("Scheduled");
        view.GetProperty("booking").GetProperty("id").GetGuid().Should().Be(booked, "the place was kept meanwhile");
        view.TryGetProperty("reason", out var reason).Should().Be(reason.ValueKind == JsonValueKind.Null);
        (await referral.Events()).Should().EndWith(told);
    }

    [Fact]
    public async Task Only_the_receiver_answers_and_only_the_sender_takes_back()
    {
        var referral = await (await A.Accepted(host)).Does("request-cancellation");
        await referral.IsRefused("confirm-cancellation", HttpStatusCode.Forbidden, by: referral.Sender);
        await referral.IsRefused("take-back", HttpStatusCode.Forbidden, by: referral.Receiver);
    }

    [Fact]
    public async Task A_patient_who_comes_all_the_same_is_received()
    {
        var referral = await (await A.Scheduled(host)).Does("request-cancellation");
        await referral.Does("arrive");
        referral.State.Should().Be("Arrived");
        await referral.IsRefused("confirm-cancellation", HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task A_receiver_that_cannot_keep_its_word_withdraws_it_with_a_reason_but_never_for_an_emergency()
    {
        var referral = await (await A.Scheduled(host)).Does("withdraw-acceptance");
        var view = await referral.Look();
        view.GetProperty("state").GetString().Should().Be("Declined");
        view.GetProperty("afterAcceptance").GetBoolean().Should().BeTrue();
        await (await A.Emergency(host)).IsRefused("withdraw-acceptance", HttpStatusCode.Conflict, "never-for-emergencies");
    }
}
