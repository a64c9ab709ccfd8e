using System.Net;
using System.Net.Http.Json;
using FluentAssertions;

namespace ReferralService.Tests.Paths;

/// <summary>Who refers to whom in the random paths: members of the county's alliance, and three that are not.</summary>
internal sealed class Houses
{
    // the same houses in every run: a seed leads to the same course
    private static readonly Random Same = new(7);
    private static readonly string[] Fixed = [Alliances.Codes.New(Same), Alliances.Codes.New(Same), Alliances.Codes.New(Same)];
    private Dictionary<string, string> _departments = [];

    /// <summary>A village of the township.</summary>
    public string Village => Fixed[0];
    /// <summary>A hospital of another region, in no alliance.</summary>
    public string Far => Fixed[1];
    /// <summary>A hospital of the same region, in no alliance.</summary>
    public string Outside => Fixed[2];

    public string[] Members => [Village, ReferralHost.Township, ReferralHost.OtherTownship, ReferralHost.County];
    public string[] Senders => [.. Members, ReferralHost.Township, ReferralHost.Stranger];
    public string[] Hospitals => [ReferralHost.County, ReferralHost.Tertiary, Far];
    public string[] All => [.. Members, ReferralHost.Tertiary, ReferralHost.Tertiary, ReferralHost.County, Far, Outside, ReferralHost.Stranger];

    /// <summary>A department that can take a patient there.</summary>
    public string DepartmentOf(string house) => _departments.GetValueOrDefault(house, "02");

    public static async Task<Houses> Build(ReferralHost host)
    {
        var houses = new Houses();
        var office = host.As(ReferralHost.County, "Operator");
        await Put($"institutions/{houses.Village}", new { name = "路径村卫生室", level = "VillageClinic", type = "General", ownership = "Public", region = "210681", parent = ReferralHost.Township, synthetic = true });
        await Put($"institutions/{houses.Far}", new { name = "路径外区医院", level = "SecondaryHospital", type = "General", ownership = "Public", region = "210999", synthetic = true });
        await Put($"institutions/{houses.Outside}", new { name = "路径同区医院", level = "SecondaryHospital", type = "General", ownership = "Private", region = "210681", synthetic = true });
        foreach (var (house, department) in new[] { (houses.Village, "02"), (houses.Far, "03.03"), (houses.Outside, "03.03") })
            await Put($"institutions/{house}/departments/{department}", new { name = "科室", bookable = true });
        await Put($"alliances/al-county/members/{houses.Village}/2024-01-01", new { });
        // one reason that only a head may give
        await host.Database.Execute("update reason_code set roles = array['Head'] where list = 'RuleOverride' and code = 'CLINICAL_JUDGEMENT'; update directory_version set number = number + 1");
        houses._departments = (await host.Database.Query<(string House, string Code)>("""
            select distinct on (institution) institution, code from department where bookable order by institution, code = '03.03' desc, code
            """)).ToDictionary(d => d.House, d => d.Code);
        await Task.Delay(1500);
        return houses;

        async Task Put(string path, object body)
        {
            var answer = await office.PutAsJsonAsync("/v1/" + path, body, ServiceDefaults.Json.Lenient);
            answer.StatusCode.Should().Be(HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        }
    }
}
