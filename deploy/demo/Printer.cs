using System.Diagnostics;

namespace ReferralDemo;

/// <summary>Writes the timeline as it happens, one aligned line per step. Never a patient: names come masked.</summary>
internal sealed class Printer(TextWriter to)
{
    private const int NumberWidth = 16;
    private const int NameWidth = 20;

    private readonly Lock _gate = new();
    private readonly long _began = Stopwatch.GetTimestamp();

    public TimeSpan SinceStart => Stopwatch.GetElapsedTime(_began);

    public void Title(string text) => Write($"\n── {text} ──");

    public void Say(string text) => Write(text);

    /// <summary>A remark inside a story, below the column of the numbers.</summary>
    public void Remark(string text) => Write($"{Clock}            {text}");

    /// <summary>Who did what, and where the referral stands now.</summary>
    public void Step(Case about, string name, string role, string verb, string state, TimeSpan took, string? detail = null) =>
        Write($"{Clock} {took.TotalMilliseconds,7:0} ms {Pad(about.No, NumberWidth)}{about.Arrow} {Pad(name, NameWidth)} {role,-11} "
            + $"{verb,-23} → {state}{(detail is null ? "" : "  " + detail)}");

    public void Webhook(Delivery delivery, string name) =>
        Write($"{Clock}            {Pad(delivery.Subject, NumberWidth)}⇠ webhook {delivery.Type} (#{delivery.Sequence}) signature ok  {name}");

    private void Write(string line)
    {
        lock (_gate)
        {
            to.WriteLine(line);
            to.Flush();
        }
    }

    private static string Clock => Day.Now.ToString("HH:mm:ss.fff");

    // a Chinese character takes two columns of a terminal
    private static string Pad(string text, int width) =>
        text + new string(' ', Math.Max(1, width - text.Sum(c => c >= 0x2E80 ? 2 : 1)));
}
