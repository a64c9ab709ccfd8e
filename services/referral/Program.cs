using ReferralService;
using ReferralService.Alliances;
using ReferralService.Deadlines;
using ReferralService.Matching;
using ReferralService.Notices;
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
builder.AddBus([
    new(WhenSchedulingAnswers.Queue, SchedulingEvents.Exchange, WhenSchedulingAnswers.Hears, typeof(WhenSchedulingAnswers)),
    new(WhenCapacityChanges.Queue, SchedulingEvents.Exchange, WhenCapacityChanges.Hears, typeof(WhenCapacityChanges)),
    // without the key of the notification service nobody could be told
    .. NoticeKey.FileOf(builder.Configuration) is null ? Array.Empty<Subscription>() : [WhenPatientIsConcerned.Subscription],
]);
builder.AddReferrals();
builder.AddAudit("a.referral_id in (select r.id from referral r where r.sender = @me or r.submitted_at is not null and (r.receiver = @me or @me = any(r.tried)))");

var app = builder.Build();
if (await app.RunMigrations(args) || await app.RunRedrive(args) || await app.RunAudit(args) || await app.RunImport(args)
    || await app.RunKeys(args) || await app.RunSigningKeys(args))
    return;
app.UseServiceDefaults();
app.MapReferrals();
app.MapReports();
ExportAudit.Map(app);
app.Run();
