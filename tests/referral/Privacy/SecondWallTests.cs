using System.Net;
using System.Text.Json.Nodes;
using Dapper;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using ReferralService.Referrals;
using ReferralService.Referrals.Reading;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Privacy;

/// <summary>The first wall is the code that asks who is a party. Here it is taken away: PostgreSQL still shows nobody what is not theirs.</summary>
[Collection("referral")]
public sealed class SecondWallTests(ReferralHost host)
{
    private static Caller As(string institution, Role role = Role.Clinician, string? onBehalfOf = null, string subject = "dr-test") =>
        new(subject, institution, role, null, "TREATMENT", onBehalfOf);

    private Wall Wall => host.Services.GetRequiredService<Wall>();

    [Theory]
    [InlineData("select id from referral")]
    [InlineData("select referral_id from slip")]
    [InlineData("select referral_id from history")]
    [InlineData("select referral_id from attachment")]
    [InlineData("select r.id from patient p, referral r")]
    [InlineData("select id from patient")]
    [InlineData("select id from patient where wrapped_key is not null")]
    [InlineData("select id from referral where true or sender = 'anybody'")]
    public async Task A_query_without_its_condition_shows_a_stranger_nothing(string sql)
    {
        var referral = await A.Submitted(host);
        await host.Database.Execute("""
            insert into attachment (id, referral_id, institution, subject, media_type, size, sha256, scan, content, created_at)
            values (gen_random_uuid(), @Id, @Township, 'dr-test', 'application/pdf', 1, 'x', 'NotScanned', 'x', now())
            """, new { referral.Id, ReferralHost.Township });
        (await Wall.Query<Guid>(As(ReferralHost.Township), sql)).Should().NotBeEmpty("the same query shows its sender something");
        (await Wall.Query<Guid>(As(ReferralHost.Stranger), sql)).Should().BeEmpty();
        (await Wall.Query<Guid>(As("' or true --"), sql)).Should().BeEmpty();
        (await Wall.Query<Guid>(As(""), sql)).Should().BeEmpty();
    }

    [Fact]
    public async Task What_the_pages_read_by_id_is_not_there_for_a_stranger_either()
    {
        var referral = await A.Submitted(host);
        var row = (await host.Database.Query<Referral>($"select {ReferralColumns.Names} from referral where id = @Id", new { referral.Id })).Single();
        (await Wall.Query<Referral>(As(ReferralHost.Stranger), GetReferral.ById, new { id = referral.Id })).Should().BeEmpty();
        (await Wall.Query<Referral>(As(ReferralHost.Stranger), GetReferral.ByNumber, new { number = referral.No })).Should().BeEmpty();
        var slips = host.Services.GetRequiredService<SlipReader>();
        (await slips.Read(row, As(ReferralHost.Stranger), host.Clock.GetUtcNow())).Should().Be((null, null));
        var (slip, patient) = await slips.Read(row, As(ReferralHost.Tertiary), host.Clock.GetUtcNow());
        slip.Should().NotBeNull();
        patient.Should().NotBeNull("the same call shows the receiver both");
    }

    [Fact]
    public async Task Both_walls_say_the_same_of_everybody_and_every_referral()
    {
        await A.Submitted(host);
        await A.Submitted(host, slip => slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" }, ReferralHost.County, ReferralHost.OtherTownship);
        await (await A.Submitted(host)).Redirected(ReferralHost.County);
        await A.Drafted(host);
        await host.Database.Execute("update referral set origin = @village where id = @Id", new { village = "12210681DEM9999991", (await A.Drafted(host)).Id });
        await host.Database.Execute("update referral set state = 'InternalReview', receiver = @Stranger, tried = array[@Stranger] where id = @Id", new { ReferralHost.Stranger, (await A.Drafted(host)).Id });
        await host.Database.Execute("update referral set state = 'InternalReview', flags = '{OUT_OF_REGION}' where id = @Id", new { (await A.Drafted(host)).Id });
        await host.Database.Execute("update referral set family_clinic = @OtherTownship, family_doctor = 'dr-family' where id = @Id", new { ReferralHost.OtherTownship, (await A.Submitted(host)).Id });
        await host.Database.Execute("update referral set family_clinic = @OtherTownship, family_doctor = 'dr-family' where id = @Id", new { ReferralHost.OtherTownship, (await A.Drafted(host)).Id });

        var rows = await host.Database.Query<Referral>($"select {ReferralColumns.Names} from referral");
        var access = host.Services.GetRequiredService<Access>();
        var seen = 0;
        foreach (var institution in new[] { ReferralHost.Township, ReferralHost.OtherTownship, ReferralHost.County, ReferralHost.Tertiary, ReferralHost.Stranger, "12210681DEM9999991" })
            foreach (var role in new[] { Role.Clinician, Role.Head, Role.Machine, Role.AllianceOffice })
                foreach (var onBehalfOf in new[] { null, ReferralHost.Township, ReferralHost.Tertiary })
                    foreach (var subject in new[] { "dr-test", "dr-family" })
                    {
                        var caller = As(institution, role, onBehalfOf, subject);
                        var shown = await Wall.Query<Guid>(caller, "select id from referral");
                        shown.Should().BeEquivalentTo(rows.Where(r => access.IsParty(caller, r)).Select(r => r.Id), "{0}", caller);
                        seen += shown.Count;
                    }
        seen.Should().BeGreaterThan(0);
        (await Wall.Query<Guid>(As(ReferralHost.Tertiary, Role.Head), "select id from referral where state = 'InternalReview' and sender <> @Tertiary", new { ReferralHost.Tertiary })).Concat(
            await Wall.Query<Guid>(As(ReferralHost.County, Role.Head), "select id from referral where state = 'InternalReview' and sender <> @County", new { ReferralHost.County }))
            .Should().NotBeEmpty("the lead hospital signs, or this test did not reach that arm");
    }

    [Fact]
    public async Task What_was_set_for_one_caller_does_not_leak_to_the_next_borrower_of_the_connection()
    {
        await A.Submitted(host);
        await using var one = NpgsqlDataSource.Create(host.Database.App + ";Maximum Pool Size=1;No Reset On Close=true");
        var wall = new Wall(one, host.Clock);
        const string Who = "select current_user::text || ' ' || coalesce(nullif(current_setting('referral.institution', true), ''), 'nobody')";
        (await wall.Query<string>(As(ReferralHost.Township), Who)).Should().Equal("referral_reader " + ReferralHost.Township);
        await using var next = await one.OpenConnectionAsync();
        (await next.QuerySingleAsync<string>(Who)).Should().Be("referral_app nobody");
        await next.CloseAsync();
        // also after a query that failed half-way
        var broken = () => wall.Query<int>(As(ReferralHost.Township), "select 1 / 0");
        await broken.Should().ThrowAsync<PostgresException>();
        await next.OpenAsync();
        (await next.QuerySingleAsync<string>(Who)).Should().Be("referral_app nobody");
    }

    [Fact]
    public async Task Callers_at_the_same_time_never_see_through_each_others_eyes()
    {
        await A.Submitted(host);
        await Task.WhenAll(Enumerable.Range(0, 200).Select(async i =>
        {
            var me = i % 2 == 0 ? ReferralHost.Township : ReferralHost.Stranger;
            (await Wall.Query<string>(As(me), "select distinct current_setting('referral.institution') from generate_series(1, 50)")).Should().Equal(me);
            (await Wall.Query<long>(As(me), "select count(*) from referral")).Single().Should().Match(n => me == ReferralHost.Stranger ? n == 0 : n > 0);
        }));
    }

    [Theory]
    [InlineData("select count(*) from referral")]
    [InlineData("select count(*) from patient")]
    [InlineData("select count(*) from attachment")]
    public async Task The_reading_role_alone_sees_nothing(string sql)
    {
        await A.Submitted(host);
        await using var connection = await Reader();
        (await connection.ExecuteScalarAsync<long>(sql)).Should().Be(0);
    }

    [Theory]
    [InlineData("update referral set receiver = 'x'")]
    [InlineData("delete from slip")]
    [InlineData("select count(*) from audit")]
    [InlineData("select count(*) from idempotency_key")]
    [InlineData("select count(*) from contract")]
    [InlineData("select count(*) from opening")]
    [InlineData("insert into slip select referral_id, 9, content, written_by, written_at from slip")]
    public async Task The_reading_role_writes_nothing_and_reads_nothing_else(string sql)
    {
        await using var connection = await Reader();
        var change = async () => await connection.ExecuteAsync(sql);
        (await change.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be(PostgresErrorCodes.InsufficientPrivilege);
    }

    private async Task<NpgsqlConnection> Reader()
    {
        var connection = new NpgsqlConnection(host.Database.App);
        await connection.OpenAsync();
        await connection.ExecuteAsync("set role referral_reader");
        return connection;
    }

    [Fact]
    public async Task The_audit_names_the_referral_that_a_stranger_was_not_shown()
    {
        var referral = await A.Submitted(host);
        (await host.As(ReferralHost.Stranger).GetAsync($"/v1/referrals/{referral.No}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await host.Database.Query<string>("select institution || ' ' || action from audit where referral_id = @Id and verdict = 'denied'", new { referral.Id }))
            .Should().Equal(ReferralHost.Stranger + " read");
    }

    [Fact]
    public async Task Moves_timers_and_figures_see_every_row()
    {
        var referral = await A.Submitted(host);
        await referral.Does("claim");
        await referral.Does("accept");
        await using var app = new NpgsqlConnection(host.Database.App);
        foreach (var table in new[] { "referral", "patient", "slip", "history", "attachment" })
            (await app.ExecuteScalarAsync<long>($"select count(*) from {table}")).Should()
                .Be((await host.Database.Query<long>($"select count(*) from {table}")).Single(), "the service's own role decides over all of {0}", table);
    }
}
