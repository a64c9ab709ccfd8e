using NotificationService;
using ServiceDefaults;
using ServiceDefaults.Auditing;
using ServiceDefaults.Messaging;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults(new("notification", "Notification",
    "Tells institutions and their systems what happened to their referrals: one event feed, signed webhooks.", NotificationProblems.All)
{
    Sections = Registration.Sections,
});
builder.AddFeed();
builder.AddWebhooks();
builder.AddExchanges();
builder.AddNotices();
builder.AddAudit("false");
// last in, first out: the bus stops before the workers that store what it hears
builder.AddBus(WhenReferralMoved.Subscription, WhenCapacityChanged.Subscription, WhenNoticeRequested.Subscription);

var app = builder.Build();
if (await app.RunMigrations(args) || await app.RunRedrive(args) || await app.RunAudit(args))
    return;
app.UseServiceDefaults();

ExportAudit.Map(app);
var v1 = app.MapGroup("/v1").RequireAuthorization();
ListEvents.Map(v1);
StreamEvents.Map(v1);
CreateEndpoint.Map(v1);
ChangeEndpoint.Map(v1);
ListEndpoints.Map(v1);
GetEndpoint.Map(v1);
DeleteEndpoint.Map(v1);
SwitchEndpoint.Map(v1);
TestEndpoint.Map(v1);
RotateSecret.Map(v1);
ListAttempts.Map(v1);
ResendMessage.Map(v1);
ReplayEvents.Map(v1);
CreateBrokerUser.Map(v1);
ListBrokerUsers.Map(v1);
RotateBrokerUser.Map(v1);
RevokeBrokerUser.Map(v1);
ListInbox.Map(v1);
AcknowledgeInbox.Map(v1);
app.Run();
