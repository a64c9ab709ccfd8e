using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using TestKit;

namespace ReferralService.Tests.Paths;

/// <summary>
/// Tries every way to send a patient somewhere, over HTTP, in every role and house, with slips that keep the rules and
/// slips that do not; one seed, one course.
/// </summary>
internal sealed class RandomPaths(ReferralHost host, Houses houses, int seed)
{
    private readonly Random _random = new(seed);
    private readonly List<Known> _known = [];
    private readonly List<string> _residents = [];

    private sealed record Known(Guid Id, string Sender, string Receiver, string State, string Direction, string Kind, string? Relation, string[] Tried)
    {
        public bool CanBecomeATransfer => Kind is "Advice" or "Teleconsultation" or "DiagnosticReading";
    }

    /// <summary>How often each way succeeded, and how often each refusal was met.</summary>
    public Dictionary<string, int> Done { get; } = [];
    public Dictionary<string, int> Refused { get; } = [];

    public async Task Prepare()
    {
        for (var i = 0; i < 3; i++)
        {
            _residents.Add(Alliances.Residents.New());
            await Alliances.Residents.Signed(host, Alliances.Residents.Team(_residents[^1]));
        }
    }

    public async Task Step()
    {
        switch (_random.Next(20))
        {
            case 0: await Settings(); break;
            case 1: await Retro(); break;
            case 2: await Wish(); break;
            case 3 or 4 or 5: await Create(); break;
            default: await Move(); break;
        }
    }

    private async Task Create()
    {
        var sender = Pick(houses.Senders);
        var submit = _random.Next(3) > 0;
        var slip = Slip(sender);
        if (_random.Next(6) == 0 && await Offer(sender, slip) is { } match)
            slip["match"] = match;
        await Took(submit ? "submit at once" : "draft", await host.As(sender, Maybe(5) ? "Head" : "Clinician", Pick(Authors)).Command($"/v1/referrals?submit={(submit ? "true" : "false")}", slip));
    }

    private async Task Retro()
    {
        var slip = Slip(Pick(houses.Senders), arrived: true);
        slip.Remove("to");
        await Took("retro-entry", await host.As(Pick(houses.Hospitals), "Registrar", "desk").Command("/v1/referrals?arrived=true", slip));
    }

    private async Task Wish()
    {
        var idNo = Pick(_residents);
        await Took("patient request", await host.As(ReferralHost.Township, "Machine", "app").Command("/v1/referral-requests", new
        {
            patient = new { name = "签约居民", sex = "1", birthDate = $"{idNo[6..10]}-{idNo[10..12]}-{idNo[12..14]}", idNo }, channel = "APP", complaint = "头晕",
            to = Maybe(2) ? new { institution = Pick(houses.All) } : null,
        }));
    }

    // every step looks at the settings of the moment: they change between the steps
    private async Task Settings()
    {
        await host.As(ReferralHost.County, "AllianceOffice", "office").Command("/v1/settings", new
        {
            alliance = "al-county", institution = Maybe(2) ? Pick(houses.Members) : null,
            internalReview = Maybe(4), villageClinicsSubmit = Maybe(3), leadSignsOutOfRegion = !Maybe(4),
        });
        host.Clock.Advance(TimeSpan.FromSeconds(1));
    }

    private async Task Move()
    {
        if (_known.Count == 0)
            return;
        var about = _known[_random.Next(Math.Max(0, _known.Count - 12), _known.Count)];
        // three times in four something its state and kind know
        var verb = Maybe(4) ? Pick(Verbs) : Pick(Fitting(about));
        // and one time in three a way that was not taken yet, where one is open
        if (Maybe(3) && _known.TakeLast(100).SelectMany(k => Fitting(k).Where(v => !Done.ContainsKey(v)).Select(v => (k, v))).ToArray() is { Length: > 0 } open)
            (about, verb) = Pick(open);
        var (bySender, role) = A.By(verb);
        var by = Maybe(8) ? Pick(houses.All) : verb is "approve" or "send-back" && Maybe(2) ? ReferralHost.County : verb == "redirect" && Maybe(2) || bySender ? about.Sender : about.Receiver;
        var caller = host.As(by, Maybe(10) ? "Head" : role, verb == "approve" && !Maybe(4) ? "head" : Pick(Authors));
        await Took(verb, await caller.Command($"/v1/referrals/{about.Id}/{verb}", Body(verb, about), "*"), about);
    }

    private static readonly string[] Authors = ["dr-one", "dr-two"];

    private static readonly string[] Verbs =
    [
        "amend", "send-for-review", "approve", "send-back", "submit", "redirect", "refer-again", "refer-onward", "re-refer", "return", "convert",
        "request-information", "supply-information", "accept", "arrive", "complete-treatment", "decline", "cancel", "withdraw-acceptance", "close", "make-emergency",
    ];

    private static string[] Fitting(Known about) => about.State switch
    {
        "Draft" => ["amend", "send-for-review", "submit", "submit"],
        "InternalReview" => ["approve", "approve", "send-back"],
        "Submitted" when about.CanBecomeATransfer => ["claim", "claim", "claim", "redirect", "request-information", "cancel"],
        "Submitted" => ["claim", "claim", "accept", "redirect", "redirect", "request-information", "decline", "cancel"],
        "InTriage" when about.CanBecomeATransfer => ["convert", "convert", "convert", "redirect", "request-information", "advise"],
        "InTriage" => ["accept", "accept", "redirect", "request-information", "decline"],
        "InformationRequested" => ["supply-information", "redirect"],
        "Accepted" or "Waitlisted" or "Scheduled" or "InTransit" => ["arrive", "arrive", "redirect", "withdraw-acceptance"],
        "Arrived" or "InTreatment" => about.Direction == "Up" ? ["complete-treatment", "complete-treatment", "refer-onward", "convert"] : ["re-refer", "re-refer"],
        "Treated" => ["return", "return", "refer-onward"],
        _ => ["refer-again"],
    };

    private object Body(string verb, Known about)
    {
        switch (verb)
        {
            // who it is about is not said anew on a link of a chain
            case "amend": return new { slip = about.Relation is null ? Slip(about.Sender) : Linked(Slip(about.Sender)) };
            case "submit": return new { @override = Maybe(2) ? Override() : null, confirmDuplicate = true };
            case "redirect":
                return new
                {
                    institution = Pick(houses.All), reason = Pick(["NO_CAPACITY", "HIGHER_LEVEL_NEEDED", "OTHER", "WRONG"]), text = Maybe(2) ? "就近" : null,
                    patientAgrees = true, external = Maybe(8), @override = Maybe(2) ? Override() : null,
                };
            case "refer-again":
                return new { institution = Maybe(4) ? null : Pick(houses.All), patientAgrees = true, slip = Maybe(2) ? Linked(Slip(about.Sender)) : null };
            case "refer-onward" or "re-refer": return new { slip = Linked(Slip(about.Receiver, up: true)) };
            case "return":
                return new { slip = A.DownwardSlip(s =>
                {
                    s["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
                    if (Maybe(2))
                        s["to"] = new JsonObject { ["institution"] = Pick(houses.All) };
                }) };
            case "convert": return new { kind = Pick(["OutpatientTransfer", "InpatientTransfer"]), @override = Maybe(2) ? Override() : null, text = Maybe(2) ? "需转诊" : null };
            case "accept": return new { department = houses.DepartmentOf(about.Receiver) };
            case "decline" or "cancel" or "close" or "withdraw-acceptance" or "request-information" or "send-back" or "advise":
                return new { reason = Pick(["OTHER", "FORM_ERROR", "NO_CAPACITY", "BED_FULL", "BED_LOST", "MISSING_RESULTS", "INCOMPLETE", "ADVICE_ONLY", "MOVED_AWAY"]), text = Maybe(2) ? "说明" : null };
            default: return A.Usual(verb);
        }
    }

    private object Override() => new { reason = Pick(["PATIENT_REQUEST", "OTHER", "CLINICAL_JUDGEMENT", "KNOWN_AT_TARGET", "NOT_A_CODE"]), text = Maybe(2) ? "病情需要" : null };

    private static JsonObject Linked(JsonObject slip)
    {
        slip.Remove("patient");
        return slip;
    }

    /// <summary>A slip that may break any rule there is.</summary>
    private JsonObject Slip(string sender, bool arrived = false, bool up = false)
    {
        var down = !up && Maybe(8);
        // two in three break no rule of the form, so that the others are met
        var tame = !Maybe(3);
        var slip = down ? A.DownwardSlip(s => s["patient"] = A.UpwardSlip()["patient"]!.DeepClone()) : A.UpwardSlip();
        slip["to"] = new JsonObject { ["institution"] = Pick(houses.All) };
        slip["referrer"] = new JsonObject { ["doctor"] = Pick(Authors), ["institution"] = arrived ? sender : null };
        foreach (var member in new[] { "diagnosis", "indications", "measures", "override" })
            slip.Remove(member);
        if (!down)
        {
            slip["kind"] = Pick(["OutpatientTransfer", "OutpatientTransfer", "InpatientTransfer", "Advice", "Advice", "Teleconsultation", "DiagnosticReading", "Examination"]);
            if (Maybe(12))
                (slip["priority"], slip["greenChannel"]) = ("Emergency", "Stroke");
            if (!Maybe(4))
                slip["diagnosis"] = new JsonObject { ["code"] = Pick(["J06.900", "J05.000", "I10.x00", "I11.900", "E11.900", "K35.900"]) };
            if (Maybe(3))
                slip["indications"] = new JsonArray(Pick(["URI_UP_FEVER", "HTN_UP_UNCONTROLLED", "HTN_UP_EMERGENCY"]));
            if (Maybe(4))
                slip["measures"] = new JsonObject { ["systolic"] = _random.Next(120, 220), ["hba1c"] = _random.Next(5, 12) };
        }
        if (!arrived && Maybe(4))
            slip["patient"] = Resident(Pick(_residents));
        foreach (var member in new[] { "levelSkipReason", "leaveRegionReason" })
            if (tame || Maybe(2))
                slip[member] = "本区域无该专科";
        if (Maybe(2))
            slip["override"] = JsonSerializer.SerializeToNode(Override(), ServiceDefaults.Json.Lenient);
        if (!tame && Maybe(2))
            slip["purposes"] = new JsonArray(Pick(["OTHER", "PATIENT_REQUEST", "SPECIALIST_NEEDED", "REHABILITATION"]));
        if (Maybe(2))
            slip["purposeText"] = "患者家属要求";
        if (!arrived)
            slip["external"] = !tame && Maybe(3);
        if (arrived || Maybe(40))
            slip["channel"] = "RETRO_ENTRY";
        slip["confirmDuplicate"] = Maybe(2);
        return slip;
    }

    private static JsonObject Resident(string idNo) => new()
    {
        ["name"] = "签约居民", ["sex"] = "1", ["birthDate"] = $"{idNo[6..10]}-{idNo[10..12]}-{idNo[12..14]}", ["idNo"] = idNo,
    };

    // a ranking is asked for, and its first, another or none of its candidates chosen
    private async Task<JsonObject?> Offer(string sender, JsonObject slip)
    {
        var answer = await host.As(sender).Command("/v1/matches", new { department = "03.03" });
        if (!answer.IsSuccessStatusCode)
            return null;
        var matches = await answer.Json();
        if (matches.GetProperty("candidates") is var candidates && candidates.GetArrayLength() > 0 && !Maybe(3))
            slip["to"] = new JsonObject
            {
                ["institution"] = candidates[_random.Next(candidates.GetArrayLength())].GetProperty("institution").GetProperty("code").GetString(), ["department"] = "03.03",
            };
        return new() { ["offer"] = matches.GetProperty("offer").GetString(), ["reason"] = Maybe(2) ? Pick(["PATIENT_CHOICE", "OTHER"]) : null, ["text"] = Maybe(2) ? "就近" : null };
    }

    private async Task Took(string way, HttpResponseMessage response, Known? about = null)
    {
        var answer = await response.Json();
        if ((int)response.StatusCode >= 500)
            throw new InvalidOperationException($"{way} answered {(int)response.StatusCode} {answer}");
        if (!response.IsSuccessStatusCode)
        {
            var code = answer.GetProperty("code").GetString()!;
            Refused[code] = Refused.GetValueOrDefault(code) + 1;
            return;
        }
        Done[way] = Done.GetValueOrDefault(way) + 1;
        _known.RemoveAll(k => k.Id == about?.Id);
        var ids = new List<Guid> { answer.GetProperty("id").GetGuid() };
        if (answer.TryGetProperty("linked", out var linked) && linked.ValueKind == JsonValueKind.Array)
            ids.AddRange(linked.EnumerateArray().Select(l => l.GetProperty("id").GetGuid()));
        foreach (var row in await host.Database.Query<Known>("select id, sender, receiver, state, direction, kind, relation, tried from referral where id = any(@ids) order by array_position(@ids, id)", new { ids = ids.ToArray() }))
            _known.Add(row);
    }

    private bool Maybe(int oneIn) => _random.Next(oneIn) == 0;

    private T Pick<T>(IReadOnlyList<T> from) => from[_random.Next(from.Count)];
}
