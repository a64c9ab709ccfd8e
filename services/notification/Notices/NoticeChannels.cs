using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Mail;
using System.Text;

namespace NotificationService;

/// <summary>What came of handing a notice over.</summary>
/// <param name="Failure">Null when it was taken.</param>
/// <param name="ForGood">Trying again would not help.</param>
internal sealed record HandedOver(string Channel, string? Failure, bool ForGood);

/// <summary>
/// Ways to a person: e-mail over SMTP, text messages over a gateway that takes
/// <c>POST {"id", "to", "text"}</c> and answers 2xx. The id is the same on a repetition, so that a gateway can drop it.
/// </summary>
internal sealed class NoticeChannels(NoticeSettings settings) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly HttpClient _gateway = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { Timeout = Patience };

    public Task<HandedOver> Send(Guid id, string? phone, string? email, string language, string text, CancellationToken ct) =>
        phone is not null ? Sms(id, phone, text, ct)
        : email is not null ? Mail(id, email, language, text, ct)
        : Task.FromResult(new HandedOver("none", "no-recipient", true));

    private async Task<HandedOver> Sms(Guid id, string phone, string text, CancellationToken ct)
    {
        if (settings.SmsUrl is null)
            return new("sms", "no-gateway", true);
        using var request = new HttpRequestMessage(HttpMethod.Post, settings.SmsUrl) { Content = JsonContent.Create(new { id, to = phone, text }) };
        if (settings.SmsToken is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", settings.SmsToken);
        try
        {
            using var answer = await _gateway.SendAsync(request, ct);
            var status = (int)answer.StatusCode;
            return new("sms", answer.IsSuccessStatusCode ? null : "status-" + status, status is >= 400 and < 500 and not (408 or 425 or 429));
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !ct.IsCancellationRequested)
        {
            return new("sms", "unreachable", false);
        }
    }

    private async Task<HandedOver> Mail(Guid id, string email, string language, string text, CancellationToken ct)
    {
        if (settings.SmtpHost is null)
            return new("email", "no-server", true);
        try
        {
            using var smtp = new SmtpClient(settings.SmtpHost, settings.SmtpPort) { EnableSsl = settings.SmtpTls, Timeout = (int)Patience.TotalMilliseconds };
            if (settings.SmtpUser is not null)
                smtp.Credentials = new System.Net.NetworkCredential(settings.SmtpUser, settings.SmtpPassword);
            using var mail = new MailMessage(settings.SmtpFrom, email)
            {
                Subject = language == "zh" ? "转诊通知" : "Your referral", SubjectEncoding = Encoding.UTF8,
                Body = text, BodyEncoding = Encoding.UTF8,
            };
            mail.Headers.Add("Message-ID", $"<{id}@referral>");
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
            timeout.CancelAfter(Patience);
            await smtp.SendMailAsync(mail, timeout.Token);
            return new("email", null, false);
        }
        catch (FormatException)
        {
            return new("email", "no-address", true);
        }
        catch (SmtpException e)
        {
            // a mailbox that does not exist stays so
            return new("email", "smtp-" + e.StatusCode, e.StatusCode is SmtpStatusCode.MailboxUnavailable or SmtpStatusCode.MailboxNameNotAllowed or SmtpStatusCode.UserNotLocalTryAlternatePath);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException && !ct.IsCancellationRequested)
        {
            return new("email", "unreachable", false);
        }
    }

    public void Dispose() => _gateway.Dispose();
}
