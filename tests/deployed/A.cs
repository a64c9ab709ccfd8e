using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;

namespace Deployed;

/// <summary>A referral, brought where it stands over HTTP by the two institutions it belongs to.</summary>
public sealed class A
{
    private readonly Alliance _alliance;

    private A(Alliance alliance, string sender, string receiver, JsonElement answer, string? etag)
    {
        (_alliance, Sender, Receiver, Last) = (alliance, sender, receiver, answer);
        Etag = etag ?? "*";
    }

    public string Sender { get; }
    public string Receiver { get; }
    public JsonElement Last { get; private set; }
    public string Etag { get; private set; }
    public Guid Id => Last.GetProperty("id").GetGuid();
    public string No => Last.GetProperty("referralNo").GetString()!;
    public string State => Last.GetProperty("state").GetString()!;

    /// <summary>A filled slip of the demo, as a request body.</summary>
    public static JsonObject Slip(string number) =>
        JsonNode.Parse(File.ReadAllText(Directory.GetFiles(Path.Combine(Alliance.Demo, "slips"), number + "*.json").Single()))!["request"]!.DeepClone().AsObject();

    /// <summary>The slip of a township doctor; every one is another patient.</summary>
    public static JsonObject UpwardSlip()
    {
        var slip = Slip("01");
        slip["patient"] = new JsonObject { ["name"] = "测试" + Random.Shared.Next(1000, 9999), ["sex"] = "1", ["age"] = 60 };
        slip["to"] = new JsonObject { ["institution"] = Alliance.Tertiary, ["department"] = "03.03" };
        return slip;
    }

    /// <summary>The hospital's slip for the way back.</summary>
    public static JsonObject DownwardSlip()
    {
        var slip = Slip("02");
        slip.Remove("patient");
        slip.Remove("to");
        return slip;
    }

    /// <summary>The request that submits a slip, for tests that look at its answer whatever it is.</summary>
    public static Task<HttpResponseMessage> Submission(Service referral, string key, object? slip = null) =>
        referral.As(Alliance.Township).Command("/v1/referrals?submit=true", slip ?? UpwardSlip(), key: key);

    public static async Task<A> Submitted(Alliance alliance, JsonObject? slip = null)
    {
        using var answer = await Submission(alliance.Referral, Guid.NewGuid().ToString(), slip);
        return new(alliance, Alliance.Township, Alliance.Tertiary, await Expect(answer, HttpStatusCode.Created), answer.Headers.ETag?.ToString());
    }

    /// <summary>One that stands already.</summary>
    public static async Task<A> Read(Alliance alliance, Guid id)
    {
        using var answer = await alliance.Referral.As(Alliance.Township).GetAsync($"/v1/referrals/{id}");
        return new(alliance, Alliance.Township, Alliance.Tertiary, await Expect(answer, HttpStatusCode.OK), answer.Headers.ETag?.ToString());
    }

    /// <summary>Makes a move as the side that makes it, and expects it to succeed.</summary>
    public async Task<A> Does(string verb, object? body = null)
    {
        using var answer = await Tries(verb, body);
        Last = await Expect(answer, HttpStatusCode.OK);
        Etag = answer.Headers.ETag?.ToString() ?? Etag;
        return this;
    }

    /// <summary>Makes a move at one of the instances and hands back the answer whatever it is.</summary>
    public Task<HttpResponseMessage> Tries(string verb, object? body = null, string? ifMatch = null, string? key = null, Service? at = null) =>
        (at ?? _alliance.Referral).As(BySender.Contains(verb) ? Sender : Receiver)
            .Command($"/v1/referrals/{Id}/{verb}", body ?? Usual(verb), ifMatch ?? Etag, key);

    /// <summary>The downward child of a treated referral, submitted.</summary>
    public async Task<A> Returns()
    {
        await Does("return", new { slip = DownwardSlip() });
        var child = new A(_alliance, Receiver, Sender, Last.GetProperty("linked")[0], null);
        await child.Look();
        return child;
    }

    /// <summary>Reads it as its sender.</summary>
    public async Task<JsonElement> Look()
    {
        using var answer = await _alliance.Referral.As(Sender).GetAsync($"/v1/referrals/{Id}");
        Last = await Expect(answer, HttpStatusCode.OK);
        Etag = answer.Headers.ETag?.ToString() ?? Etag;
        return Last;
    }

    /// <summary>Waits until the other services have brought it there.</summary>
    public Task Reaches(string state) =>
        Eventually.Is(async () => (await Look()).GetProperty("state").GetString() == state, $"{No} reaches {state}", seconds: 20);

    /// <summary>Names of its events in their order, as the timeline tells them.</summary>
    public async Task<IReadOnlyList<string>> Timeline()
    {
        using var answer = await _alliance.Referral.As(Sender).GetAsync($"/v1/referrals/{Id}/timeline");
        var timeline = await Expect(answer, HttpStatusCode.OK);
        return [.. timeline.GetProperty("entries").EnumerateArray().Select(e => e.GetProperty("event").GetString()!)];
    }

    private static async Task<JsonElement> Expect(HttpResponseMessage answer, HttpStatusCode status)
    {
        var body = await answer.Content.ReadAsStringAsync();
        answer.StatusCode.Should().Be(status, "{0} {1} answered {2}", answer.RequestMessage!.Method, answer.RequestMessage.RequestUri!.PathAndQuery, body);
        using var document = JsonDocument.Parse(body);
        return document.RootElement.Clone();
    }

    private static readonly HashSet<string> BySender = ["dispatch", "cancel", "request-cancellation", "take-back"];

    private static object Usual(string verb) => verb switch
    {
        "dispatch" => new { transport = "Ambulance", expectedArrival = DateTimeOffset.UtcNow.AddHours(3) },
        "arrive" => new { identifiedBy = "IdCard" },
        "start-treatment" => new { visitNo = "V1" },
        "interim-note" or "finish" or "note" => new { text = "记录" },
        "complete-treatment" => new { diagnosisResult = "脑梗死", treatmentCourse = "溶栓", rehabEligible = true },
        "follow-up" => new { way = "Home", text = "恢复良好" },
        "cancel" => new { reason = "PATIENT_WITHDRAW" },
        _ => new { },
    };
}
