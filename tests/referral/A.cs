using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using Referrals.Contracts;
using TestKit;

namespace ReferralService.Tests;

/// <summary>A referral that a test starts from, brought where it stands through the front door.</summary>
public sealed class A
{
    private readonly ReferralHost _host;

    private A(ReferralHost host, string sender, string receiver)
    {
        (_host, Sender, Receiver) = (host, sender, receiver);
    }

    public string Sender { get; private set; }
    public string Receiver { get; private set; }
    public JsonElement Last { get; private set; }
    public string Etag { get; private set; } = "*";
    public Guid Id => Last.GetProperty("id").GetGuid();
    public string No => Last.GetProperty("referralNo").GetString()!;
    public string State => Last.GetProperty("state").GetString()!;
    public IReadOnlyList<string> Actions => [.. Last.GetProperty("availableActions").EnumerateArray().Select(a => a.GetString()!)];

    /// <summary>The minimal upward slip of a township doctor; every one is another patient.</summary>
    public static JsonObject UpwardSlip(string receiver = ReferralHost.Tertiary, Action<JsonObject>? change = null)
    {
        var slip = ReferralHost.Slip("01");
        slip["patient"] = new JsonObject { ["name"] = "测试" + Random.Shared.Next(1000, 9999), ["sex"] = "1", ["age"] = 60 };
        slip["to"] = new JsonObject { ["institution"] = receiver, ["department"] = "03.03" };
        change?.Invoke(slip);
        return slip;
    }

    public static JsonObject DownwardSlip(Action<JsonObject>? change = null)
    {
        var slip = ReferralHost.Slip("02");
        slip.Remove("patient");
        slip.Remove("to");
        change?.Invoke(slip);
        return slip;
    }

    public static async Task<A> Submitted(ReferralHost host, Action<JsonObject>? change = null, string receiver = ReferralHost.Tertiary,
        string sender = ReferralHost.Township)
    {
        var referral = new A(host, sender, receiver);
        await referral.Took(await host.As(sender).Command("/v1/referrals?submit=true", UpwardSlip(receiver, change)), HttpStatusCode.Created);
        return referral;
    }

    /// <summary>One whose patient is already there: typed in afterwards by the receiver.</summary>
    public static async Task<A> TypedInAfterwards(ReferralHost host, Action<JsonObject>? change = null)
    {
        var referral = new A(host, ReferralHost.Township, ReferralHost.Tertiary);
        var slip = UpwardSlip(change: change);
        slip["referrer"] = new JsonObject { ["doctor"] = "dr-0103", ["institution"] = referral.Sender };
        await referral.Took(await host.As(referral.Receiver, "Registrar").Command("/v1/referrals?arrived=true", slip), HttpStatusCode.Created);
        return referral;
    }

    public static async Task<A> Drafted(ReferralHost host, Action<JsonObject>? change = null)
    {
        var referral = new A(host, ReferralHost.Township, ReferralHost.Tertiary);
        await referral.Took(await host.As(referral.Sender, subject: "dr-author").Command("/v1/referrals", UpwardSlip(change: change)), HttpStatusCode.Created);
        return referral;
    }

    /// <summary>An emergency under a standing agreement: on its way at once.</summary>
    public static Task<A> Emergency(ReferralHost host) => Submitted(host, slip =>
    {
        slip["priority"] = "Emergency";
        slip["greenChannel"] = "Stroke";
        slip["kind"] = "InpatientTransfer";
    });

    public static async Task<A> Accepted(ReferralHost host, Action<JsonObject>? change = null) =>
        await (await Submitted(host, change)).Does("accept");

    public static async Task<A> Scheduled(ReferralHost host, Action<JsonObject>? change = null)
    {
        var referral = await Accepted(host, change);
        await referral.Booked();
        return referral;
    }

    public static async Task<A> Arrived(ReferralHost host, Action<JsonObject>? change = null) =>
        await (await Accepted(host, change)).Does("arrive", new { identifiedBy = "IdCard" });

    public static async Task<A> Treated(ReferralHost host, bool rehabEligible = true) =>
        await (await Arrived(host)).Does("complete-treatment", new { diagnosisResult = "脑梗死", treatmentCourse = "溶栓", rehabEligible });

    /// <summary>The downward child of a treated referral, submitted.</summary>
    public async Task<A> Returned(Action<JsonObject>? change = null)
    {
        await Does("return", new { slip = DownwardSlip(change) });
        var child = new A(_host, Receiver, Sender) { Last = Last.GetProperty("linked")[0] };
        await child.Look();
        return child;
    }

    public static async Task<A> ReturnedAndArrived(ReferralHost host)
    {
        var child = await (await Treated(host)).Returned();
        await child.Does("accept", new { department = "02" });
        return await child.Does("arrive", new { identifiedBy = "Slip" });
    }

    /// <summary>Does a move that creates a linked referral, and hands that one back.</summary>
    public async Task<A> Creates(string verb, object? body = null, string? by = null)
    {
        await Took(await Tries(verb, body, by), HttpStatusCode.OK);
        var born = new A(_host, Sender, Receiver) { Last = Last.GetProperty("linked")[0] };
        await born.Look(by ?? Receiver);
        born.Sender = born.Last.GetProperty("sender").GetProperty("code").GetString()!;
        born.Receiver = born.Last.GetProperty("receiver").GetProperty("code").GetString()!;
        return born;
    }

    /// <summary>Somebody has sent it on to another institution.</summary>
    public async Task<A> NowAt(string receiver)
    {
        Receiver = receiver;
        await Look();
        return this;
    }

    /// <summary>Goes on to another institution.</summary>
    public async Task<A> Redirected(string to, string? department = "03.03", string? by = null)
    {
        await Took(await Tries("redirect", new { institution = to, department, reason = "NO_CAPACITY", patientAgrees = true }, by), HttpStatusCode.OK);
        Receiver = to;
        return this;
    }

    /// <summary>Does a move as the side that usually does it, and expects it to succeed.</summary>
    public async Task<A> Does(string verb, object? body = null)
    {
        await Took(await Tries(verb, body), HttpStatusCode.OK);
        return this;
    }

    /// <summary>Does a move and hands back the answer whatever it is.</summary>
    public Task<HttpResponseMessage> Tries(string verb, object? body = null, string? by = null, string role = "Clinician", string subject = "dr-test",
        string? ifMatch = null, string? key = null) =>
        _host.As(by ?? (BySender.Contains(verb) ? Sender : Receiver), RoleFor(verb, role), subject)
            .Command($"/v1/referrals/{Id}/{verb}", body ?? (verb == "dispatch" ? OnTheWay : Usual(verb)), ifMatch ?? Etag, key);

    private object OnTheWay => new { transport = "Ambulance", expectedArrival = _host.Clock.GetUtcNow().AddHours(3) };

    /// <summary>Reads it again as the sender.</summary>
    public async Task<JsonElement> Look(string? by = null, string purpose = "TREATMENT")
    {
        var response = await _host.As(by ?? Sender, purpose: purpose).GetAsync($"/v1/referrals/{Id}");
        await Took(response, HttpStatusCode.OK);
        return Last;
    }

    /// <summary>Scheduling books it, as it says over the broker.</summary>
    public async Task Booked(long attempt = 1, string? codeHash = null, Guid? booking = null)
    {
        await Hears(SchedulingEvents.Booked, attempt, booking, codeHash: codeHash);
        await Reaches("Scheduled");
    }

    /// <summary>Scheduling says something about it over the broker; whether anything comes of it is another matter.</summary>
    public async Task Hears(string type, long attempt, Guid? booking = null, int? leg = null, string? codeHash = null, Guid? id = null, string? place = null, string[]? bring = null) =>
        await _host.SchedulingSays(type, new()
        {
            ReferralId = Id, ReferralNo = No, Leg = leg ?? (await Look()).GetProperty("leg").GetInt32(), Attempt = attempt,
            BookingId = booking ?? Guid.NewGuid(), Institution = Receiver, Department = "03.03", Resource = "Slot", CodeHash = codeHash, Place = place, Bring = bring,
            Reason = type == SchedulingEvents.BookingCancelled ? "BED_LOST" : null,
            StartsAt = _host.Clock.GetUtcNow().AddDays(1), EndsAt = _host.Clock.GetUtcNow().AddDays(1).AddMinutes(30),
        }, id);

    public Task Reaches(string state) => Eventually.Is(async () => (await Look()).GetProperty("state").GetString() == state, $"{No} reaches {state}");

    /// <summary>The events of its timeline, in order.</summary>
    public async Task<string[]> Events() =>
        [.. (await Timeline()).GetProperty("entries").EnumerateArray().Select(e => e.GetProperty("event").GetString()!)];

    public async Task<JsonElement> Timeline() =>
        await _host.As(Sender).GetAsync($"/v1/referrals/{Id}/timeline").Json();

    /// <summary>Expects the answer to be this refusal, and the referral to stand where it stood.</summary>
    public async Task<JsonElement> IsRefused(string verb, HttpStatusCode status, string? code = null, object? body = null, string? by = null,
        string role = "Clinician", string subject = "dr-test")
    {
        var before = (await Events()).Length;
        var response = await Tries(verb, body, by, role, subject);
        var problem = await response.Json();
        response.StatusCode.Should().Be(status, "{0} answered {1}", verb, problem);
        if (code is not null)
            problem.GetProperty("code").GetString().Should().Be(code);
        (await Events()).Should().HaveCount(before, "nothing is stored of a refused command");
        return problem;
    }

    /// <summary>Somebody who is no party finds nothing there.</summary>
    public async Task IsRefusedToAStranger(string verb, object? body = null) =>
        (await Tries(verb, body, ReferralHost.Stranger)).StatusCode.Should().Be(HttpStatusCode.NotFound);

    private async Task Took(HttpResponseMessage response, HttpStatusCode expected)
    {
        var body = await response.Content.ReadAsStringAsync();
        response.StatusCode.Should().Be(expected, "{0} {1} answered {2}", response.RequestMessage!.Method, response.RequestMessage.RequestUri, body);
        Last = JsonDocument.Parse(body).RootElement.Clone();
        Etag = response.Headers.ETag?.ToString() ?? Etag;
    }

    private static readonly HashSet<string> BySender =
    [
        "amend", "discard", "send-for-review", "submit", "approve", "send-back", "make-emergency", "supply-information",
        "dispatch", "cancel", "request-cancellation", "take-back", "adjust-plan", "refer-again",
    ];

    /// <summary>Who usually does it: the sender or the receiver, in which role.</summary>
    public static (bool BySender, string Role) By(string verb) => (BySender.Contains(verb), RoleFor(verb, "Clinician"));

    private static string RoleFor(string verb, string role) => verb switch
    {
        "approve" or "send-back" => "Head",
        "assign" => "Coordinator",
        _ => role,
    };

    /// <summary>A body the verb accepts, for tests that are about something else.</summary>
    public static object Usual(string verb) => verb switch
    {
        "assign" => new { clinician = "dr-0001" },
        "request-information" => new { reason = "MISSING_RESULTS" },
        "supply-information" => new { text = "补充资料" },
        "decline" => new { reason = "NO_CAPACITY" },
        "advise" => new { reason = "ADVICE_ONLY", text = "继续观察" },
        "report" => new { text = "未见异常" },
        "redirect" => new { institution = ReferralHost.County, department = "03.03", reason = "NO_CAPACITY", patientAgrees = true },
        "withdraw-acceptance" => new { reason = "BED_LOST" },
        "booking-cancelled" => new { reason = "PATIENT_REQUEST" },
        "no-show" => new { reason = "FORGOT" },
        "arrive" => new { identifiedBy = "IdCard" },
        "start-treatment" => new { visitNo = "V1" },
        "interim-note" or "finish" or "note" or "addendum" or "mark-in-error" => new { text = "记录" },
        "complete-treatment" => new { diagnosisResult = "脑梗死", treatmentCourse = "溶栓", rehabEligible = true },
        "return" => new { slip = DownwardSlip() },
        "refer-onward" or "re-refer" => new { slip = UpwardSlip(change: s => s.Remove("patient")) },
        "refer-again" => new { institution = ReferralHost.County, department = "03.03", patientAgrees = true },
        "complete-without-return" => new { reason = "CURED" },
        "follow-up" => new { way = "Home", text = "恢复良好" },
        "adjust-plan" => new { text = "增加训练" },
        "cancel" or "request-cancellation" => new { reason = "PATIENT_WITHDRAW" },
        "refuse-cancellation" => new { reason = "CLINICALLY_UNSAFE" },
        "close" => new { reason = "OTHER_HOSPITAL" },
        "make-emergency" => new { greenChannel = "Stroke" },
        "file-consent" => new { form = "Written" },
        "rate" => new { rating = 5 },
        "lower-priority" => new { text = "症状缓解" },
        "send-back" => new { reason = "INCOMPLETE" },
        "attach" => new { title = "CT", recognised = false, reference = "urn:x" },
        "convert" => new { kind = "OutpatientTransfer", department = "03.03" },
        "identify-patient" => new { patient = new { name = "李四", sex = "1", age = 50 } },
        _ => new { },
    };
}
