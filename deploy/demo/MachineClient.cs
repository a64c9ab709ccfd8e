using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>The township's software comes in with a client of its own, looks around, may not write, and is revoked.</summary>
internal sealed class MachineClient(Stage stage)
{
    public async Task Run(Slip slip)
    {
        var (api, printer) = (stage.Api, stage.Printer);
        printer.Title("A machine client 机器客户端");
        var head = stage.Cast.Doctor(slip.Institution, "demo-head") with { Role = "Head" };
        var made = await api.Referral.Post(head, "/v1/clients", new()
        {
            ["name"] = "HIS", ["scopes"] = new JsonArray("referral.read", "scheduling.read", "notification.read"), ["perMinute"] = 120,
        }, "to create a machine client");
        var (id, secret) = (made.Body.Text("id"), made.Body.Text("secret"));
        printer.Remark($"{head.Name} creates {id}: may read, 120 requests a minute");

        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        var token = await Token();
        foreach (var (service, path) in new[] { (api.Referral, "/v1/referrals?limit=1"), (api.Scheduling, "/v1/waiting-list?limit=1"), (api.Notification, "/v1/events?limit=1") })
            await Expect(200, HttpMethod.Get, service, path);
        await Expect(403, HttpMethod.Post, api.Referral, "/v1/referrals");
        printer.Remark("its token reads at all three services and writes at none");

        await api.Referral.Post(head, $"/v1/clients/{id}/revoke", [], "to revoke the machine client");
        await Expect(401, HttpMethod.Get, api.Referral, "/v1/referrals?limit=1");
        printer.Remark("revoked: its token opens nothing any more");

        async Task<string> Token()
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(api.Referral.Address, "/oauth2/token"))
            {
                Content = new FormUrlEncodedContent([new("grant_type", "client_credentials")]),
            };
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{id}:{secret}")));
            using var answer = await http.SendAsync(request);
            return answer.IsSuccessStatusCode ? JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.AsObject().Text("access_token")
                : throw new WalkFailed($"The machine client got no token: {(int)answer.StatusCode}.");
        }

        async Task Expect(int status, HttpMethod method, Service service, string path)
        {
            using var request = new HttpRequestMessage(method, new Uri(service.Address, path));
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var answer = await http.SendAsync(request);
            if ((int)answer.StatusCode != status)
                throw new WalkFailed($"The machine client should get {status} for {method} {path}, and got {(int)answer.StatusCode}.");
        }
    }
}
