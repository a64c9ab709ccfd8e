using System.Text.Json;

namespace NotificationService.Tests;

/// <summary>Every operation of the notification service; a new one needs a line here only when it is about something new.</summary>
[Collection("service")]
public sealed class EveryOperationTests(Service service) : EveryOperation<EveryOperationTests>, IOperationsOf
{
    private readonly string _hospital = "H" + Guid.NewGuid().ToString("n")[..17].ToUpperInvariant();

    public static string Service => "notification";

    protected override TestDatabase Database => service.Database;
    protected override HttpClient Anonymous => service.Anonymous();
    protected override string Denied => "verdict = 'denied'";

    protected override IReadOnlyList<OperationLine> Table =>
    [
        new("/v1/endpoints/{id}")
        {
            Thing = async () => [await Endpoint()], Party = Machine, Stranger = service.As("STRANGER"), WrongRole = service.As(_hospital, "Clinician"),
        },
        new("/v1/endpoints/{id}/messages/{message}/resend")
        {
            Thing = Message, Party = Machine, Stranger = service.As("STRANGER"), WrongRole = service.As(_hospital, "Clinician"),
        },
        new("/v1/endpoints") { Party = Machine, Stranger = service.As("STRANGER"), ForStranger = 200, WrongRole = service.As(_hospital, "Clinician") },
        new("/v1/broker-users/{id}")
        {
            Thing = async () => [await BrokerUser()], Party = Machine, Stranger = service.As("STRANGER"), WrongRole = service.As(_hospital, "Clinician"),
        },
        new("/v1/broker-users") { Party = Machine, WrongRole = service.As(_hospital, "Clinician") },
        new("get /v1/broker-users") { Party = Machine, Stranger = service.As("STRANGER"), ForStranger = 200, WrongRole = service.As(_hospital, "Clinician") },
        new("/v1/inbox") { Party = Machine, Stranger = service.As("STRANGER"), ForStranger = 200, WrongRole = service.As(_hospital, "Insurer") },
        new("/v1/inbox/{id}")
        {
            Thing = async () => [await InboxLine()], Party = Machine, Stranger = service.As("STRANGER"), WrongRole = service.As(_hospital, "Insurer"),
        },
        new("post /v1/endpoints") { Body = Address, Party = Machine, WrongRole = service.As(_hospital, "Clinician") },
        // everybody reads the events his institution is a party of, and no others
        new("/v1/events") { Party = Machine, Stranger = service.As("STRANGER"), ForStranger = 200 },
        new("/v1/audit") { Party = _ => service.As(_hospital, "Auditor"), WrongRole = service.As(_hospital, "Operator") },
    ];

    private const string Address = """{"url":"http://127.0.0.1:9/hook","description":"his","types":["referral.up.accepted"],"inOrder":false}""";

    private async Task<string> BrokerUser()
    {
        var id = Guid.CreateVersion7();
        await service.Database.Execute("""
            insert into broker_user (id, institution, name, created_by, created_at) values (@id, @_hospital, @id::text, 'his', now())
            """, new { id, _hospital });
        return id.ToString();
    }

    private async Task<string> InboxLine()
    {
        var submitted = A.Referral(receiver: _hospital).Next("submitted");
        await service.Publish(submitted);
        await service.Logged(submitted);
        return await Eventually.Get(async () => (await service.Database.Query<string>("""
            select i.thing::text from inbox_item i join event e on e.referral_id = i.thing where e.event_id = @Id
            """, new { submitted.Id })).SingleOrDefault(), "the line is there");
    }

    private async Task<string[]> Message()
    {
        var endpoint = await Endpoint();
        var ping = await service.As(_hospital).Command($"/v1/endpoints/{endpoint}/test").Json();
        return [endpoint, ping.GetProperty("messageId").GetString()!];
    }

    private HttpClient Machine(Operation operation) => service.As(_hospital);

    private async Task<string> Endpoint() =>
        (await service.As(_hospital).Command("/v1/endpoints", JsonSerializer.Deserialize<object>(Address)).Json()).GetProperty("id").GetString()!;
}
