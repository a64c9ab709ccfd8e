using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Alliances.Import;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Alliances;

/// <summary>CSV in and out: every bad line is named, and only what was asked for is stored.</summary>
[Collection("referral")]
public sealed class ImportTests(ReferralHost host)
{
    private const string Header = "code,name,level,type,ownership,region,parent\n";

    private static string Line(string code, string name = "导入", string level = "VillageClinic", string region = "210681", string parent = ReferralHost.Township) =>
        $"{code},{name},{level},PrimaryCare,Public,{region},{parent}\n";

    private async Task<(HttpStatusCode Status, JsonElement Body)> Import(string csv, string store, string sheet = "institutions", string role = "Operator",
        string institution = ReferralHost.County, string type = "text/csv", string? key = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/directory/{sheet}/import?store={store}")
        {
            Content = new StringContent(csv, Encoding.UTF8) { Headers = { ContentType = System.Net.Http.Headers.MediaTypeHeaderValue.Parse(type) } },
        };
        request.Headers.Add("Idempotency-Key", key ?? Guid.NewGuid().ToString());
        var answer = await host.As(institution, role).SendAsync(request);
        return (answer.StatusCode, await answer.Json());
    }

    private async Task<bool> IsThere(string code) => (await host.Database.Query<long>("select count(*) from institution where code = @code", new { code })).Single() == 1;

    private static (int Line, string Column)[] Errors(JsonElement report) =>
        [.. report.GetProperty("errors").EnumerateArray().Select(e => (e.GetProperty("line").GetInt32(), e.GetProperty("column").GetString()!))];

    [Fact]
    public async Task Every_bad_line_is_named_by_line_column_and_reason_and_the_good_ones_are_stored_when_asked()
    {
        var (good, orphan, below) = (Codes.New(), Codes.New(), Codes.New());
        var csv = Header + Line(good, "\"两行\n名称\"") + Line("12210681DEM0001023") + Line(Codes.New(), level: "Palace") + Line(Codes.New(), region: "x")
            + Line(orphan, parent: Codes.New()) + "one,field\n" + Line(below, level: "SecondaryHospital");
        var (status, report) = await Import(csv, "Good");
        status.Should().Be(HttpStatusCode.OK, report.ToString());
        Errors(report).Should().BeEquivalentTo(new[] { (4, "code"), (5, "level"), (6, "region"), (7, "parent"), (8, ""), (9, "parent") });
        report.GetProperty("lines").GetInt32().Should().Be(7);
        report.GetProperty("badLines").GetInt32().Should().Be(6);
        report.GetProperty("changed").GetInt32().Should().Be(1);
        (await IsThere(good)).Should().BeTrue();
        (await IsThere(orphan)).Should().BeFalse();
        (await IsThere(below)).Should().BeFalse();
    }

    [Fact]
    public async Task All_or_nothing_stores_nothing_when_one_line_is_bad_and_a_trial_never_does()
    {
        var code = Codes.New();
        var (status, problem) = await Import(Header + Line(code) + Line("12210681DEM0001023"), "All");
        status.Should().Be(HttpStatusCode.UnprocessableEntity);
        problem.GetProperty("code").GetString().Should().Be("bad-lines");
        problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/3/code");
        (await IsThere(code)).Should().BeFalse();
        var (_, trial) = await Import(Header + Line(code), "Nothing");
        trial.GetProperty("stored").GetBoolean().Should().BeFalse();
        trial.GetProperty("changed").GetInt32().Should().Be(1, "it would have been new");
        (await IsThere(code)).Should().BeFalse();
        (await Import(Header + Line(code), "All")).Body.GetProperty("stored").GetBoolean().Should().BeTrue();
        (await IsThere(code)).Should().BeTrue();
    }

    [Fact]
    public async Task A_child_may_stand_above_its_parent_in_the_file()
    {
        var (township, village) = (Codes.New(), Codes.New());
        var (_, report) = await Import(Header + Line(village, parent: township) + Line(township, level: "TownshipHealthCentre", parent: ReferralHost.County), "All");
        report.GetProperty("changed").GetInt32().Should().Be(2);
    }

    [Fact]
    public async Task Columns_that_are_missing_or_unknown_are_named()
    {
        var (_, report) = await Import("code,name,level,type,ownership,colour\n", "Nothing");
        Errors(report).Should().BeEquivalentTo(new[] { (1, "region"), (1, "colour") });
    }

    [Fact]
    public async Task What_was_exported_goes_in_again_and_changes_nothing()
    {
        foreach (var sheet in new[] { "institutions", "departments", "clinicians", "alliances", "memberships", "grids", "standing-agreements", "reason-codes", "diagnoses" })
        {
            var answer = await host.As(ReferralHost.County, "Operator").GetAsync($"/v1/directory/{sheet}/export");
            answer.Content.Headers.ContentType!.MediaType.Should().Be("text/csv");
            var (status, report) = await Import(await answer.Content.ReadAsStringAsync(), "All", sheet);
            status.Should().Be(HttpStatusCode.OK, "{0}: {1}", sheet, report);
            report.GetProperty("lines").GetInt32().Should().BePositive();
            report.GetProperty("changed").GetInt32().Should().Be(0, sheet);
        }
    }

    [Fact]
    public async Task The_same_key_imports_once_and_the_numbers_of_residents_are_not_in_an_answer()
    {
        var key = Guid.NewGuid().ToString();
        var csv = $"id,patientIdNo,type,clinic,doctor,from\nct-{key[..8]},110105194902300020,TEAM_1_1_1,{ReferralHost.Township},dr-0103,2026-01-01\n";
        var (_, first) = await Import(csv, "Good", "contracts", key: key);
        Errors(first).Should().Equal((2, "patientIdNo"));
        var (_, again) = await Import(csv, "Good", "contracts", key: key);
        again.GetRawText().Should().Be(first.GetRawText()).And.NotContain("110105194902300020");
    }

    [Fact]
    public async Task An_office_loads_what_belongs_to_its_alliance_and_nothing_else()
    {
        var csv = $"institution,code,name\n{ReferralHost.Township},21,康复医学科\n{ReferralHost.Stranger},21,康复医学科\n";
        var (status, report) = await Import(csv, "Good", "departments", "AllianceOffice");
        status.Should().Be(HttpStatusCode.OK);
        Errors(report).Should().Equal((3, ""));
        (await Import(csv, "Good", "reason-codes", "AllianceOffice")).Status.Should().Be(HttpStatusCode.Forbidden);
        (await Import(csv, "Good", "departments", "Clinician")).Status.Should().Be(HttpStatusCode.Forbidden);
        (await Import(csv, "Good", "nothing")).Status.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Sandbox_and_real_institutions_share_no_alliance_no_contract_and_no_agreement_from_a_file_or_over_the_API()
    {
        var (real, rehearsing) = (Codes.New(), Codes.New());
        var made = await Import(Header.Replace("parent", "parent,synthetic") + Line(real).TrimEnd() + ",false\n" + Line(rehearsing).TrimEnd() + ",true\n", "All");
        made.Body.GetProperty("changed").GetInt32().Should().Be(2);
        var office = host.As(ReferralHost.County, "AllianceOffice");

        var (_, members) = await Import($"alliance,institution,from\nal-county,{real},2026-01-01\nal-county,{rehearsing},2026-01-01\n", "Good", "memberships");
        Errors(members).Should().Equal((2, "institution"));
        members.GetProperty("changed").GetInt32().Should().Be(1, "the sandbox one is a member now");
        await Mixed(Put(office, $"/v1/alliances/al-county/members/{real}/2026-01-01", new { }));

        var number = Residents.New();
        var (_, contracts) = await Import($"id,patientIdNo,type,clinic,district,municipal,from\nct-{real},{number},INSTITUTION_1_1_1,{ReferralHost.Township},{ReferralHost.County},{real},2026-01-01\n", "Good", "contracts");
        Errors(contracts).Should().Equal((2, "clinic"));
        await Mixed(host.As(ReferralHost.Township).Command("/v1/contracts", new
        {
            type = "INSTITUTION_1_1_1", patientIdNo = number, clinic = ReferralHost.Township, district = ReferralHost.County, municipal = real, from = "2026-01-01",
        }));
        await Mixed(Put(office, $"/v1/standing-agreements/sa-{real}", new { sender = real, receiver = ReferralHost.County, greenChannel = "*", from = "2026-01-01" }));
        (await Put(host.As(ReferralHost.Stranger, "AllianceOffice"), $"/v1/alliances/al-county/members/{real}/2026-01-01", new { })).StatusCode.Should().Be(HttpStatusCode.Forbidden);

        // what stood mixed before is ended like any other
        await host.Database.Execute("""
            alter table institution disable trigger institution_keeps_its_kind;
            update institution set synthetic = false where code = @rehearsing;
            alter table institution enable trigger institution_keeps_its_kind;
            """, new { rehearsing });
        (await Put(office, $"/v1/alliances/al-county/members/{rehearsing}/2026-01-01", new { until = "2026-06-30" }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);

        static async Task Mixed(Task<HttpResponseMessage> asked)
        {
            var answer = await asked;
            answer.StatusCode.Should().Be(HttpStatusCode.Conflict, await answer.Content.ReadAsStringAsync());
            (await answer.Json()).GetProperty("code").GetString().Should().Be("sandbox-and-real");
        }
    }

    [Fact]
    public async Task An_institution_leaves_the_sandbox_once_it_shares_nothing_and_only_when_somebody_says_so()
    {
        var house = Codes.New();
        var with = Header.Replace("parent", "parent,synthetic");
        string Said(string synthetic, string name = "导入") => with + Line(house, name).TrimEnd() + $",{synthetic}\n";
        (await Import(Said("true"), "All")).Body.GetProperty("changed").GetInt32().Should().Be(1);
        async Task<JsonElement> Stands() => await host.As(ReferralHost.County, "Operator").GetAsync("/v1/institutions/" + house).Json();
        var operates = host.As(ReferralHost.County, "Operator");
        Task<HttpResponseMessage> Puts(HttpClient by, bool? synthetic, string name = "导入") => Put(by, "/v1/institutions/" + house,
            new { name, level = "VillageClinic", type = "PrimaryCare", ownership = "Public", region = "210681", parent = ReferralHost.Township, synthetic }, "*");

        // who does not speak of it leaves it
        (await Import(Header + Line(house, "新名一"), "All")).Body.GetProperty("changed").GetInt32().Should().Be(1);
        (await Import(Said("", "新名二"), "All")).Body.GetProperty("changed").GetInt32().Should().Be(1);
        (await Puts(operates, null, "新名三")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await Stands()).GetProperty("name").GetString().Should().Be("新名三");
        (await Stands()).GetProperty("synthetic").GetBoolean().Should().BeTrue();

        var office = host.As(ReferralHost.County, "AllianceOffice");
        (await Put(office, $"/v1/alliances/al-county/members/{house}/2026-01-01", new { })).StatusCode.Should().Be(HttpStatusCode.Created);
        await Refused();
        (await Put(office, $"/v1/alliances/al-county/members/{house}/2026-01-01", new { until = "2026-01-31" }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await Put(office, $"/v1/standing-agreements/sa-{house}", new { sender = house, receiver = ReferralHost.County, greenChannel = "*", from = "2026-01-01" })).StatusCode.Should().Be(HttpStatusCode.Created);
        await Refused();
        (await Put(office, $"/v1/standing-agreements/sa-{house}", new { sender = house, receiver = ReferralHost.County, greenChannel = "*", from = "2026-01-01", until = "2026-01-31" }, "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        var contract = $"id,patientIdNo,type,clinic,district,municipal,from,until\nct-{house},{Residents.New()},INSTITUTION_1_1_1,{house},{ReferralHost.County},{ReferralHost.Tertiary},2026-01-01,";
        (await Import(contract + "\n", "All", "contracts")).Body.GetProperty("changed").GetInt32().Should().Be(1);
        await Refused();
        (await Import(contract + "2026-01-31\n", "All", "contracts")).Body.GetProperty("changed").GetInt32().Should().Be(1);

        (await Puts(host.As(ReferralHost.Township, "Head"), false)).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await Puts(operates, false)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await Stands()).GetProperty("synthetic").GetBoolean().Should().BeFalse();
        (await Import(Said("true"), "All")).Body.GetProperty("changed").GetInt32().Should().Be(1, "and back");

        async Task Refused()
        {
            var answer = await Puts(operates, false);
            answer.StatusCode.Should().Be(HttpStatusCode.Conflict, await answer.Content.ReadAsStringAsync());
            var problem = await answer.Json();
            problem.GetProperty("code").GetString().Should().Be("sandbox-and-real");
            problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/synthetic");
            Errors((await Import(Said("false"), "Good")).Body).Should().Equal((2, "synthetic"));
        }
    }

    private static Task<HttpResponseMessage> Put(HttpClient client, string path, object body, string? ifMatch = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Put, path) { Content = JsonContent.Create(body) };
        if (ifMatch is not null)
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        return client.SendAsync(request);
    }

    [Fact]
    public async Task A_file_in_another_encoding_is_refused()
    {
        (await Import(Header, "Good", type: "text/csv; charset=gbk")).Status.Should().Be(HttpStatusCode.UnsupportedMediaType);
        (await Import(Header, "Good", type: "application/json")).Status.Should().Be(HttpStatusCode.UnsupportedMediaType);
    }

    [Fact]
    public async Task The_demo_folder_goes_in_without_a_bad_line_and_a_second_time_without_a_change()
    {
        var report = await host.Services.GetRequiredService<ImportAlliance>().Run(Path.Combine(AppContext.BaseDirectory, "demo"), Store.Nothing);
        report.Bad.Should().BeEmpty();
        report.Lines.Should().BeGreaterThan(1500);
    }

    [Fact]
    public async Task Ten_thousand_lines_with_bad_ones_among_them_take_seconds()
    {
        var csv = new StringBuilder("system,version,code,textZh,group,sensitive\n");
        for (var i = 0; i < 10_000; i++)
            csv.Append($"urn:test,{host.RabbitMq.GetHashCode()},T{i:00000},测试诊断,T00,{(i % 1000 == 7 ? "maybe" : "false")}\n");
        var (_, report) = await Import(csv.ToString(), "Good", "diagnoses");
        report.GetProperty("changed").GetInt32().Should().Be(9_990);
        report.GetProperty("badLines").GetInt32().Should().Be(10);
    }
}
