using System.Net;
using System.Text.Json;

namespace SchedulingService.Tests;

/// <summary>The ward's desk gives a named bed by hand, under every guarantee that the line gives.</summary>
[Collection(Scheduling.Name)]
public sealed class HandBedsTests(Scheduling scheduling)
{
    private async Task<string> Bed(AReferral referral) => (await scheduling.Database.Query<string>("""
        select b.label from booking k join bed b on b.id = k.bed_id where k.referral_id = @Id and k.state = 'Booked'
        """, new { referral.Id })).SingleOrDefault() ?? "none";

    private static Task<HttpResponseMessage> Gives(HttpClient desk, AReferral referral, Guid ward, string bed, DateTimeOffset? startsAt = null) =>
        desk.Command("/v1/bookings", new { referral = referral.No, wardId = ward, bed, startsAt });

    /// <summary>A referral that wants a bed and has none, while beds are free: its booking was given back by hand.</summary>
    private async Task<AReferral> Wanting(Institution hospital, Institution? clinic = null, string resource = "Bed", params string[] eligibility)
    {
        var referral = A.Referral(hospital, from: clinic).Needs(resource, eligibility);
        await scheduling.Hears(referral.Accepted());
        var booking = (await scheduling.Bookings(referral)).Single().Id;
        (await hospital.Registrar.Command($"/v1/bookings/{booking}/cancel", new { reason = "BED_LOST" }, ifMatch: "*")).EnsureSuccessStatusCode();
        return referral;
    }

    [Fact]
    public async Task The_desk_gives_the_bed_it_names_and_the_code_and_the_news_are_those_of_any_booking()
    {
        var hospital = scheduling.NewInstitution();
        var ward = await hospital.Ward(beds: 3);
        var referral = await Wanting(hospital);

        var answer = await Gives(hospital.Registrar, referral, ward, "03");

        answer.StatusCode.Should().Be(HttpStatusCode.Created);
        (await Bed(referral)).Should().Be("03");
        var said = (await scheduling.Said(referral))[^1];
        said.GetProperty("type").GetString().Should().Be("scheduling.booked");
        said.GetProperty("data").GetProperty("codeHash").GetString().Should().NotBeNullOrEmpty();
        (await (await Gives(hospital.Registrar, referral, ward, "02")).Json()).GetProperty("code").GetString().Should().Be("already-booked");
    }

    [Fact]
    public async Task A_taken_bed_is_refused_with_those_that_are_free()
    {
        var hospital = scheduling.NewInstitution();
        var ward = await hospital.Ward(beds: 3);
        var (first, second) = (await Wanting(hospital), A.Referral(hospital).Needs("Bed"));
        (await Gives(hospital.Registrar, first, ward, "02")).EnsureSuccessStatusCode();
        await scheduling.Hears(second.Accepted());
        var third = A.Referral(hospital).Needs("Bed");
        await scheduling.Hears(third.Accepted());
        var booking = (await scheduling.Bookings(third)).Single().Id;

        var refused = await hospital.Registrar.Command($"/v1/bookings/{booking}/reschedule", new { reason = "CONDITION_CHANGED", wardId = ward, bed = "02" }, ifMatch: "*");

        refused.StatusCode.Should().Be(HttpStatusCode.Conflict);
        var problem = await refused.Json();
        problem.GetProperty("code").GetString().Should().Be("bed-taken");
        problem.GetProperty("alternatives").EnumerateArray().Select(b => b.GetProperty("bed").GetString()).Should().NotContain("02");
        (await Bed(third)).Should().Be("03");
    }

    [Fact]
    public async Task A_patient_is_moved_to_another_bed_and_whoever_waits_gets_the_old_one()
    {
        var hospital = scheduling.NewInstitution();
        var ward = await hospital.Ward(beds: 1);
        var (referral, waits) = (A.Referral(hospital).Needs("Bed"), A.Referral(hospital).Needs("Bed"));
        await scheduling.Hears(referral.Accepted());
        var other = await hospital.Ward(beds: 1);
        var booking = (await scheduling.Bookings(referral)).Single();

        var moved = await hospital.Registrar.Command($"/v1/bookings/{booking.Id}/reschedule", new { reason = "CONDITION_CHANGED", wardId = other, bed = "01" }, ifMatch: "*");
        await scheduling.Hears(waits.Accepted());

        moved.StatusCode.Should().Be(HttpStatusCode.Created);
        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "rescheduled");
        var beds = await scheduling.Database.Query<Guid>("select ward_id from booking k join bed b on b.id = k.bed_id where k.referral_id = any (@ids) and k.state = 'Booked' order by array_position(@ids, k.referral_id)",
            new { ids = new[] { referral.Id, waits.Id } });
        beds.Should().Equal(other, ward);
        var last = A.Referral(hospital).Needs("Bed");
        await scheduling.Hears(last.Accepted());
        (await scheduling.SaidTypes(last)).Should().Equal("no-capacity");
        // given back, it goes to who waits
        var live = (await scheduling.Bookings(referral)).Single(b => b.State == "Booked");
        await hospital.Registrar.Command($"/v1/bookings/{live.Id}/cancel", new { reason = "BED_LOST" }, ifMatch: "*");
        (await scheduling.SaidTypes(last)).Should().Equal("no-capacity", "booked");
    }

    [Fact]
    public async Task Of_twenty_desks_at_once_one_gives_the_bed()
    {
        var hospital = scheduling.NewInstitution();
        var ward = await hospital.Ward(beds: 20);
        var wanting = new List<AReferral>();
        for (var i = 0; i < 20; i++)
            wanting.Add(await Wanting(hospital));

        var answers = await Task.WhenAll(wanting.Select(r => Gives(hospital.Registrar, r, ward, "07")));

        answers.Count(a => a.StatusCode == HttpStatusCode.Created).Should().Be(1);
        foreach (var refused in answers.Where(a => a.StatusCode != HttpStatusCode.Created))
            (await refused.Json()).GetProperty("code").GetString().Should().Be("bed-taken");
        (await scheduling.Database.Query<int>("select count(*)::int from booking k join bed b on b.id = k.bed_id where b.ward_id = @ward and k.state = 'Booked'", new { ward })).Single().Should().Be(1);
    }

    [Fact]
    public async Task By_hand_nobody_gets_a_bed_that_the_line_would_not_give()
    {
        var (hospital, other, clinic) = (scheduling.NewInstitution(), scheduling.NewInstitution(), scheduling.NewInstitution());
        var (own, joint, elsewhere, otherDepartment) = (await hospital.Ward(), await hospital.Ward(eligibility: "RehabJointWard"), await other.Ward(), await hospital.Ward(department: "04.01"));
        var referral = await Wanting(hospital, clinic);
        foreach (var ward in new[] { joint, elsewhere, otherDepartment, Guid.NewGuid() })
            (await Gives(hospital.Registrar, referral, ward, "01")).StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await Gives(hospital.Registrar, referral, own, "99")).StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        foreach (var slip in new[] { Scheduling.Monday.AddDays(-1), Scheduling.Monday.AddYears(10) })
            (await Gives(hospital.Registrar, referral, own, "01", slip)).StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await Gives(clinic.Registrar, referral, own, "01")).StatusCode.Should().Be(HttpStatusCode.Forbidden, "the sender chooses no bed");
        (await Gives(other.Registrar, referral, own, "01")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, wardId = own, bed = "01", hold = true })).StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, wardId = own })).StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No })).StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await Bed(referral)).Should().Be("none");
        (await Gives(hospital.Registrar, referral, own, "01")).StatusCode.Should().Be(HttpStatusCode.Created);
    }
}
