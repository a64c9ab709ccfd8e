using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using FluentAssertions;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace ReferralService.Tests.Rules;

/// <summary>The national list of diagnoses is loaded as a file: as large as it is, with every bad line named.</summary>
[Collection("referral")]
public sealed class DiagnosisListTests(ReferralHost host, ITestOutputHelper output)
{
    private const int AsManyAsTheNationalList = 35_863;

    [Fact]
    public async Task A_list_as_long_as_the_national_one_is_there_in_seconds_and_again_changes_nothing()
    {
        var version = "long-" + Guid.NewGuid().ToString("n")[..8];
        var csv = new StringBuilder("system,version,code,textZh\n");
        for (var i = 0; i < AsManyAsTheNationalList; i++)
            csv.Append("icd-10-cn,").Append(version).Append(',').Append((char)('A' + i / 1500)).Append($"{i / 100 % 100:00}.{i % 100:00}x{i:00000}").Append(",合成诊断").Append(i).Append('\n');

        var watch = Stopwatch.StartNew();
        var first = await Load(csv.ToString(), "All");
        output.WriteLine($"{AsManyAsTheNationalList} lines in {watch.Elapsed.TotalSeconds:0.0} s");
        watch.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(30));
        (first.GetProperty("lines").GetInt32(), first.GetProperty("changed").GetInt32()).Should().Be((AsManyAsTheNationalList, AsManyAsTheNationalList));
        (await Load(csv.ToString(), "All")).GetProperty("changed").GetInt32().Should().Be(0);
        (await host.Database.Query<int>("select count(*)::int from diagnosis where version = @version", new { version })).Should().Equal(AsManyAsTheNationalList);
    }

    [Fact]
    public async Task Bad_lines_are_named_and_the_good_ones_are_stored_only_when_that_is_asked_for()
    {
        var version = "bad-" + Guid.NewGuid().ToString("n")[..8];
        var csv = $"system,version,code,textZh\nx,{version},Q00.000,甲\nx,{version},Q1,太短\nx,{version},,无编码\nx,{version},Q00.000,重复\nx,{version},Q00.001\n";
        var report = await Load(csv, "Good");
        report.GetProperty("badLines").GetInt32().Should().Be(4);
        report.GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("line").GetInt32()).Distinct().Order().Should().Equal(3, 4, 5, 6);
        (await host.Database.Query<string>("select code || diagnosis_group from diagnosis where version = @version", new { version })).Should().Equal("Q00.000Q00");
    }

    private async Task<JsonElement> Load(string csv, string store)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/directory/diagnoses/import?store={store}")
        {
            Content = new StringContent(csv, Encoding.UTF8) { Headers = { ContentType = new MediaTypeHeaderValue("text/csv") } },
        };
        request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        var answer = await host.As(ReferralHost.County, "Operator", "op").SendAsync(request);
        answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        return await answer.Json();
    }
}
