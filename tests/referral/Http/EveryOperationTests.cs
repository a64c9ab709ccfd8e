using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Http;

/// <summary>Every operation of the referral service; a new one needs a line here only when it is about something new.</summary>
[Collection("referral")]
public sealed class EveryOperationTests(ReferralHost host) : EveryOperation<EveryOperationTests>, IOperationsOf
{
    public static string Service => "referral";

    protected override TestDatabase Database => host.Database;
    protected override HttpClient Anonymous => host.Anonymous();
    protected override string Denied => "verdict = 'denied'";

    protected override IReadOnlyList<OperationLine> Table =>
    [
        new("/v1/referrals/{id}")
        {
            Thing = async () => [(await A.Submitted(host)).Id.ToString()],
            Party = operation => A.By(operation.Verb) is var (sends, role) && sends ? host.As(ReferralHost.Township, role) : host.As(ReferralHost.Tertiary, role),
            Stranger = Stranger, WrongRole = host.As(ReferralHost.Tertiary, "Insurer"),
        },
        new("post /v1/referrals/{id}/break-glass")
        {
            Thing = async () => [(await A.Submitted(host)).Id.ToString()], Party = _ => host.As(ReferralHost.County, subject: "dr-passing"), Stranger = Stranger,
            WrongRole = host.As(ReferralHost.County, "Registrar"),
        },
        new("get /v1/referrals/{id}/patient-file")
        {
            Thing = async () => [(await A.Submitted(host)).Id.ToString()], Party = _ => host.As(ReferralHost.Township, "Registrar", purpose: "PATIENT_REQUEST"),
            Stranger = Stranger, WrongRole = host.As(ReferralHost.Township, "Insurer", purpose: "PATIENT_REQUEST"),
        },
        new("post /v1/referrals/{id}/patient-restriction")
        {
            Thing = async () => [(await A.Submitted(host)).Id.ToString()], Party = _ => host.As(ReferralHost.Township, "Head"), Stranger = Stranger, WrongRole = Clinic,
        },
        new("post /v1/referrals/{id}/patient-erasure")
        {
            Thing = async () => [(await A.Submitted(host)).Id.ToString()], Party = _ => host.As(ReferralHost.Township, "Head"), Stranger = Stranger, WrongRole = Clinic,
        },
        new("/v1/broken-glass") { Party = _ => host.As(ReferralHost.Township, "Head"), WrongRole = Clinic },
        new("/v1/broken-glass/{id}/review")
        {
            Thing = Glass, Party = _ => host.As(ReferralHost.Township, "Head"), Stranger = Stranger, WrongRole = Clinic,
        },
        new("post /v1/referrals/{id}/attachments")
        {
            Thing = async () => [(await A.Submitted(host)).Id.ToString()], Body = "%PDF-1.7", Party = _ => Clinic, Stranger = Stranger,
            WrongRole = host.As(ReferralHost.Tertiary, "Insurer"),
        },
        new("/v1/referrals/{id}/attachments/{attachment}")
        {
            Thing = AttachedFile, Party = _ => Clinic, Stranger = Stranger, WrongRole = host.As(ReferralHost.Tertiary, "Insurer"),
        },
        new("/v1/episodes/{id}")
        {
            Thing = async () => [(await A.Submitted(host)).Last.GetProperty("episodeId").GetString()!],
            Party = _ => Clinic, Stranger = Stranger, WrongRole = host.As(ReferralHost.Township, "Insurer"),
        },
        // a list shows whoever asks his own, a stranger none of ours
        new("/v1/referrals") { Party = _ => Clinic, Stranger = Stranger, ForStranger = 200, WrongRole = host.As(ReferralHost.Township, "Insurer") },
        new("/v1/matches") { Party = _ => Clinic, WrongRole = host.As(ReferralHost.Township, "Insurer") },
        // the directory is read by everybody in it, and written by its offices
        new("/v1/institutions/{code}") { Thing = () => Things(ReferralHost.Township), Party = Office },
        new("/v1/institutions") { Party = Office },
        new("/v1/institutions/{code}/departments/{department}") { Thing = () => Things(ReferralHost.Township, "02"), Party = Office },
        new("put /v1/institutions/{code}") { Thing = () => Things(ReferralHost.Township), Party = Office, WrongRole = Clinic },
        new("put /v1/institutions/{code}/departments/{department}") { Thing = () => Things(ReferralHost.Township, "02"), Party = Office, WrongRole = Clinic },
        new("put /v1/institutions/{code}/formulary/{drug}") { Thing = Medicine, Party = Office, WrongRole = Clinic },
        new("/v1/institutions/{code}/formulary/{drug}") { Thing = Medicine, Party = Office },
        new("/v1/formulary/gaps") { Party = _ => Clinic },
        new("/v1/clinicians/{id}") { Thing = () => Things("dr-0001"), Party = Office },
        new("put /v1/clinicians/{id}") { Thing = () => Things("dr-0001"), Party = Office, WrongRole = Clinic },
        new("/v1/alliances") { Party = Office },
        new("/v1/alliances/{id}") { Thing = () => Things("al-county"), Party = Office },
        new("put /v1/alliances/{id}") { Thing = () => Things("al-county"), Party = Office, WrongRole = Clinic },
        new("/v1/alliances/{id}/members/{institution}/{from}") { Thing = () => Things("al-county", ReferralHost.Township, "2024-01-01"), Party = Office },
        new("put /v1/alliances/{id}/members/{institution}/{from}")
        {
            Thing = () => Things("al-county", ReferralHost.Township, "2024-01-01"), Party = Office, WrongRole = Clinic,
        },
        new("/v1/standing-agreements") { Party = Office },
        new("/v1/standing-agreements/{id}") { Thing = () => Things("sa-001"), Party = Office },
        new("put /v1/standing-agreements/{id}") { Thing = () => Things("sa-001"), Party = Office, WrongRole = Clinic },
        new("/v1/reason-codes") { Party = Office },
        new("/v1/reason-codes/{list}/{code}") { Thing = () => Things("DeclineUp", "NO_CAPACITY"), Party = Office },
        new("put /v1/reason-codes/{list}/{code}") { Thing = () => Things("DeclineUp", "NO_CAPACITY"), Party = _ => Operator, WrongRole = Office(null!) },
        new("/v1/grids") { Party = Office },
        new("/v1/grids/{code}") { Thing = () => Things("210681-05"), Party = Office },
        new("put /v1/grids/{code}") { Thing = () => Things("210681-05"), Party = Office, WrongRole = Clinic },
        new("/v1/calendars") { Party = Office },
        new("/v1/calendars/{id}") { Thing = () => Things("office"), Party = Office },
        new("put /v1/calendars/{id}") { Thing = () => Things("office"), Party = _ => Operator, WrongRole = Office(null!) },
        new("/v1/calendars/{id}/days/{day}") { Thing = () => Things("office", "2026-10-10"), Party = Office },
        new("put /v1/calendars/{id}/days/{day}") { Thing = () => Things("office", "2026-10-10"), Party = _ => Operator, WrongRole = Office(null!) },
        new("/v1/diagnosis-sets") { Party = Office },
        new("/v1/diagnosis-sets/{name}/{codes}/{from}") { Thing = () => Things("RehabJointWard", "I61", "2000-01-01"), Party = Office },
        new("put /v1/diagnosis-sets/{name}/{codes}/{from}")
        {
            Thing = () => Things("RehabJointWard", "I61", "2000-01-01"), Party = _ => Operator, WrongRole = Office(null!),
        },
        new("/v1/specialties") { Party = Office },
        new("/v1/specialties/{codes}/{department}/{from}") { Thing = () => Things("I60-I69", "03.03", "2000-01-01"), Party = Office },
        new("put /v1/specialties/{codes}/{department}/{from}")
        {
            Thing = () => Things("I60-I69", "03.03", "2000-01-01"), Party = _ => Operator, WrongRole = Office(null!),
        },
        new("/v1/match-weights") { Party = Office },
        new("post /v1/match-weights")
        {
            Body = """{"alliance":"al-county","from":"2090-01-01T00:00:00Z","weights":{"DISTANCE":25}}""", Party = Office, WrongRole = Clinic,
        },
        new("get /v1/contracts/export") { Party = _ => Clinic, WrongRole = host.As(ReferralHost.Township, "Insurer") },
        new("/v1/contracts") { Party = _ => Clinic, WrongRole = host.As(ReferralHost.Township, "Insurer") },
        new("post /v1/contracts") { Party = _ => Clinic, WrongRole = host.As(ReferralHost.Township, "Insurer") },
        new("/v1/contracts/find") { Party = _ => Clinic, WrongRole = host.As(ReferralHost.Township, "Insurer") },
        new("/v1/contracts/{id}")
        {
            Thing = async () => [await Alliances.Residents.Signed(host)], Party = _ => Clinic, Stranger = Stranger, WrongRole = host.As(ReferralHost.Township, "Insurer"),
        },
        new("/v1/referral-requests") { Party = _ => host.As(ReferralHost.County, "Machine"), WrongRole = Clinic },
        new("/v1/timers") { Party = Office },
        new("/v1/timer-settings") { Party = Office },
        // what is set here begins long after the other tests of this host
        new("post /v1/timer-settings")
        {
            Body = """{"timer":"Triage","alliance":"al-county","from":"2090-01-01T00:00:00Z","steps":[{"afterMinutes":60,"does":"Missed","to":["DutyDesk"]}]}""",
            Party = Office, WrongRole = Clinic,
        },
        new("/v1/settings") { Party = Office },
        new("post /v1/settings") { Body = """{"alliance":"al-county","from":"2090-01-01T00:00:00Z","internalReview":true}""", Party = Office, WrongRole = Clinic },
        new("post /v1/alliances/{id}/profile") 
        {
            Thing = () => Things("al-county"), Body = """{"profile":"SURGE","from":"2090-01-01T00:00:00Z","reason":"演练"}""", Party = Office, WrongRole = Clinic,
        },
        new("/v1/directory/{sheet}/import") { Thing = () => Things("grids"), Party = _ => Operator, WrongRole = Clinic, Body = "code,name,region\n", Query = "?store=Nothing" },
        new("/v1/directory/{sheet}/export") { Thing = () => Things("institutions"), Party = _ => Operator, WrongRole = Clinic },
        // the rules are everybody's to read
        new("/v1/rules") { Party = _ => Clinic },
        new("/v1/audit") { Party = _ => host.As(ReferralHost.Township, "Auditor"), WrongRole = Clinic },
        new("/v1/rules/{id}")
        {
            Thing = () => Task.FromResult<string[]>(["diabetes"]), Party = _ => Clinic,
        },
        new("post /v1/rules/{id}")
        {
            Thing = () => Task.FromResult<string[]>(["pack-" + Guid.NewGuid().ToString("n")[..8]]),
            // of an illness that no other test has: from its day on a pack speaks about everybody's referrals
            Body = """{"nameZh":"样例","nameEn":"Sample","since":"2027-01-01","codes":["Q98"],"criteria":[{"code":"SAMPLE_UP","direction":"Up","textZh":"样例指征","textEn":"A sample"}]}""",
            Party = _ => host.As(ReferralHost.County, "AllianceOffice"), WrongRole = Clinic,
        },
        new("/v1/indicators") { Party = _ => Head, WrongRole = host.As(ReferralHost.Tertiary, "Insurer") },
        // what a figure means is everybody's to read
        new("get /v1/indicators/definitions") { Party = _ => Clinic },
        new("/v1/accountability") { Party = _ => Head, WrongRole = host.As(ReferralHost.Tertiary, "Insurer") },
        new("/v1/certificates/{no}")
        {
            Thing = async () => [(await A.Accepted(host)).No + "-1"],
            Party = _ => host.As("91210600INSURER001", "Insurer"), Stranger = Stranger, WrongRole = host.As(ReferralHost.Tertiary, "Operator"),
        },
        new("/v1/complaints") { Party = _ => Clinic, Stranger = Stranger, ForStranger = 200, WrongRole = host.As(ReferralHost.Township, "Insurer") },
        new("/v1/complaints/{no}")
        {
            Thing = async () => [await Complaint()],
            Party = operation => operation.Verb switch
            {
                "answer" => Head, "decide" => host.As(ReferralHost.County, "AllianceOffice"), _ => Clinic,
            },
            Stranger = Stranger, WrongRole = host.As(ReferralHost.Tertiary, "Registrar"),
        },
        new("/v1/clients") { Party = _ => ClinicHead, WrongRole = Clinic },
        new("/v1/clients/{id}") { Thing = async () => [await Clients.Machine.Created(host)], Party = _ => ClinicHead, Stranger = host.As(ReferralHost.Stranger, "Head"), WrongRole = Clinic },
        new("post /v1/referrals") { Body = A.UpwardSlip().ToJsonString(), Party = _ => Clinic, WrongRole = host.As(ReferralHost.Township, "Insurer") },
    ];

    private static Task<string[]> Things(params string[] keys) => Task.FromResult(keys);
    private HttpClient Operator => host.As(ReferralHost.County, "Operator");
    private HttpClient Office(Operation _) => host.As(ReferralHost.County, "AllianceOffice");

    private async Task<string[]> Medicine()
    {
        await host.Database.Execute("insert into formulary (institution, drug) values (@Township, '氨氯地平片 5mg') on conflict do nothing", new { ReferralHost.Township });
        return [ReferralHost.Township, "氨氯地平片 5mg"];
    }

    private async Task<string[]> AttachedFile()
    {
        var referral = await A.Submitted(host);
        var upload = new HttpRequestMessage(HttpMethod.Post, $"/v1/referrals/{referral.Id}/attachments") { Content = new ByteArrayContent("%PDF-1.7"u8.ToArray()) };
        upload.Content.Headers.ContentType = new("application/pdf");
        upload.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        var file = (await (await Clinic.SendAsync(upload)).Json()).GetProperty("id").GetGuid();
        await referral.Tries("attach", new { title = "CT", recognised = false, attachment = file }, by: ReferralHost.Township);
        return [referral.Id.ToString(), file.ToString()];
    }

    private async Task<string[]> Glass()
    {
        var referral = await A.Submitted(host);
        var broken = await host.As(ReferralHost.County, subject: "dr-" + Guid.NewGuid().ToString("n")[..8])
            .Command($"/v1/referrals/{referral.Id}/break-glass", new { reason = "EmergencyCare", text = "患者昏迷送至我院急诊抢救" });
        return [(await broken.Json()).GetProperty("id").GetString()!];
    }

    protected override IReadOnlyCollection<string> WithoutToken =>
    [
        .. base.WithoutToken, "get /.well-known/jwks.json", "get /v1/open/indicators", "post /oauth2/token", "get /oauth2/jwks", "get /.well-known/oauth-authorization-server",
    ];

    private async Task<string> Complaint()
    {
        var referral = await A.Submitted(host);
        var filed = await Clinic.Command($"/v1/referrals/{referral.Id}/complaints", new { about = "Delay", against = ReferralHost.Tertiary, text = "x" });
        return (await filed.Json()).GetProperty("no").GetString()!;
    }

    private HttpClient ClinicHead => host.As(ReferralHost.Township, "Head");
    private HttpClient Head => host.As(ReferralHost.Tertiary, "Head");
    private HttpClient Stranger => host.As(ReferralHost.Stranger);
    private HttpClient Clinic => host.As(ReferralHost.Township);

    [Fact]
    public async Task A_stranger_who_knows_the_number_finds_nothing_either()
    {
        var referral = await A.Submitted(host);
        foreach (var operation in Operation.Of(Service).Where(o => o.Path.StartsWith("/v1/referrals/{id}", StringComparison.Ordinal)))
            await Refused(operation, Stranger, operation.Request([referral.No, Guid.NewGuid().ToString()], body: operation.Verb == "attachments" ? "%PDF-1.7" : null), 404, "not-found");
    }

    // who belongs to another house in every role that could see something, also in the name of the victim's
    private IEnumerable<(string Who, HttpClient Client)> Strangers() =>
    [
        .. new[] { "Clinician", "Registrar", "Head", "Coordinator", "AllianceOffice" }.Select(role => (role, host.As(ReferralHost.Stranger, role))),
        ("office for the sender", host.As(ReferralHost.Stranger, "AllianceOffice", onBehalfOf: ReferralHost.Township)),
        ("office for the receiver", host.As(ReferralHost.Stranger, "AllianceOffice", onBehalfOf: ReferralHost.Tertiary)),
        ("software for a clinician of the sender", host.As(ReferralHost.Stranger, "Machine", onBehalfOf: "dr-0103")),
    ];

    [Fact]
    public async Task No_filter_and_no_cursor_of_any_list_shows_a_stranger_what_is_not_his()
    {
        var ownNo = "HIS-" + Guid.NewGuid().ToString("n")[..12];
        A[] victims = [await A.Submitted(host, slip => slip["senderOwnNo"] = ownNo), await A.Submitted(host, slip => slip["senderOwnNo"] = ownNo)];
        var complaints = new List<string>();
        foreach (var victim in victims)
            complaints.Add((await (await Clinic.Command($"/v1/referrals/{victim.Id}/complaints", new { about = "Delay", against = ReferralHost.Tertiary, text = "x" })).Json()).GetProperty("no").GetString()!);
        var contract = await Alliances.Residents.Signed(host);
        var episode = victims[0].Last.GetProperty("episodeId").GetString()!;
        string[] secrets = [.. victims.SelectMany(v => new[] { v.Id.ToString(), v.No }), episode, ownNo, contract, .. complaints];
        // whatever a filter could be given that leads to it; the document says which filters there are
        string[] values = [.. secrets, ReferralHost.Township, ReferralHost.Tertiary, "sender", "receiver", "Submitted", "Up", "03.03", "true", "al-county", "2020-01-01", "2020-01-01T00:00:00Z"];

        var (asked, turned) = (0, 0);
        foreach (var operation in Operation.Of(Service).Where(o => o is { Method: "get", NeedsToken: true } && o.Query.Any() && !o.Path.Contains('{')))
        {
            var queries = operation.Query.Where(p => p != "cursor").SelectMany(p => values.Select(v => $"?{p}={Uri.EscapeDataString(v)}")).ToArray();
            foreach (var (who, client) in Strangers())
                foreach (var query in queries)
                {
                    var (status, body) = await Ask(operation, client, operation.Request([], query));
                    secrets.Where(s => body.Contains(s, StringComparison.OrdinalIgnoreCase)).Should().BeEmpty("{0} asked {1}{2} and was answered {3}", who, operation, query, status);
                    asked++;
                }
            if (!operation.Query.Contains("cursor"))
                continue;
            // the next page of somebody who may
            foreach (var party in new[] { Clinic, host.As(ReferralHost.Township, "Head"), Office(operation) })
            {
                var (status, first) = await Ask(operation, party, operation.Request([], "?limit=1"));
                if (status != 200 || !System.Text.Json.JsonDocument.Parse(first).RootElement.TryGetProperty("next", out var next) || next.GetString() is not { } cursor)
                    continue;
                foreach (var (who, client) in Strangers())
                {
                    var (_, body) = await Ask(operation, client, operation.Request([], "?limit=1&cursor=" + Uri.EscapeDataString(cursor)));
                    secrets.Where(s => body.Contains(s, StringComparison.OrdinalIgnoreCase)).Should().BeEmpty("{0} came to {1} with somebody else's cursor", who, operation);
                    turned++;
                }
            }
        }
        asked.Should().BeGreaterThan(1000);
        turned.Should().BePositive();
        // they are there for those who may see them, or this would find nothing anywhere
        (await Clinic.GetStringAsync($"/v1/referrals?ownNo={ownNo}")).Should().ContainAll(victims.Select(v => v.No));
    }

    [Fact]
    public async Task Nobody_is_let_in_by_naming_the_house_it_belongs_to()
    {
        var referral = await A.Submitted(host);
        var episode = referral.Last.GetProperty("episodeId").GetString()!;
        foreach (var (who, client) in Strangers().Where(s => s.Who.Contains(' ', StringComparison.Ordinal)))
        {
            foreach (var operation in Operation.Of(Service).Where(o => o.Path.StartsWith("/v1/referrals/{id}", StringComparison.Ordinal) || o.Path == "/v1/episodes/{id}"))
            {
                var id = operation.Path.StartsWith("/v1/episodes", StringComparison.Ordinal) ? episode : referral.Id.ToString();
                var (status, body) = await Ask(operation, client, operation.Request([id, Guid.NewGuid().ToString()], body: operation.Verb == "attachments" ? "%PDF-1.7" : null));
                status.Should().BeOneOf([403, 404], "{0} asked {1} and was answered {2}", who, operation, body);
                body.Should().NotContain(referral.No);
            }
        }
        (await referral.Events()).Should().Equal("submitted");
    }

    [Fact]
    public async Task The_wrong_side_gets_403_from_every_move_that_is_not_its_own()
    {
        var referral = await A.Submitted(host);
        var refused = 0;
        foreach (var operation in Operation.Of(Service).Where(o => o.Method == "post" && OnlyReceiver.Contains(o.Verb)))
        {
            await Refused(operation, host.As(ReferralHost.Township), operation.Request([referral.Id.ToString()]), 403, "forbidden");
            refused++;
        }
        refused.Should().Be(OnlyReceiver.Count);
        referral.Actions.Should().NotIntersectWith(OnlyReceiver);
    }

    private static readonly HashSet<string> OnlyReceiver =
    [
        "acknowledge", "claim", "assign", "release", "request-information", "withdraw-question", "accept", "decline", "advise",
        "convert", "report", "withdraw-acceptance", "no-show", "arrive", "start-treatment", "interim-note", "complete-treatment",
        "return", "refer-onward", "complete-without-return", "follow-up", "finish", "re-refer", "refuse-cancellation",
        "confirm-cancellation", "lower-priority",
    ];
}
