using SchedulingService;
using SchedulingService.Bookings;
using SchedulingService.Capacity;
using SchedulingService.Http;
using SchedulingService.Needs;
using SchedulingService.Pools;
using SchedulingService.Sessions;
using SchedulingService.Slots;
using SchedulingService.Timers;
using SchedulingService.Waiting;
using SchedulingService.Wards;
using ServiceDefaults;
using ServiceDefaults.Auditing;
using ServiceDefaults.Messaging;
using ServiceDefaults.Telemetry;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults(new("scheduling", "Scheduling",
    "Slots, beds, bookings, waiting lists and appointment codes of a medical alliance. No patient's name is known here: a booking belongs to a referral.",
    SchedulingProblems.All));
builder.AddBus(WhenReferralMoved.Subscription);
builder.Services.AddSingleton<AppointmentCodes>();
builder.Services.AddSingleton<Changes>();
builder.Services.AddSingleton<News>();
builder.Services.AddSingleton<Commands>();
builder.Services.AddRound<TellCapacity>(r => r.Round).AddRound<SessionSlots>(r => r.Round).AddRound<MoveHolders>(r => r.Round)
    .AddRound<BookingClock>(r => r.Round).AddRound<OpenPools>(r => r.Round).AddRound<AgeWaiting>(r => r.Round).AddRound<ServePassedOver>(r => r.Round)
    .AddRound<Retention>(r => r.Round);
builder.AddAudit("a.referral_id in (select n.referral_id from need n where @me in (n.sender, n.receiver))");
builder.Services.AddHostedService<Clockwork>();
builder.Services.AddSingleton(new StoredGauge("scheduling_waiting", "Referrals that wait for a place, counted up to 100000.",
    "select count(*)::float8 from (select from waiting limit 100000) w"));

var app = builder.Build();
if (await app.RunMigrations(args) || await app.RunRedrive(args) || await app.RunAudit(args))
    return;
app.UseServiceDefaults();

ExportAudit.Map(app);
var v1 = app.MapGroup("/v1").RequireAuthorization();
OpenSession.Map(v1);
ChangeSession.Map(v1);
ListSessions.Map(v1);
KeepCalendar.Map(v1);
PublishSlots.Map(v1);
ChangeSlot.Map(v1);
ListSlots.Map(v1);
GetCapacity.Map(v1);
OpenWard.Map(v1);
ChangeBeds.Map(v1);
BindWard.Map(v1);
GetWard.Map(v1);
MakeRounds.Map(v1);
GetOccupancy.Map(v1);
ListWards.Map(v1);
BookPlace.Map(v1);
CheckIn.Map(v1);
ListBookings.Map(v1);
GetBooking.Map(v1);
GetCalendarFile.Map(v1);
Instructions.Map(v1);
CancelBooking.Map(v1);
RescheduleBooking.Map(v1);
KeepQuota.Map(v1);
ListPools.Map(v1);
ListWaiting.Map(v1);
ListCandidates.Map(v1);
ListSlotIssues.Map(v1);
app.Run();
