using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Alliances;
using ReferralService.Referrals;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Alliances;

/// <summary>Sets of diagnoses and specialties are entries with days: added, withdrawn, listed, and used at once.</summary>
[Collection("referral")]
public sealed class DiagnosisSheetTests(ReferralHost host)
{
    private HttpClient Operator => host.As(ReferralHost.County, "Operator");
    private DateOnly Today => ChinaTime.DayOf(host.Clock.GetUtcNow());
    private AllianceSnapshot Alliance => host.Services.GetRequiredService<AllianceDirectory>().Current;

    private static Task<HttpResponseMessage> Put(HttpClient client, string path, object body, string? ifMatch = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Put, path) { Content = JsonContent.Create(body, options: ServiceDefaults.Json.Lenient) };
        if (ifMatch is not null)
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        return client.SendAsync(request);
    }

    private static async Task<string> Pointer(HttpResponseMessage answer) => (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString()!;

    [Fact]
    public async Task What_was_written_before_an_illness_became_sensitive_becomes_so_with_what_followed_and_stays_so()
    {
        var marking = host.Services.GetRequiredService<MarkSensitive>();
        Task<A> Of(string code) => A.Submitted(host, slip => slip["diagnosis"] = new System.Text.Json.Nodes.JsonObject { ["code"] = code });
        async Task<bool> IsSensitive(A referral) => (await host.Database.Query<bool>("select sensitive from referral where id = @Id", new { referral.Id })).Single();
        var (before, other) = (await Of("Q81.900"), await Of("Q82.900"));
        await before.Does("accept");
        await before.Does("arrive");
        await before.Does("complete-treatment");
        var child = await before.Returned();
        (await IsSensitive(before)).Should().BeFalse();
        (await before.Look()).TryGetProperty("slip", out _).Should().BeTrue();

        (await Put(Operator, $"/v1/diagnosis-sets/Sensitive/Q81/{Today:yyyy-MM-dd}", new { })).StatusCode.Should().Be(HttpStatusCode.Created);
        // nobody is asked to mark: the service does it when its directory changed
        await Eventually.Is(() => IsSensitive(before), "the old referral is marked", seconds: 30);
        await Eventually.Is(() => IsSensitive(child), "and what followed from it", seconds: 30);
        (await IsSensitive(other)).Should().BeFalse();
        (await host.As(ReferralHost.Tertiary).GetAsync($"/v1/referrals/{before.Id}").Json()).TryGetProperty("slip", out _).Should().BeFalse("it is shown with a purpose and a reason now");
        // a move that had read the row before does not take the mark away
        await host.Database.Execute("update referral set sensitive = false where id = @Id", new { before.Id });
        (await IsSensitive(before)).Should().BeTrue();
        // and a second pass finds nothing to do
        await Eventually.Is(async () => await marking.Pass() == 0, "everything is marked", seconds: 30);
    }

    [Theory]
    [InlineData("A18.0†", true)]
    [InlineData("M01.1*", false)]
    public async Task A_code_of_a_pair_keeps_its_dagger_or_asterisk_and_belongs_where_it_did(string code, bool sensitive)
    {
        var referral = await A.Submitted(host, slip => slip["diagnosis"] = new System.Text.Json.Nodes.JsonObject { ["code"] = code });
        var stored = (await host.Database.Query<(string Code, bool Sensitive)>("select diagnosis_code, sensitive from referral where id = @Id", new { referral.Id })).Single();
        stored.Should().Be((code, sensitive), "tuberculosis of a joint is told by its first code");
        await referral.IsRefusedToAStranger("accept");
    }

    [Fact]
    public async Task What_a_pass_that_died_or_an_earlier_version_left_open_is_marked_by_the_next_pass()
    {
        var marking = host.Services.GetRequiredService<MarkSensitive>();
        async Task<bool> IsSensitive(A referral) => (await host.Database.Query<bool>("select sensitive from referral where id = @Id", new { referral.Id })).Single();
        async Task<A> Written(string change, A? parent = null)
        {
            var referral = await A.Submitted(host);
            await host.Database.Execute($"update referral set {change} where id = @Id", new { referral.Id, parent = parent?.Id });
            return referral;
        }
        // the grandchild is the older row: whatever comes first, all of it is met
        var grandchild = await Written("sensitive = false");
        var parent = await Written("sensitive = true");
        var child = await Written("parent_id = @parent", parent);
        await host.Database.Execute("update referral set parent_id = @child where id = @Id", new { grandchild.Id, child = child.Id });
        var (other, stranger) = (await Written("department = '03.03'"), await A.Submitted(host));
        await host.Database.Execute("update referral set parent_id = @parent where id = @Id", new { stranger.Id, parent = other.Id });
        A[] telling = [await Written("department = '15'"), await Written("department = '16.01'"), await Written("department = '17'"), await Written("department = '24'"), await Written("patient_class = 'Palliative'")];

        await Eventually.Is(async () => await marking.Pass() is not null, "a pass was made", seconds: 60);
        foreach (var referral in telling.Concat([parent, child, grandchild]))
            (await IsSensitive(referral)).Should().BeTrue();
        (await IsSensitive(other)).Should().BeFalse();
        (await IsSensitive(stranger)).Should().BeFalse();
        await Eventually.Is(async () => await marking.Pass() == 0, "everything is marked", seconds: 60);
    }

    [Fact]
    public async Task A_range_belongs_to_its_set_from_its_day_and_is_withdrawn_with_a_day()
    {
        var path = $"/v1/diagnosis-sets/RehabJointWard/Q77/{Today:yyyy-MM-dd}";
        var added = await Put(Operator, path, new { });
        added.StatusCode.Should().Be(HttpStatusCode.Created, await added.Content.ReadAsStringAsync());
        Alliance.Rules.InSet("RehabJointWard", "Q77.400", Today).Should().BeTrue();
        Alliance.Rules.InSet("RehabJointWard", "Q77.400", Today.AddDays(-1)).Should().BeFalse();

        (await Put(Operator, path, new { until = Today })).StatusCode.Should().Be(HttpStatusCode.PreconditionRequired);
        (await Put(Operator, path, new { until = Today }, "\"7\"")).StatusCode.Should().Be(HttpStatusCode.PreconditionFailed);
        (await Put(Operator, path, new { until = Today }, added.Headers.ETag!.ToString())).StatusCode.Should().Be(HttpStatusCode.OK);
        Alliance.Rules.InSet("RehabJointWard", "Q77.400", Today).Should().BeTrue();
        Alliance.Rules.InSet("RehabJointWard", "Q77.400", Today.AddDays(1)).Should().BeFalse();
        (await Put(Operator, path, new { until = Today })).StatusCode.Should().Be(HttpStatusCode.OK, "the same again changes nothing");
    }

    [Fact]
    public async Task A_sensitive_range_masks_what_is_written_from_then_on()
    {
        Alliance.IsSensitive("Q78.100", Today).Should().BeFalse();
        (await Put(Operator, $"/v1/diagnosis-sets/Sensitive/Q78/{Today:yyyy-MM-dd}", new { })).StatusCode.Should().Be(HttpStatusCode.Created);
        var referral = await A.Submitted(host, slip => slip["diagnosis"] = new System.Text.Json.Nodes.JsonObject { ["code"] = "Q78.100" });
        (await referral.Look()).GetProperty("sensitive").GetBoolean().Should().BeTrue();
    }

    [Fact]
    public async Task A_specialty_decides_where_matching_looks()
    {
        (await Put(Operator, $"/v1/specialties/Q79.6/50.01/{Today:yyyy-MM-dd}", new { })).StatusCode.Should().Be(HttpStatusCode.Created);
        Alliance.Rules.DepartmentsFor("Q79.600", Today).Should().Equal("50.01");
        var listed = await Operator.GetAsync("/v1/specialties?department=50.01").Json();
        listed.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("codes").GetString()).Should().Contain("Q79.6");
    }

    [Fact]
    public async Task One_range_is_in_a_set_once_at_a_time_and_bad_input_is_named()
    {
        (await Put(Operator, $"/v1/diagnosis-sets/RehabJointWard/I61/{Today:yyyy-MM-dd}", new { })).StatusCode.Should().Be(HttpStatusCode.Conflict);
        foreach (var (path, body, pointer) in new (string, object, string)[]
        {
            ("/v1/diagnosis-sets/RehabJointWard/I99-A00/2026-01-01", new { }, "/codes"), ("/v1/diagnosis-sets/RehabJointWard/I88/someday", new { }, "/from"),
            ("/v1/diagnosis-sets/RehabJointWard/I88/2026-01-02", new { until = "2026-01-01" }, "/until"), ("/v1/specialties/I88/29/2026-01-01", new { }, "/department"),
        })
        {
            var answer = await Put(Operator, path, body);
            answer.StatusCode.Should().Be(HttpStatusCode.BadRequest, path);
            (await Pointer(answer)).Should().Be(pointer);
        }
        // what is masked is not an alliance's to decide
        (await Put(host.As(ReferralHost.County, "AllianceOffice"), $"/v1/diagnosis-sets/Sensitive/Q80/{Today:yyyy-MM-dd}", new { })).StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task They_go_out_and_in_as_files()
    {
        var csv = await Operator.GetStringAsync("/v1/directory/diagnosis-sets/export");
        csv.Should().StartWith("name,codes,from,until").And.Contain("RehabJointWard,I61,2000-01-01,");
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/directory/diagnosis-sets/import?store=All") { Content = new StringContent(csv, System.Text.Encoding.UTF8, "text/csv") };
        request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        var answer = await (await Operator.SendAsync(request)).Json();
        (answer.GetProperty("badLines").GetInt32(), answer.GetProperty("changed").GetInt32()).Should().Be((0, 0), "nothing of it is new");
    }

    [Fact]
    public async Task Contracts_go_out_with_masked_numbers_to_their_clinic_and_its_office_and_nobody_else()
    {
        var idNo = Residents.New();
        var id = await Residents.Signed(host, Residents.Team(idNo));
        var csv = await host.As(ReferralHost.Township).GetStringAsync("/v1/contracts/export");
        csv.Should().StartWith("id,patientIdType,patientIdNo,type,clinic").And.Contain(id).And.Contain(idNo[..6] + "********").And.NotContain(idNo);
        (await host.As(ReferralHost.County, "AllianceOffice").GetStringAsync($"/v1/contracts/export?clinic={ReferralHost.Township}")).Should().Contain(id);
        foreach (var (who, status) in new[]
        {
            (host.As(ReferralHost.Tertiary), HttpStatusCode.NotFound), (host.As(ReferralHost.Stranger, "AllianceOffice"), HttpStatusCode.NotFound),
            (host.As(ReferralHost.County, "Operator"), HttpStatusCode.Forbidden),
        })
            (await who.GetAsync($"/v1/contracts/export?clinic={ReferralHost.Township}")).StatusCode.Should().Be(status);
        (await host.Database.Query<int>("select count(*)::int from audit where action = 'export-contracts' and verdict = 'allowed' and target = @Township", new { ReferralHost.Township })).Single().Should().BeGreaterThanOrEqualTo(2);
    }
}
