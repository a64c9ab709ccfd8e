using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Alliances.Import;
using ReferralService.Deadlines;
using ReferralService.Rules;
using ServiceDefaults;
using TestKit;
using Xunit;

namespace ReferralService.Tests;

/// <summary>The referral service on real PostgreSQL and RabbitMQ, with the demo alliance loaded and a clock that tests move (not sealed: a test class with other settings names them in a class of its own).</summary>
public class ReferralHost : IAsyncLifetime
{
    public const string Township = "12210681DEM0001022";
    public const string OtherTownship = "12210681DEM00009X9";
    public const string County = "12210681DEM000022E";
    public const string Tertiary = "12210600DEM0000149";
    public const string Stranger = "12210682DEM003397A";

    /// <summary>Makes institutions sandbox or real with all they share: the table lets one go only when it shares nothing.</summary>
    public static string BecomesAtOnce(string synthetic) => $"""
        alter table institution disable trigger institution_keeps_its_kind;
        update institution set synthetic = ({synthetic});
        alter table institution enable trigger institution_keeps_its_kind;
        update directory_version set number = number + 1;
        """;

    private readonly IReadOnlyDictionary<string, string>? _settings;
    private ServiceHost<Program> _host = null!;

    public ReferralHost() : this(null)
    {
    }

    protected ReferralHost(IReadOnlyDictionary<string, string>? settings) => _settings = settings;

    public TestDatabase Database { get; private set; } = null!;
    public string RabbitMq { get; private set; } = "";
    public TestClock Clock { get; } = new(DateTimeOffset.UtcNow);
    public IServiceProvider Services => _host.Services;

    public async Task InitializeAsync()
    {
        Database = await TestDatabase.Create("referral", typeof(Program).Assembly);
        RabbitMq = await Servers.NewVirtualHost();
        _host = new(Database.App, RabbitMq, Clock, _settings);
        await Services.GetRequiredService<ImportAlliance>().Run(Path.Combine(AppContext.BaseDirectory, "demo"));
        await Services.GetRequiredService<ImportRules>().Run(Path.Combine(AppContext.BaseDirectory, "demo", "rules"));
        await Services.GetRequiredService<AllianceDirectory>().Refresh();
    }

    public async Task DisposeAsync()
    {
        await _host.DisposeAsync();
        await Database.DisposeAsync();
    }

    public HttpClient Anonymous() => _host.As(null);

    public HttpClient As(string institution, string role = "Clinician", string subject = "dr-test", string? department = null,
        string? onBehalfOf = null, string? purpose = null) =>
        _host.As(Issuer.Shared.Token(institution, role, subject, department, purpose, onBehalfOf));

    public HttpClient WithToken(string token) => _host.As(token);

    /// <summary>Moves the clock and fires what is due; the service's own sweeper may be at it as well.</summary>
    public async Task Pass(TimeSpan time)
    {
        Clock.Advance(time);
        await Eventually.Is(async () =>
        {
            await Services.GetRequiredService<DeadlineSweeper>().Sweep();
            return (await Database.Query<int>("select count(*)::int from referral where next_deadline_at <= @now", new { now = Clock.GetUtcNow() })).Single() == 0;
        }, "every timer that is due fires", seconds: 60);
    }

    /// <summary>Says something as scheduling does: over the broker.</summary>
    public async Task SchedulingSays(string type, SchedulingFacts facts, Guid? id = null, DateTimeOffset? at = null)
    {
        var exchange = await Services.GetRequiredService<IBus>().GetSendEndpoint(new Uri($"exchange:{SchedulingEvents.Exchange}?type=topic"));
        var message = new SchedulingEvent("1.0", id ?? Guid.NewGuid(), "/scheduling", type, facts.ReferralNo ?? "", at ?? Clock.GetUtcNow(), "application/json",
            CloudEvents.SchemaOf(type), null, facts);
        await exchange.Send(message, send => send.SetRoutingKey(type));
    }

    /// <summary>A filled slip of the demo, as a request body.</summary>
    public static JsonObject Slip(string file)
    {
        var path = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "demo", "slips"), file + "*.json").Single();
        return JsonNode.Parse(File.ReadAllText(path))!["request"]!.DeepClone().AsObject();
    }
}

[CollectionDefinition("referral")]
public sealed class ReferralCollection : ICollectionFixture<ReferralHost>;
