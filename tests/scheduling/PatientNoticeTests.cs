using System.Text;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class PatientNoticeTests(Scheduling scheduling)
{
    [Fact]
    public async Task A_booking_says_in_chinese_where_to_go_and_what_to_bring()
    {
        var hospital = scheduling.NewInstitution();
        var (_, booking) = await Booked(hospital, "门诊楼三层302诊室");

        var seen = await hospital.Booking(booking);

        seen.GetProperty("place").GetString().Should().Be("门诊楼三层302诊室");
        seen.GetProperty("bring").EnumerateArray().Select(b => b.GetString()).Should().Contain(["身份证或社保卡", "转诊单"]);
    }

    [Fact]
    public async Task What_the_institution_says_itself_comes_before_what_is_usual_and_a_department_before_all()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Registrar.Command("/v1/instructions", new { resource = "Slot", bring = new[] { "医保卡" }, place = "门诊大厅" });
        var (_, general) = await Booked(hospital);
        await hospital.Registrar.Command("/v1/instructions", new { resource = "Slot", department = "03.03", bring = new[] { "心电图" }, place = "心内科" });

        var seen = await hospital.Booking(general);

        seen.GetProperty("place").GetString().Should().Be("心内科");
        seen.GetProperty("bring").EnumerateArray().Select(b => b.GetString()).Should().Equal("心电图");
        (await hospital.Registrar.GetAsync("/v1/instructions").Json()).GetProperty("items").GetArrayLength().Should().Be(2);
    }

    [Fact]
    public async Task Where_and_what_to_bring_go_with_the_news_of_a_booking_and_of_the_next_one()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Registrar.Command("/v1/instructions", new { resource = "Slot", department = "03.03", bring = new[] { "心电图" }, place = "门诊大厅" });
        var (referral, booking) = await Booked(hospital, "门诊楼三层302诊室");
        var other = await hospital.Slot(day: 2);
        (await hospital.Registrar.Command($"/v1/bookings/{booking}/reschedule", new { reason = "PATIENT_REQUEST", slotId = other }, ifMatch: "*")).EnsureSuccessStatusCode();

        var told = (await scheduling.Said(referral)).Select(s => s.GetProperty("data")).ToArray();

        told.Select(d => d.GetProperty("place").GetString()).Should().Equal("门诊楼三层302诊室", "门诊大厅");
        told.Should().OnlyContain(d => d.GetProperty("bring")[0].GetString() == "心电图");
    }

    [Fact]
    public async Task The_calendar_file_says_when_and_where_and_names_nobody()
    {
        var (hospital, clinic) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        var (referral, booking) = await Booked(hospital, "门诊楼三层302诊室，请先到一层自助机报到取号，再到三层候诊区等候叫号；迟到请到分诊台", clinic);
        var code = (await hospital.Booking(booking)).GetProperty("appointmentCode").GetString();

        var answer = await clinic.As("Clinician").GetAsync($"/v1/bookings/{booking}/calendar");

        answer.Content.Headers.ContentType!.ToString().Should().Be("text/calendar; charset=utf-8");
        var raw = await answer.Content.ReadAsStringAsync();
        raw.Split("\r\n").Should().OnlyContain(line => Encoding.UTF8.GetByteCount(line) <= 75).And.NotContain(line => line.Contains('\n'));
        var lines = raw.Replace("\r\n ", "").Split("\r\n");
        lines.Should().Contain(["BEGIN:VCALENDAR", "VERSION:2.0", "METHOD:PUBLISH", "STATUS:CONFIRMED", "DTSTART:20270105T010000Z", "DTEND:20270105T013000Z",
            $"UID:{booking}@referral", "SUMMARY:门诊预约", "TRIGGER:-P1D", "END:VCALENDAR"]);
        lines.Single(l => l.StartsWith("DESCRIPTION:转诊", StringComparison.Ordinal)).Should().Contain(referral.No).And.Contain(code).And.Contain("\\n");
        lines.Single(l => l.StartsWith("LOCATION:", StringComparison.Ordinal)).Should().Contain("门诊楼三层302诊室").And.EndWith("迟到请到分诊台");
    }

    [Theory]
    [InlineData("一楼\n二楼", "医保卡", "/place")]
    [InlineData("一楼", "医保卡\u202e", "/bring/0")]
    public async Task What_a_patient_reads_is_one_line_and_all_of_it_is_seen(string place, string thing, string pointer)
    {
        var answer = await scheduling.NewInstitution().Registrar.Command("/v1/instructions", new { resource = "Slot", bring = new[] { thing }, place });

        ((int)answer.StatusCode).Should().Be(400);
        (await answer.Json()).GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("pointer").GetString()).Should().Equal(pointer);
    }

    [Fact]
    public async Task The_file_of_a_booking_that_fell_away_takes_the_appointment_out_of_the_calendar()
    {
        var hospital = scheduling.NewInstitution();
        var (referral, booking) = await Booked(hospital);
        await scheduling.Hears(referral.Cancelled());

        var raw = await (await hospital.Registrar.GetAsync($"/v1/bookings/{booking}/calendar")).Content.ReadAsStringAsync();

        raw.Should().Contain("METHOD:CANCEL").And.Contain("STATUS:CANCELLED").And.NotContain("预约码：");
    }

    private async Task<(AReferral, Guid)> Booked(Institution hospital, string? place = null, Institution? clinic = null)
    {
        var startsAt = Scheduling.Monday.AddDays(1).AddHours(1);
        (await hospital.Registrar.Command("/v1/slots", new
        {
            slots = new[] { new { department = "03.03", resource = "Slot", startsAt, endsAt = startsAt.AddMinutes(30), place } },
        })).EnsureSuccessStatusCode();
        var referral = A.Referral(hospital, from: clinic);
        await scheduling.Hears(referral.Accepted());
        return (referral, (await scheduling.Bookings(referral)).Single().Id);
    }
}
