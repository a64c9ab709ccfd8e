using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Privacy;

/// <summary>What a referral is linked with is its writer's alone until it is sent, however it came to be.</summary>
public sealed class UnsentLinksTests : IAsyncLifetime
{
    private readonly ReferralHost _host = new();

    /// <summary>Every event is kept beside the outbox, which forgets what it has sent.</summary>
    public async Task InitializeAsync()
    {
        await _host.InitializeAsync();
        await _host.Database.Execute("""
            create table kept (body text);
            create function keep() returns trigger language plpgsql security definer as $$ begin insert into kept values (to_jsonb(new)::text); return new; end $$;
            create trigger keep after insert on outbox for each row execute function keep();
            """);
    }

    public Task DisposeAsync() => _host.DisposeAsync();

    private async Task AHeadSignsFromNowOn()
    {
        (await _host.As(ReferralHost.County, "AllianceOffice").Command("/v1/settings", new { alliance = "al-county", internalReview = true })).StatusCode.Should().Be(HttpStatusCode.Created);
        _host.Clock.Advance(TimeSpan.FromSeconds(1));
    }

    private static JsonObject Slip(string to) => A.UpwardSlip(to, slip =>
    {
        slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
        foreach (var member in new[] { "patient", "diagnosis", "indications", "override" })
            slip.Remove(member);
    });

    /// <summary>A referral, who will write what follows from it, and who has a part in it and none in that.</summary>
    private sealed record Linking(A Referral, string Verb, object Body, string By, string House, string Partner);

    private async Task<Linking> Before(string verb)
    {
        switch (verb)
        {
            case "refer-onward":
                var here = await A.Submitted(_host, receiver: ReferralHost.County);
                await here.Does("accept", new { department = "03.03" });
                await here.Does("arrive");
                return new(here, verb, new { slip = Slip(ReferralHost.Tertiary) }, ReferralHost.County, ReferralHost.County, ReferralHost.Township);
            case "re-refer":
                return new(await A.ReturnedAndArrived(_host), verb, new { slip = Slip(ReferralHost.County) }, ReferralHost.Township, ReferralHost.Township, ReferralHost.Tertiary);
            case "refer-again":
                var declined = await (await A.Submitted(_host)).Does("decline");
                return new(declined, verb, A.Usual(verb), ReferralHost.Township, ReferralHost.Township, ReferralHost.Tertiary);
            default:
                var question = await (await A.Submitted(_host, slip => slip["kind"] = "Advice")).Does("claim");
                return new(question, verb, A.Usual(verb), ReferralHost.Tertiary, ReferralHost.Township, ReferralHost.Tertiary);
        }
    }

    /// <summary>Does what links, and says what was written; nobody but its house is told.</summary>
    private async Task<(Linking Linking, Guid Id, string No)> Drafted(string verb)
    {
        var linking = await Before(verb);
        await AHeadSignsFromNowOn();
        var answer = await linking.Referral.Tries(verb, linking.Body, linking.By);
        answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        var (id, number, state) = (await _host.Database.Query<(Guid, string, string)>("select id, referral_no, state from referral where parent_id = @Id", new { linking.Referral.Id })).Single();
        state.Should().Be("InternalReview");
        return (linking, id, number);
    }

    private async Task<string> Told() => string.Join('\n', await _host.Database.Query<string>("select body from kept"));

    private static async Task<string?> LinkSeen(HttpClient by, A referral) =>
        (await by.GetAsync($"/v1/referrals/{referral.Id}").Json()).TryGetProperty("linked", out var linked) ? linked.GetProperty("referralNo").GetString() : null;

    private HttpClient Head(string house) => _host.As(house, "Head", "head");

    [Theory]
    [InlineData("refer-onward")]
    [InlineData("re-refer")]
    [InlineData("refer-again")]
    [InlineData("convert")]
    public async Task Partners_learn_of_a_linked_draft_when_it_is_sent(string verb)
    {
        var (linking, id, number) = await Drafted(verb);
        var (referral, partner) = (linking.Referral, _host.As(linking.Partner));
        (await LinkSeen(_host.As(linking.House), referral)).Should().Be(number, "it is theirs");
        (await LinkSeen(partner, referral)).Should().BeNull();
        (await Told()).Should().NotContain(number).And.NotContain(id.ToString());
        (await (await partner.GetAsync($"/v1/referrals/{referral.Id}/timeline")).Content.ReadAsStringAsync()).Should().NotContain(number).And.NotContain(id.ToString());
        (await partner.GetAsync($"/v1/referrals/{id}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        var late = await referral.Tries(linking.Partner == referral.Receiver ? "claim" : "cancel", by: linking.Partner, ifMatch: "*");
        late.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await late.Content.ReadAsStringAsync()).Should().NotContain(number);

        var seen = (await partner.GetAsync($"/v1/referrals/{referral.Id}")).Headers.ETag!;
        (await Head(linking.House).Command($"/v1/referrals/{id}/approve", new { }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        partner.DefaultRequestHeaders.IfNoneMatch.Add(seen);
        (await LinkSeen(partner, referral)).Should().Be(number, "it was sent");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_becomes_of_a_referral_names_an_onward_one_only_once_that_was_sent(bool sent)
    {
        var (linking, id, number) = await Drafted("refer-onward");
        if (sent)
            (await Head(linking.House).Command($"/v1/referrals/{id}/approve", new { }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        await linking.Referral.Does("close", new { reason = "PATIENT_GAVE_UP" });
        var closed = (await _host.Database.Query<string>("select body from kept where body like '%referral.up.closed%'")).Should().ContainSingle().Which;
        closed.Contains(number).Should().Be(sent);
    }

    [Fact]
    public async Task Who_discards_the_draft_of_another_try_may_try_again_and_the_first_hospital_hears_of_neither()
    {
        var (linking, id, number) = await Drafted("refer-again");
        var referral = linking.Referral;
        (await referral.IsRefused("refer-again", HttpStatusCode.Conflict, "referred-again", by: linking.House)).GetProperty("linkedNo").GetString().Should().Be(number);
        (await Head(linking.House).Command($"/v1/referrals/{id}/send-back", new { reason = "INCOMPLETE" }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        await referral.IsRefused("refer-again", HttpStatusCode.Conflict, "referred-again", by: linking.House);
        (await _host.As(linking.House).Command($"/v1/referrals/{id}/discard", new { }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await LinkSeen(_host.As(linking.Partner), referral)).Should().BeNull();
        (await _host.As(linking.Partner).GetAsync($"/v1/referrals/{referral.Id}/available-actions").Json()).TryGetProperty("candidates", out _).Should().BeFalse("that they come back would tell of it");

        var offered = await _host.As(linking.House).GetAsync($"/v1/referrals/{referral.Id}/available-actions").Json();
        offered.GetProperty("actions").GetRawText().Should().Contain("refer-again", "every refusal offers a next step");
        offered.GetProperty("candidates").GetArrayLength().Should().BePositive();
        var second = await referral.Creates("refer-again", linking.Body, by: linking.House);
        second.No.Should().NotBe(number);
        (await Head(linking.House).Command($"/v1/referrals/{second.Id}/approve", new { }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await LinkSeen(_host.As(linking.Partner), referral)).Should().Be(second.No);
        await referral.IsRefused("refer-again", HttpStatusCode.Conflict, "referred-again", by: linking.House);
        (await Told()).Should().NotContain(number);
    }

    [Fact]
    public async Task A_transfer_that_is_sent_back_is_mended_signed_and_only_then_the_hospitals()
    {
        var (linking, id, number) = await Drafted("convert");
        var (house, hospital) = (_host.As(linking.House), _host.As(linking.Partner));
        var path = $"/v1/referrals/{id}";
        (await hospital.Command(path + "/send-back", new { reason = "INCOMPLETE" }, "*")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await Head(linking.House).Command(path + "/send-back", new { reason = "INCOMPLETE" }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await hospital.GetAsync(path)).StatusCode.Should().Be(HttpStatusCode.NotFound);
        var mended = Slip(ReferralHost.Tertiary);
        mended["presentIllness"] = "补充：会诊意见已附";
        var amended = await house.Command(path + "/amend", new { slip = mended }, "*");
        amended.StatusCode.Should().Be(HttpStatusCode.OK, await amended.Content.ReadAsStringAsync());
        (await house.Command(path + "/submit", new { }, "*")).StatusCode.Should().Be(HttpStatusCode.Conflict, "it must be signed still");
        (await house.Command(path + "/send-for-review", new { }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await LinkSeen(hospital, linking.Referral)).Should().BeNull();
        (await Told()).Should().NotContain(number);
        (await Head(linking.House).Command(path + "/approve", new { }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await LinkSeen(hospital, linking.Referral)).Should().Be(number);
        var received = await hospital.GetAsync(path).Json();
        received.GetProperty("slip").GetProperty("presentIllness").GetString().Should().StartWith("补充");
        received.GetProperty("identity").GetRawText().Should().Be((await linking.Referral.Look()).GetProperty("identity").GetRawText());
        (await hospital.Command(path + "/accept", new { department = "03.03" }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("convert")]
    [InlineData("refer-onward")]
    [InlineData("re-refer")]
    public async Task A_linked_draft_that_is_discarded_was_never_there_for_anybody_else(string verb)
    {
        var (linking, id, number) = await Drafted(verb);
        var before = (await linking.Referral.Events()).Length;
        var state = (await linking.Referral.Look()).GetProperty("state").GetString();
        (await Head(linking.House).Command($"/v1/referrals/{id}/send-back", new { reason = "INCOMPLETE" }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await _host.As(linking.House).Command($"/v1/referrals/{id}/discard", new { }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await _host.Database.Query<(string, bool)>("select state, submitted_at is null from referral where id = @id", new { id })).Single().Should().Be(("Cancelled", true));
        (await _host.Database.Query<long>("select count(*) from audit where referral_id = @id and action = 'discard'", new { id })).Single().Should().Be(1);
        (await linking.Referral.Look()).GetProperty("state").GetString().Should().Be(state, "it goes on, or ended, as it did");
        (await linking.Referral.Events()).Should().HaveCount(before);
        (await LinkSeen(_host.As(linking.Partner), linking.Referral)).Should().BeNull();
        (await _host.As(linking.Partner).GetAsync($"/v1/referrals/{id}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await Told()).Should().NotContain(number).And.NotContain(id.ToString());
    }
}
