using System.Diagnostics;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Conformance;

/// <summary>Sends a receiver what it may meet, good and bad, and says what it did wrong.</summary>
internal sealed class ReceiverCheck(Uri receiver, string secret, Uri? state, string golden, TimeSpan answerWithin) : IDisposable
{
    /// <summary>So long an attempt is waited for.</summary>
    public static readonly TimeSpan Usual = TimeSpan.FromSeconds(15);

    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false }) { Timeout = answerWithin };
    private readonly List<string> _wrong = [];
    private readonly List<string> _taken = [], _forged = [];

    // bytes beyond ASCII go as they are
    private static readonly JsonSerializerOptions AsItIs = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public int Sent { get; private set; }
    public TimeSpan Slowest { get; private set; }

    /// <summary>What was wrong, in sentences; nothing when the receiver may go live.</summary>
    public async Task<IReadOnlyList<string>> Run()
    {
        foreach (var file in Directory.GetFiles(golden, "*.json").Order())
            await Takes(Event(file), $"an event {Path.GetFileNameWithoutExtension(file)}",
                "Take every type, also those you have no use for; if all are refused, compare the secrets and verify the bytes as they came.");
        await Later();
        await Repeated();
        await OutOfOrder();
        await Rotated();
        await Forged();
        if (state is not null)
            await Made();
        return _wrong;
    }

    private async Task Later()
    {
        const string ignore = "Ignore what you do not know: later versions add types and members.";
        var unknown = Some("referral.accepted");
        unknown["type"] = "referral.up.something-of-a-later-version";
        await Takes(unknown, "an event of a type it does not know", ignore);
        var more = Some("referral.accepted");
        more["data"]!["memberOfALaterVersion"] = new JsonObject { ["a"] = 1 };
        more["attributeoflater"] = "x";
        await Takes(more, "an event with members it does not know", ignore);
        var words = Some("referral.accepted");
        words["data"]!["memberOfALaterVersion"] = "汉字 😀 \\u0041 \"quoted\"";
        await Takes(words, "an event with characters beyond ASCII", "Verify the bytes as they came, before anything parses them: a text made anew has others.");
    }

    private async Task Repeated()
    {
        const string takeIt = "Take what you know already, too, without acting on it: refused it comes again and again.";
        var message = new Message(Some("referral.submitted"));
        await Takes(message, "a message", "Compare the secrets and verify the bytes as they came.");
        await Takes(message, "the same message again", takeIt);
        await Takes(message with { Timestamp = message.Timestamp + 5 }, "the same message at another time, as a retry is signed anew", takeIt);
    }

    private async Task OutOfOrder()
    {
        var (id, no) = (Guid.NewGuid().ToString(), "U" + RandomNumberGenerator.GetInt32(100_000_000, 999_999_999));
        foreach (var sequence in new[] { 1, 3, 2, 5, 4 })
        {
            var e = Some("referral.note-added");
            (e["subject"], e["sequence"]) = (no, sequence.ToString());
            (e["data"]!["id"], e["data"]!["referralNo"], e["data"]!["sequence"]) = (id, no, sequence);
            await Takes(e, $"event {sequence} of a referral, out of order",
                "Take late events, too, and let a higher sequence stand; or create the endpoint with inOrder.");
        }
    }

    private async Task Rotated()
    {
        const string anyOf = "One signature that fits is enough: split the header at the blanks and try each that begins with v1,.";
        var message = new Message(Some("referral.scheduled"));
        await Takes(message with { Signature = m => $"v1,{Signed(m, NewSecret())} v1,{Signed(m, secret)}" }, "a message whose second signature fits, as while a secret is replaced", anyOf);
        message = new Message(Some("referral.scheduled"));
        await Takes(message with { Signature = m => $"v1,{Signed(m, secret)} v1,{Signed(m, NewSecret())}" }, "a message whose first signature fits", anyOf);
        message = new Message(Some("referral.scheduled"));
        await Takes(message with { Signature = m => $"v1a,bm90IG91cnM= v1,{Signed(m, secret)}" }, "a message with a signature of another version beside ours", anyOf);
    }

    private async Task Forged()
    {
        const string verify = "Compute the HMAC of id.timestamp.body over the bytes as they came and compare all of it.";
        const string fresh = "Refuse what was signed more than five minutes ago or ahead, and keep your clock right.";
        const string complete = "Refuse a message that lacks webhook-id, webhook-timestamp or webhook-signature.";
        await Refuses(m => m with { Body = m.Body.Replace("\"specversion\":\"1.0\"", "\"specversion\": \"1.0\"", StringComparison.Ordinal), SignedBody = m.Body }, "a body that was changed by one blank", verify);
        await Refuses(m => m with { Body = Flipped(m.Body), SignedBody = m.Body }, "a body of which one byte was flipped", verify);
        await Refuses(m => m with { Signature = s => "v1," + Signed(s, NewSecret()) }, "a signature with another secret", verify);
        await Refuses(m => m with { Signature = s => "v1," + Flipped(Signed(s, secret)) }, "a signature of which one character was changed", verify);
        await Refuses(m => m with { Id = Guid.NewGuid().ToString(), SignedId = m.Id }, "a signature that belongs to another id", verify);
        await Refuses(m => m with { SignedTimestamp = m.Timestamp - 60 }, "a signature that belongs to another time", verify);
        await Refuses(m => m with { Signature = _ => null }, "a message without a signature", complete);
        await Refuses(m => m with { Signature = _ => "v1," }, "an empty signature", complete);
        await Refuses(m => m with { Without = "webhook-id" }, "a message without an id", complete);
        await Refuses(m => m with { Without = "webhook-timestamp" }, "a message without a time", complete);
        await Refuses(m => m with { Signature = s => "v2," + Signed(s, secret) }, "a signature of a version that does not exist", "Only v1 is signed as you verify it: refuse what has no v1 signature that fits.");
        await Refuses(m => m with { Timestamp = m.Timestamp - 600 }, "a message that was signed ten minutes ago", fresh);
        await Refuses(m => m with { Timestamp = m.Timestamp + 600 }, "a message from ten minutes in the future", fresh);
    }

    // the last letter of the type: still JSON, still the same length
    private static string Flipped(string text)
    {
        var at = text.IndexOf("\"type\":\"", StringComparison.Ordinal) is >= 0 and var i ? text.IndexOf('"', i + 8) - 1 : text.Length / 2;
        return text[..at] + (text[at] == 'a' ? 'b' : 'a') + text[(at + 1)..];
    }

    private async Task Made()
    {
        try
        {
            var acted = JsonSerializer.Deserialize<string[]>(await _http.GetStringAsync(state)) ?? [];
            foreach (var id in _taken.Distinct())
                switch (acted.Count(a => a == id))
                {
                    case 0: _wrong.Add($"event {id} was taken and nothing came of it. Answer 2xx only when the event is stored."); break;
                    case > 1: _wrong.Add($"event {id} took effect more than once. Remember each webhook-id, in the transaction of its effect."); break;
                }
            _wrong.AddRange(_forged.Where(acted.Contains).Select(id => $"forged event {id} took effect. Verify before you act, not afterwards."));
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or JsonException)
        {
            _wrong.Add("what it made of the events could not be read: it should answer a JSON array of ids");
        }
    }

    /// <summary>A message on its way; what is signed may be something else than what is sent.</summary>
    private sealed record Message
    {
        public Message(JsonObject e)
        {
            EventId = e["id"]!.GetValue<string>();
            Body = e.ToJsonString(AsItIs);
        }

        public string EventId { get; }
        public string Id { get; init; } = Guid.NewGuid().ToString();
        public long Timestamp { get; init; } = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        public string Body { get; init; }
        public string? SignedId { get; init; }
        public long? SignedTimestamp { get; init; }
        public string? SignedBody { get; init; }
        public Func<Message, string?>? Signature { get; init; }
        /// <summary>A header that is left out.</summary>
        public string? Without { get; init; }
    }

    private Task Takes(JsonObject e, string what, string advice) => Takes(new Message(e), what, advice);

    private async Task Takes(Message message, string what, string advice)
    {
        _taken.Add(message.EventId);
        var (status, failure) = await Post(message);
        if (failure is not null)
            _wrong.Add($"{what}: {failure}");
        else if (status is >= 300 and < 400)
            _wrong.Add($"{what}: answered {status}, expected 2xx. A redirect is never followed: name the address that takes it.");
        else if (status is < 200 or > 299)
            _wrong.Add($"{what}: answered {status}, expected 2xx. {advice}");
    }

    private async Task Refuses(Func<Message, Message> forge, string what, string advice)
    {
        var message = forge(new(Some("referral.submitted")));
        _forged.Add(message.EventId);
        var (status, failure) = await Post(message);
        if (failure is not null)
            _wrong.Add($"{what}: {failure}");
        else if (status is < 400 or > 499)
            _wrong.Add($"{what}: answered {status}, expected a refusal (4xx). {advice}");
    }

    private async Task<(int Status, string? Failure)> Post(Message message)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, receiver) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(message.Body)) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/cloudevents+json") { CharSet = "utf-8" };
        if (message.Without != "webhook-id")
            request.Headers.Add("webhook-id", message.Id);
        if (message.Without != "webhook-timestamp")
            request.Headers.Add("webhook-timestamp", message.Timestamp.ToString());
        if ((message.Signature is { } signature ? signature(message) : "v1," + Signed(message, secret)) is { } text)
            request.Headers.TryAddWithoutValidation("webhook-signature", text);
        var started = Stopwatch.GetTimestamp();
        try
        {
            using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            return ((int)answer.StatusCode, null);
        }
        catch (TaskCanceledException)
        {
            return (0, $"no answer within {answerWithin.TotalSeconds:0} s. Store the event, answer, and do the work afterwards.");
        }
        catch (HttpRequestException e)
        {
            return (0, $"no answer: {e.HttpRequestError}. Is the address reachable from here, and its certificate good?");
        }
        finally
        {
            Sent++;
            Slowest = Stopwatch.GetElapsedTime(started) is var took && took > Slowest ? took : Slowest;
        }
    }

    private static string Signed(Message message, string secret) => Convert.ToBase64String(HMACSHA256.HashData(
        Convert.FromBase64String(secret["whsec_".Length..]),
        Encoding.UTF8.GetBytes($"{message.SignedId ?? message.Id}.{message.SignedTimestamp ?? message.Timestamp}.{message.SignedBody ?? message.Body}")));

    private static string NewSecret() => "whsec_" + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    private JsonObject Some(string name) => Event(Path.Combine(golden, name + ".json"));

    // ids of its own in each run: a receiver remembers those it has seen
    private static JsonObject Event(string file)
    {
        var e = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        (e["id"], e["time"]) = (Guid.NewGuid().ToString(), DateTimeOffset.UtcNow.ToString("O"));
        return e;
    }

    public void Dispose() => _http.Dispose();
}
