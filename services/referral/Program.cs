using ReferralService;
using ReferralService.Alliances;
using ReferralService.Deadlines;
using ReferralService.Patients;
using ReferralService.Referrals;
using ReferralService.Referrals.Booking;
using ReferralService.Workflow;
using Referrals.Contracts;
using ServiceDefaults;
using ServiceDefaults.Auditing;
using ServiceDefaults.Messaging;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults(new("referral", "Referral", "Two-way referrals of a medical alliance: up to the hospital, and back.", Refusals.All)
{
    Sections = ReferralRoutes.Sections,
});
builder.AddBus(new Subscription(WhenSchedulingAnswers.Queue, SchedulingEvents.Exchange, WhenSchedulingAnswers.Hears, typeof(WhenSchedulingAnswers)));
builder.AddReferrals();
builder.AddAudit("a.referral_id in (select r.id from referral r where r.sender = @me or r.submitted_at is not null and (r.receiver = @me or @me = any(r.tried)))");

var app = builder.Build();
if (await app.RunMigrations(args) || await app.RunRedrive(args) || await app.RunAudit(args) || await app.RunImport(args) || await app.RunKeys(args))
    return;
app.UseServiceDefaults();
app.MapReferrals();
ExportAudit.Map(app);
app.Run();
