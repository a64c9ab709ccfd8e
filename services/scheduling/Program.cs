using SchedulingService;
using SchedulingService.Bookings;
using SchedulingService.Capacity;
using SchedulingService.Http;
using SchedulingService.Needs;
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
builder.Services.AddSingleton<Commands>();
builder.AddAudit("a.referral_id in (select n.referral_id from need n where @me in (n.sender, n.receiver))");
builder.Services.AddSingleton<TellCapacity>();
builder.Services.AddSingleton(services => services.GetRequiredService<TellCapacity>().Round);
builder.Services.AddHostedService<Clockwork>();
builder.Services.AddSingleton(new StoredGauge("scheduling_waiting", "Referrals that wait for a place, counted up to 100000.",
    "select count(*)::float8 from (select from waiting limit 100000) w"));

var app = builder.Build();
if (await app.RunMigrations(args) || await app.RunRedrive(args) || await app.RunAudit(args))
    return;
app.UseServiceDefaults();

ExportAudit.Map(app);
var v1 = app.MapGroup("/v1").RequireAuthorization();
PublishSlots.Map(v1);
ListSlots.Map(v1);
GetCapacity.Map(v1);
OpenWard.Map(v1);
ListWards.Map(v1);
ListBookings.Map(v1);
GetBooking.Map(v1);
CancelBooking.Map(v1);
RescheduleBooking.Map(v1);
ListWaiting.Map(v1);
app.Run();
