using System.Net;
using NotificationService;
using Referrals.Contracts;
using ServiceDefaults;
using ServiceDefaults.Messaging;

var builder = WebApplication.CreateBuilder(args);
// in appsettings.json it would win over ASPNETCORE_URLS
builder.Configuration["urls"] ??= "http://127.0.0.1:7103";
builder.AddServiceDefaults(new("notification", "Notification",
    "Tells institutions and their systems what happened to their referrals: one event feed, signed webhooks.",
    NotificationProblems.All));

// feed: heard, ordered, logged
builder.Services.AddSingleton(FeedSettings.From(builder.Configuration));
builder.Services.AddSingleton<Telemetry>();
builder.Services.AddSingleton<Signals>();
builder.Services.AddSingleton<Intake>();
builder.Services.AddHostedService(services => services.GetRequiredService<Intake>());
builder.Services.AddHostedService<Sequencer>();

// webhooks: messages, attempts, endpoints
builder.Services.AddSingleton(WebhookSettings.From(builder.Configuration));
builder.Services.AddSingleton<Lookup>(Dns.GetHostAddressesAsync);
builder.Services.AddSingleton<AddressGuard>();
builder.Services.AddSingleton<Secrets>();
builder.Services.AddSingleton<Delivery>();
builder.Services.AddSingleton<EndpointHealth>();
builder.Services.AddSingleton<Recorder>();
builder.Services.AddHostedService<Dispatcher>();
builder.Services.AddHostedService<CatchUp>();
builder.Services.AddHostedService<Retention>();

// last in, first out: the bus stops before the workers that store what it hears
builder.AddBus(
    new(Hearing.ReferralQueue, ReferralEvents.Exchange, Hearing.ReferralKeys, typeof(WhenReferralMoved), Hearing.Prefetch),
    new(Hearing.CapacityQueue, SchedulingEvents.Exchange, Hearing.CapacityKeys, typeof(WhenCapacityChanged), Hearing.Prefetch));

var app = builder.Build();
if (await app.RunMigrations(args))
    return;
app.UseServiceDefaults();

var v1 = app.MapGroup("").RequireAuthorization();
ListEvents.Map(v1);
CreateEndpoint.Map(v1);
ListEndpoints.Map(v1);
GetEndpoint.Map(v1);
DeleteEndpoint.Map(v1);
SwitchEndpoint.Map(v1);
TestEndpoint.Map(v1);
ListAttempts.Map(v1);
app.Run();
