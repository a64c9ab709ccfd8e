using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Moves;

[Collection("referral")]
public sealed class ReturnTests(ReferralHost host)
{
    [Fact]
    public async Task One_way_back_at_a_time()
    {
        var up = await A.Treated(host);
        await up.Returned();
        await up.Look();
        await up.IsRefused("return", HttpStatusCode.Conflict, "return-under-way");
        up.Actions.Should().NotContain("return");
    }

    [Fact]
    public async Task Two_returns_at_the_same_moment_make_one_child()
    {
        var up = await A.Treated(host);
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => up.Tries("return")));
        answers.Count(a => a.StatusCode == HttpStatusCode.OK).Should().Be(1);
        answers.Where(a => a.StatusCode != HttpStatusCode.OK).Should().OnlyContain(a => a.StatusCode == HttpStatusCode.Conflict || a.StatusCode == HttpStatusCode.PreconditionFailed);
        (await host.Database.Query<int>("select count(*)::int from referral where parent_id = @Id", new { up.Id })).Single().Should().Be(1);
    }

    [Theory]
    [InlineData("decline"), InlineData("cancel"), InlineData("close")]
    public async Task When_the_way_back_fails_it_can_be_tried_again(string end)
    {
        var up = await A.Treated(host);
        var first = await up.Returned();
        await first.Does(end, end == "decline" ? new { reason = "BED_FULL" } : null);

        var view = await up.Look();
        view.GetProperty("state").GetString().Should().Be("Treated");
        view.TryGetProperty("liveReturn", out var live).Should().Be(live.ValueKind == JsonValueKind.Null);
        view.GetProperty("nextDeadline").GetProperty("timer").GetString().Should().Be("Return", "the day for the way back starts again");

        var second = await up.Returned();
        second.Id.Should().NotBe(first.Id);
        await second.Does("accept", new { department = "02" });
        await second.Does("arrive", new { identifiedBy = "Slip" });
        (await up.Look()).GetProperty("outcome").GetString().Should().Be("Returned");
    }

    [Fact]
    public async Task The_parent_takes_its_way_back_with_it_when_it_ends()
    {
        var up = await A.Treated(host);
        var down = await up.Returned();
        await up.Look();
        await up.Does("close", new { reason = "DIED" });
        var child = await down.Look();
        child.GetProperty("state").GetString().Should().Be("Closed");
        child.GetProperty("reason").GetString().Should().Be("DIED");
        (await up.Look()).TryGetProperty("liveReturn", out var live).Should().Be(live.ValueKind == JsonValueKind.Null);
    }

    [Fact]
    public async Task A_loop_closed_without_a_way_back_cancels_the_one_under_way()
    {
        var up = await A.Treated(host);
        var down = await up.Returned();
        await up.Look();
        await up.Does("complete-without-return", new { reason = "PATIENT_CHOICE" });
        (await up.Look()).GetProperty("outcome").GetString().Should().Be("NotReturned");
        (await down.Look()).GetProperty("state").GetString().Should().Be("Closed");
    }

    [Fact]
    public async Task Each_follow_up_is_due_when_the_plan_says_and_a_week_later_where_it_says_nothing()
    {
        var up = await A.Treated(host);
        var down = await up.Returned(slip => slip["plan"] = new JsonObject
        {
            ["followUps"] = new JsonArray(new JsonObject { ["dueInDays"] = 7 }, new JsonObject { ["dueInDays"] = 30 }, new JsonObject { ["dueInDays"] = 0 }, new JsonObject { ["dueInDays"] = 90 }),
        });
        await down.Does("accept", new { department = "02" });
        await down.Does("arrive", new { identifiedBy = "Slip" });
        var arrived = ChinaTime.DayOf(host.Clock.GetUtcNow());
        async Task<DateOnly> Next() => (await host.Database.Query<DateOnly>("select next_follow_up_on from referral where id = @Id", new { down.Id })).Single();
        await down.Does("follow-up");
        (await Next()).Should().Be(arrived.AddDays(30));
        await down.Does("follow-up");
        (await Next()).Should().Be(arrived.AddDays(7), "the planned day is past");
        await down.Does("follow-up");
        (await Next()).Should().Be(arrived.AddDays(90));
        // the specialist adds one that the slip does not know
        await down.Does("adjust-plan", new { text = "增加一次", followUps = 5 });
        await down.Does("follow-up");
        (await Next()).Should().Be(arrived.AddDays(7));
    }

    [Theory]
    [InlineData(31, null)]
    [InlineData(32, "/slip/extendedPrescription/0/days")]
    [InlineData(0, "/slip/extendedPrescription/0/days")]
    public async Task The_hospitals_prescription_goes_on_below_for_at_most_a_month(int days, string? pointer)
    {
        var up = await A.Treated(host);
        void Prescribed(JsonObject slip) => slip["extendedPrescription"] = new JsonArray(new JsonObject { ["drug"] = "阿司匹林肠溶片 100mg", ["dose"] = "每日1次", ["days"] = days });
        if (pointer is not null)
        {
            var problem = await up.IsRefused("return", HttpStatusCode.BadRequest, body: new { slip = A.DownwardSlip(Prescribed) });
            problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
            return;
        }
        var down = await up.Returned(Prescribed);
        var line = (await down.Look(down.Receiver)).GetProperty("slip").GetProperty("extendedPrescription")[0];
        (line.GetProperty("drug").GetString(), line.GetProperty("days").GetInt32()).Should().Be(("阿司匹林肠溶片 100mg", 31));
    }

    [Theory]
    [InlineData("plan", "followUps"), InlineData("extendedPrescription", null)]
    public async Task A_list_with_nothing_in_a_place_is_refused_where_it_is(string member, string? inside)
    {
        var up = await A.Treated(host);
        var nothing = new JsonArray((JsonNode?)null);
        var slip = A.DownwardSlip(s => s[member] = inside is null ? nothing : new JsonObject { [inside] = nothing });
        var problem = await up.IsRefused("return", HttpStatusCode.BadRequest, body: new { slip });
        problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(inside is null ? $"/slip/{member}/0" : $"/slip/{member}/{inside}/0");
    }

    [Fact]
    public async Task What_the_receiver_does_not_have_is_seen_before_and_flagged_on_the_return()
    {
        async Task<JsonElement> Gaps(string institution) => await host.As(ReferralHost.Tertiary).Command("/v1/formulary/gaps", new { institution, drugs = new[] { "阿托伐他汀钙片 20mg", "替格瑞洛片 90mg" } }).Json();
        async Task<HttpStatusCode> Has(string drug, bool available) => (await host.As(ReferralHost.OtherTownship, "Registrar").PutAsJsonAsync(
            $"/v1/institutions/{ReferralHost.OtherTownship}/formulary/{Uri.EscapeDataString(drug)}", new { available }, ServiceDefaults.Json.Lenient)).StatusCode;
        (await Gaps(ReferralHost.Stranger)).GetProperty("known").GetBoolean().Should().BeFalse("it has said nothing of its medicines");
        (await Has("阿托伐他汀钙片 20mg", true)).Should().Be(HttpStatusCode.Created);
        (await Has("替格瑞洛片 90mg", false)).Should().Be(HttpStatusCode.Created);
        (await Gaps(ReferralHost.OtherTownship)).GetProperty("missing").EnumerateArray().Select(d => d.GetString()).Should().Equal("替格瑞洛片 90mg");
        (await host.As(ReferralHost.Township, "Registrar").PutAsJsonAsync($"/v1/institutions/{ReferralHost.OtherTownship}/formulary/x", new { }, ServiceDefaults.Json.Lenient)).StatusCode.Should().Be(HttpStatusCode.Forbidden);

        foreach (var (drug, gap) in new[] { ("阿托伐他汀钙片 20mg", false), ("替格瑞洛片 90mg", true) })
        {
            var up = await A.Treated(host);
            var down = await up.Returned(slip =>
            {
                slip["to"] = new JsonObject { ["institution"] = ReferralHost.OtherTownship };
                slip["extendedPrescription"] = new JsonArray(new JsonObject { ["drug"] = drug, ["dose"] = "每日1次", ["days"] = 30 });
            });
            (await down.Look(ReferralHost.OtherTownship)).GetProperty("flags").EnumerateArray().Any(f => f.GetString() == "DRUG_GAP").Should().Be(gap);
        }
    }

    [Fact]
    public async Task A_return_that_goes_on_to_another_clinic_is_judged_by_what_that_one_has()
    {
        async Task Has(string institution, string drug, bool available) => await host.Database.Execute(
            "insert into formulary (institution, drug, available) values (@institution, @drug, @available) on conflict (institution, drug) do update set available = @available",
            new { institution, drug, available });
        const string drug = "瑞舒伐他汀钙片 10mg";
        string[] all = [ReferralHost.Township, ReferralHost.OtherTownship];
        foreach (var (from, to) in new[] { (all[0], all[1]), (all[1], all[0]) })
        {
            // the first has it, the second does not, and the other way round
            await Has(all[0], drug, true);
            await Has(all[1], drug, false);
            var up = await A.Treated(host);
            var down = await up.Returned(slip =>
            {
                slip["to"] = new JsonObject { ["institution"] = from };
                slip["extendedPrescription"] = new JsonArray(new JsonObject { ["drug"] = drug, ["dose"] = "每日1次", ["days"] = 30 });
            });
            async Task<bool> Gap(string by) => (await down.Look(by)).GetProperty("flags").EnumerateArray().Any(f => f.GetString() == "DRUG_GAP");
            (await Gap(ReferralHost.Tertiary)).Should().Be(from == all[1]);
            await down.Redirected(to, department: "02", by: ReferralHost.Tertiary);
            (await Gap(ReferralHost.Tertiary)).Should().Be(to == all[1]);
        }
    }

    [Fact]
    public async Task A_patient_who_comes_back_unannounced_closes_the_loop_too()
    {
        var up = await A.Treated(host);
        var down = await up.Returned();
        await down.Does("arrive", new { identifiedBy = "Slip" });
        (await up.Look()).GetProperty("outcome").GetString().Should().Be("Returned");
        (await up.Events())[^2..].Should().Equal("return-accepted", "completed");
    }
}
