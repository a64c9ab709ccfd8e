using System.Globalization;
using System.Text;
using Npgsql;
using SchedulingService.Http;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <summary>An appointment as a calendar file (iCalendar, RFC 5545) that staff hand to the patient. It names nobody.</summary>
internal static class GetCalendarFile
{
    private const string MediaType = "text/calendar";

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/bookings/{id:guid}/calendar", Get)
            .Describe("getCalendarFile", "Bookings", "The appointment as a calendar file (iCalendar): when, where, what to bring; for its parties.")
            .Produces<string>(StatusCodes.Status200OK, MediaType).Refuses([400, 403, 404])
            .Example(null, "\"BEGIN:VCALENDAR\\r\\nVERSION:2.0\\r\\n…END:VCALENDAR\\r\\n\"");

    private static async Task<IResult> Get(HttpContext http, Guid id, NpgsqlDataSource database, AppointmentCodes codes, TimeProvider clock)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        if (await GetBooking.Find(database, id, codes) is not { } booking || !GetBooking.IsParty(caller, booking))
            return await Roles.NoParty(database, clock, caller, "booking.calendar", id.ToString());
        if (!Roles.Staff.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        await Auditing.Write(connection, clock.GetUtcNow(), caller, "booking.calendar", denied: false, [id.ToString()]);
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"{booking.ReferralNo}.ics\"";
        http.Response.Headers.CacheControl = "private, no-store";
        return Results.Text(Write(booking, clock.GetUtcNow()), MediaType, Encoding.UTF8);
    }

    /// <summary>The file's text: CRLF at the ends, no line longer than 75 bytes.</summary>
    public static string Write(BookingDetail booking, DateTimeOffset now)
    {
        var stands = booking.State is BookingState.Held or BookingState.Booked or BookingState.Used;
        var words = new List<string> { $"转诊单号：{booking.ReferralNo}" };
        if (booking.AppointmentCode is { } code)
            words.Add($"预约码：{code}");
        if (booking.Bring.Count > 0)
            words.Add("请携带：" + string.Join("、", booking.Bring));
        string[] lines =
        [
            "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Referral//Scheduling//ZH", "CALSCALE:GREGORIAN", $"METHOD:{(stands ? "PUBLISH" : "CANCEL")}",
            "BEGIN:VEVENT", $"UID:{booking.Id}@referral", $"SEQUENCE:{booking.Version}", $"DTSTAMP:{Utc(now)}", $"DTSTART:{Utc(booking.StartsAt)}",
            // a bed has an hour of admission and no known end
            booking.Bed is null ? $"DTEND:{Utc(booking.EndsAt)}" : "DURATION:PT1H",
            $"STATUS:{(booking.State == BookingState.Held ? "TENTATIVE" : stands ? "CONFIRMED" : "CANCELLED")}",
            $"SUMMARY:{Escape(Title(booking.Resource))}", $"LOCATION:{Escape(booking.Place ?? "")}", $"DESCRIPTION:{Escape(string.Join("\n", words))}",
            "CLASS:PRIVATE",
            "BEGIN:VALARM", "ACTION:DISPLAY", $"DESCRIPTION:{Escape(Title(booking.Resource))}", "TRIGGER:-P1D", "END:VALARM",
            "END:VEVENT", "END:VCALENDAR",
        ];
        return string.Concat(lines.Select(Fold));
    }

    private static string Title(string resource) => resource switch
    {
        Resources.Bed or Resources.Ward => "住院报到",
        Resources.Equipment => "检查预约",
        Resources.Session => "远程会诊",
        Resources.Reading => "阅片预约",
        Resources.Visit => "随访预约",
        _ => "门诊预约",
    };

    private static string Utc(DateTimeOffset time) => time.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);

    private static string Escape(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(";", "\\;", StringComparison.Ordinal)
        .Replace(",", "\\,", StringComparison.Ordinal).Replace("\r", "", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    // a continued line begins with a blank, and no character is torn apart
    private static string Fold(string line)
    {
        var text = new StringBuilder();
        var bytes = 0;
        foreach (var rune in line.EnumerateRunes())
        {
            if (bytes + rune.Utf8SequenceLength > 75)
            {
                text.Append("\r\n ");
                bytes = 1;
            }
            text.Append(rune);
            bytes += rune.Utf8SequenceLength;
        }
        return text.Append("\r\n").ToString();
    }
}
