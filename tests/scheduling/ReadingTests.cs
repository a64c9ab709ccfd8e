using System.Net;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class ReadingTests(Scheduling scheduling)
{
    [Theory]
    [InlineData("/v1/slots?limit=0", "limit")]
    [InlineData("/v1/slots?limit=abc", "limit")]
    [InlineData("/v1/slots?from=2027-01-05", "from")]
    [InlineData("/v1/slots?free=yes", "free")]
    [InlineData("/v1/slots?cursor=abc", "cursor")]
    [InlineData("/v1/slots?department=03'%20or%201=1", "department")]
    [InlineData("/v1/slots?institution=%00", "institution")]
    [InlineData("/v1/wards?institution=%27", "institution")]
    [InlineData("/v1/wards?cursor=!", "cursor")]
    [InlineData("/v1/waiting-list?as=anybody", "as")]
    [InlineData("/v1/waiting-list?cursor=AAAA", "cursor")]
    [InlineData("/v1/bookings", "referral")]
    [InlineData("/v1/bookings?referral=%25", "referral")]
    [InlineData("/v1/slots?from=2027-01-05T00:00:00Z&to=2027-01-04T00:00:00Z", "to")]
    [InlineData("/v1/slots?to=2027-01-03T00:00:00Z", "to")]
    [InlineData("/v1/capacity?from=01.02.2027", "from")]
    [InlineData("/v1/capacity?from=2027-01-05&to=2027-01-04", "to")]
    [InlineData("/v1/capacity?from=2027-01-05&to=2028-01-04", "to")]
    [InlineData("/v1/capacity?by=month", "by")]
    [InlineData("/v1/capacity?by=", "by")]
    [InlineData("/v1/capacity?by=week'%20or%201=1", "by")]
    [InlineData("/v1/capacity?by=week&resource=Beds", "resource")]
    [InlineData("/v1/capacity?by=week&department=%25", "department")]
    [InlineData("/v1/capacity?by=week&institution=%E5%8C%BB%E9%99%A2", "institution")]
    [InlineData("/v1/capacity?by=week&from=2027-01-32", "from")]
    public async Task Bad_parameters_are_refused_by_name(string path, string name)
    {
        var answer = await scheduling.NewInstitution().Registrar.GetAsync(path);

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await answer.Json()).GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("pointer").GetString()).Should().Contain(name);
    }

    [Theory]
    [InlineData("/v1/slots")]
    [InlineData("/v1/wards")]
    [InlineData("/v1/waiting-list")]
    [InlineData("/v1/capacity")]
    public async Task An_unchanged_list_is_304(string path)
    {
        var registrar = scheduling.NewInstitution().Registrar;
        var etag = (await registrar.GetAsync(path)).Headers.ETag!;
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.IfNoneMatch.Add(etag);

        (await registrar.SendAsync(request)).StatusCode.Should().Be(HttpStatusCode.NotModified);
    }

    [Fact]
    public async Task Pages_of_slots_repeat_nothing_and_leave_nothing_out()
    {
        var hospital = scheduling.NewInstitution();
        for (var n = 0; n < 7; n++)
            await hospital.Slot(day: 1 + n % 3);

        var seen = new List<Guid>();
        var path = "/v1/slots?limit=3&department=03.03";
        while (path is not null)
        {
            var answer = await hospital.Registrar.GetAsync(path);
            seen.AddRange((await answer.Json()).GetProperty("items").EnumerateArray().Select(i => i.GetProperty("id").GetGuid()));
            path = answer.Headers.TryGetValues("Link", out var link) ? link.Single().Split('<', '>')[1] : null;
        }

        seen.Should().HaveCount(7).And.OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task A_cursor_of_one_list_does_not_open_another()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(day: 1);
        await hospital.Slot(day: 2);
        var cursor = (await hospital.Registrar.GetAsync("/v1/slots?limit=1").Json()).GetProperty("nextCursor").GetString();

        (await hospital.Registrar.GetAsync($"/v1/slots?limit=1&cursor={cursor}")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await hospital.Registrar.GetAsync($"/v1/slots?limit=1&free=true&cursor={cursor}")).StatusCode.Should().Be(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Capacity_counts_free_places_by_day_in_China_and_free_beds()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(day: 1, hour: 1, capacity: 3);
        // 17:00 UTC is the next day in Shanghai
        await hospital.Slot(day: 1, hour: 17);
        await hospital.Ward(beds: 4);
        var (slot, bed) = (A.Referral(hospital), A.Referral(hospital).Needs("Bed"));
        await scheduling.Hears(slot.Accepted(), bed.Accepted());

        var capacity = await scheduling.NewInstitution().As("Clinician").GetAsync($"/v1/capacity?institution={hospital.Code}").Json();

        capacity.GetProperty("days").EnumerateArray().Select(d => (d.GetProperty("on").GetString(), d.GetProperty("free").GetInt32(), d.GetProperty("capacity").GetInt32()))
            .Should().Equal(("2027-01-05", 2, 3), ("2027-01-06", 1, 1));
        var beds = capacity.GetProperty("beds")[0];
        (beds.GetProperty("free").GetInt32(), beds.GetProperty("beds").GetInt32()).Should().Be((3, 4));
    }

    [Fact]
    public async Task Wards_show_how_full_they_are()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Ward(beds: 3);
        var (lies, comes) = (A.Referral(hospital).Needs("Bed"), A.Referral(hospital).Needs("Bed"));
        await scheduling.Hears(lies.Accepted(), lies.Arrived(), comes.Accepted());

        var ward = (await hospital.Registrar.GetAsync("/v1/wards").Json()).GetProperty("items")[0];

        (ward.GetProperty("beds").GetInt32(), ward.GetProperty("free").GetInt32(), ward.GetProperty("occupied").GetInt32()).Should().Be((3, 1, 1));
    }

    [Theory]
    [InlineData("no name", """{"department":"21","beds":[]}""", "/name")]
    [InlineData("no beds", """{"name":"一病区","department":"21"}""", "/beds")]
    [InlineData("a label twice", """{"name":"一病区","department":"21","beds":["1","1"]}""", "/beds")]
    [InlineData("a name that another one looks like", """{"name":"一病区\u200b","department":"21","beds":[]}""", "/name")]
    [InlineData("a label that another one looks like", """{"name":"一病区","department":"21","beds":["1","1 "]}""", "/beds/1")]
    [InlineData("a label that turns its neighbours round", """{"name":"一病区","department":"21","beds":["\u202e01"]}""", "/beds/0")]
    [InlineData("a blank label", """{"name":"一病区","department":"21","beds":[" "]}""", "/beds/0")]
    [InlineData("bad department", """{"name":"一病区","department":"康复","beds":[]}""", "/department")]
    [InlineData("an unknown member", """{"name":"一病区","department":"21","beds":[],"institution":"X"}""", "/institution")]
    public async Task Bad_wards_are_refused_by_pointer(string what, string body, string pointer)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/wards") { Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json") };
        request.Headers.Add("Idempotency-Key", "k");

        var answer = await scheduling.NewInstitution().Registrar.SendAsync(request);

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest, what);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
    }

    [Fact]
    public async Task A_second_ward_of_the_same_name_is_409()
    {
        var registrar = scheduling.NewInstitution().Registrar;
        var ward = new { name = "一病区", department = "21", beds = new[] { "1" } };
        await registrar.Command("/v1/wards", ward);

        (await registrar.Command("/v1/wards", ward)).StatusCode.Should().Be(HttpStatusCode.Conflict);
    }
}
