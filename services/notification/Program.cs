using ServiceDefaults;
using ServiceDefaults.Messaging;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceDefaults(new("notification", "Notification", "…", []));
builder.AddBus();

var app = builder.Build();
if (await app.RunMigrations(args))
    return;
app.UseServiceDefaults();
app.Run();
