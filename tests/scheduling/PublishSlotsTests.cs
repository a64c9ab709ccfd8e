using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class PublishSlotsTests(Scheduling scheduling)
{
    private const string Good = """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2027-01-05T09:00:00+08:00","endsAt":"2027-01-05T09:30:00+08:00"}]}""";

    [Theory]
    [InlineData("Coordinator", HttpStatusCode.Created)]
    [InlineData("Registrar", HttpStatusCode.Created)]
    [InlineData("Head", HttpStatusCode.Created)]
    [InlineData("Machine", HttpStatusCode.Created)]
    [InlineData("Operator", HttpStatusCode.Created)]
    [InlineData("Clinician", HttpStatusCode.Forbidden)]
    [InlineData("Insurer", HttpStatusCode.Forbidden)]
    [InlineData("Regulator", HttpStatusCode.Forbidden)]
    [InlineData("Auditor", HttpStatusCode.Forbidden)]
    [InlineData("AllianceOffice", HttpStatusCode.Forbidden)]
    public async Task Only_the_desk_publishes(string role, HttpStatusCode status) =>
        (await Post(scheduling.NewInstitution().As(role), Good)).StatusCode.Should().Be(status);

    [Theory]
    [InlineData("empty body", "", 400, "")]
    [InlineData("not JSON", "}{", 400, "")]
    [InlineData("an array", "[]", 400, "")]
    [InlineData("no slots", "{}", 400, "/slots")]
    [InlineData("empty list", """{"slots":[]}""", 400, "/slots")]
    [InlineData("null in the list", """{"slots":[null]}""", 400, "/slots/0")]
    [InlineData("unknown member", """{"slots":[],"taken":0}""", 400, "/taken")]
    [InlineData("institution of somebody else", """{"institution":"X","slots":[]}""", 400, "/institution")]
    [InlineData("repeated member", """{"slots":[],"slots":[]}""", 400, "/slots")]
    [InlineData("a bed", """{"slots":[{"department":"03.03","resource":"Bed","startsAt":"2027-01-05T09:00:00+08:00","endsAt":"2027-01-05T09:30:00+08:00"}]}""", 400, "/slots/0/resource")]
    [InlineData("bad department", """{"slots":[{"department":"3.3","resource":"Slot","startsAt":"2027-01-05T09:00:00+08:00","endsAt":"2027-01-05T09:30:00+08:00"}]}""", 400, "/slots/0/department")]
    [InlineData("SQL for a department", """{"slots":[{"department":"03' or 1=1 --","resource":"Slot","startsAt":"2027-01-05T09:00:00+08:00","endsAt":"2027-01-05T09:30:00+08:00"}]}""", 400, "/slots/0/department")]
    [InlineData("no offset", """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2027-01-05T09:00:00","endsAt":"2027-01-05T09:30:00+08:00"}]}""", 400, "/slots/0/startsAt")]
    [InlineData("ends before it starts", """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2027-01-05T09:00:00+08:00","endsAt":"2027-01-05T08:30:00+08:00"}]}""", 400, "/slots/0/endsAt")]
    [InlineData("longer than a day", """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2027-01-05T09:00:00+08:00","endsAt":"2027-01-06T09:30:00+08:00"}]}""", 400, "/slots/0/endsAt")]
    [InlineData("in the past", """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2027-01-03T09:00:00+08:00","endsAt":"2027-01-03T09:30:00+08:00"}]}""", 400, "/slots/0/startsAt")]
    [InlineData("a slip in the year", """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2072-01-05T09:00:00+08:00","endsAt":"2072-01-05T09:30:00+08:00"}]}""", 400, "/slots/0/startsAt")]
    [InlineData("no capacity", """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2027-01-05T09:00:00+08:00","endsAt":"2027-01-05T09:30:00+08:00","capacity":0}]}""", 400, "/slots/0/capacity")]
    [InlineData("capacity in quotes", """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2027-01-05T09:00:00+08:00","endsAt":"2027-01-05T09:30:00+08:00","capacity":"1"}]}""", 400, "/slots/0/capacity")]
    [InlineData("capacity beyond numbers", """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2027-01-05T09:00:00+08:00","endsAt":"2027-01-05T09:30:00+08:00","capacity":1e999}]}""", 400, "/slots/0/capacity")]
    [InlineData("a name for an id", """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2027-01-05T09:00:00+08:00","endsAt":"2027-01-05T09:30:00+08:00","clinician":"沈明远"}]}""", 400, "/slots/0/clinician")]
    public async Task Bad_input_is_refused_by_pointer(string what, string body, int status, string pointer)
    {
        var answer = await Post(scheduling.NewInstitution().Registrar, body);

        ((int)answer.StatusCode).Should().Be(status, what);
        answer.Content.Headers.ContentType!.MediaType.Should().Be("application/problem+json");
        var problem = await answer.Json();
        problem.GetProperty("code").GetString().Should().Be("malformed-request");
        problem.GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("pointer").GetString()).Should().Contain(pointer, what);
    }

    [Fact]
    public async Task Without_a_token_401_and_without_a_key_400_and_in_GBK_415()
    {
        var hospital = scheduling.NewInstitution();
        (await Post(scheduling.Host.As(null), Good)).StatusCode.Should().Be(HttpStatusCode.Unauthorized);

        var noKey = await hospital.Registrar.PostAsync("/v1/slots", new StringContent(Good, Encoding.UTF8, "application/json"));
        (await noKey.Json()).GetProperty("code").GetString().Should().Be("idempotency-key-missing");

        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/slots") { Content = new StringContent(Good) };
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse("application/json; charset=gbk");
        request.Headers.Add("Idempotency-Key", "k");
        (await hospital.Registrar.SendAsync(request)).StatusCode.Should().Be(HttpStatusCode.UnsupportedMediaType);
    }

    [Fact]
    public async Task The_same_key_replays_and_another_body_under_it_is_422()
    {
        var registrar = scheduling.NewInstitution().Registrar;
        var key = Guid.NewGuid().ToString();

        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Post(registrar, Good, key)));
        var other = await Post(registrar, Good.Replace("09:30", "09:40"), key);

        answers.Should().OnlyContain(a => a.StatusCode == HttpStatusCode.Created);
        answers.Count(a => a.Headers.Contains("Idempotency-Replayed")).Should().Be(9);
        (await Task.WhenAll(answers.Select(a => a.Content.ReadAsStringAsync()))).Distinct().Should().ContainSingle();
        other.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
    }

    [Fact]
    public async Task A_clinician_is_in_one_place_at_a_time()
    {
        var registrar = scheduling.NewInstitution().Registrar;
        var body = Good.Replace("\"endsAt\"", "\"clinician\":\"dr-1\",\"endsAt\"");
        await Post(registrar, body);

        var second = await Post(registrar, body.Replace("T09:00", "T09:15"));

        second.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await second.Json()).GetProperty("code").GetString().Should().Be("slot-overlaps");
    }

    [Fact]
    public async Task Publishing_leaves_a_row_in_the_audit_that_nobody_can_change()
    {
        var hospital = scheduling.NewInstitution();
        var slot = await hospital.Slot();

        (await scheduling.Database.Query<string>("select action from audit where target = @slot::text", new { slot })).Should().Equal("slot.publish");
        await using var connection = new Npgsql.NpgsqlConnection(scheduling.Database.App);
        await connection.OpenAsync();
        foreach (var sql in new[] { "update audit set action = ''", "delete from audit", "truncate audit", "update audit_seal set ids = '{1}'", "delete from audit_seal" })
            await FluentActions.Awaiting(() => new Npgsql.NpgsqlCommand(sql, connection).ExecuteNonQueryAsync())
                .Should().ThrowAsync<Npgsql.PostgresException>(sql).Where(e => e.SqlState == Npgsql.PostgresErrorCodes.InsufficientPrivilege);
    }

    private static Task<HttpResponseMessage> Post(HttpClient client, string body, string? key = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/slots") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Add("Idempotency-Key", key ?? Guid.NewGuid().ToString());
        return client.SendAsync(request);
    }
}
