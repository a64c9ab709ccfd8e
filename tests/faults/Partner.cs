using System.Net.Http.Headers;
using Deployed;
using TestKit;

namespace Faults;

/// <summary>A partner's endpoint for one case: taken away at its end, so that nothing of it is left waiting.</summary>
internal sealed class Partner : IAsyncDisposable
{
    private readonly Scene _scene;
    private readonly string _institution;
    private readonly Receiver? _receiver;

    private Partner(Scene scene, string institution, Receiver? receiver, Guid id) => (_scene, _institution, _receiver, Id) = (scene, institution, receiver, id);

    public Guid Id { get; }
    public Receiver Receiver => _receiver ?? throw new InvalidOperationException("This endpoint has another receiver.");

    /// <summary>Subscribes an institution; with a receiver of its own, or at an address that is somebody else's.</summary>
    public static async Task<Partner> Join(Scene scene, string institution, string? url = null, bool inOrder = true)
    {
        var receiver = url is null ? await Receiver.Open() : null;
        using var answer = await Ask(scene.Notification, institution, url ?? receiver!.Address + "/partner", inOrder);
        if (!answer.IsSuccessStatusCode)
            throw new InvalidOperationException($"An endpoint was refused: {await answer.Content.ReadAsStringAsync()}");
        return new(scene, institution, receiver, (await answer.Json()).GetProperty("id").GetGuid());
    }

    /// <summary>The request for an endpoint, for cases that look at its answer.</summary>
    public static Task<HttpResponseMessage> Ask(Service notification, string institution, string url, bool inOrder = true) =>
        notification.As(institution, "Operator").Command("/v1/endpoints", new { url, inOrder });

    public async ValueTask DisposeAsync()
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"/v1/endpoints/{Id}") { Headers = { IfMatch = { EntityTagHeaderValue.Any } } };
        using var answer = await _scene.Notification.As(_institution, "Operator").SendAsync(request);
        _scene.Expect(answer.IsSuccessStatusCode, $"an endpoint could not be deleted: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        if (_receiver is not null)
            await _receiver.DisposeAsync();
    }
}
