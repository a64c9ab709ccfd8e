using System.Text.RegularExpressions;

namespace ReferralService.Patients;

/// <summary>One plain mailbox, nothing that a mail server could read as two or as a header.</summary>
internal static partial class EmailAddress
{
    // RFC 5321 4.5.3.1.3: a path of 256, its brackets included
    private const int Longest = 254;

    public static bool IsOne(string text) => text.Length <= Longest && Mailbox().IsMatch(text);

    // RFC 5322 3.4.1 without quotes and comments, RFC 1035 2.3.1 for the host; $ would let a line break pass
    [GeneratedRegex(@"^(?=[^@]{1,64}@)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])\z",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Mailbox();
}
