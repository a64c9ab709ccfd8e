using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Deployed;

namespace Faults;

/// <summary>
/// Synthetic patients whose every value can be found again wherever it leaks to: what <see cref="Marks"/>
/// finds appears nowhere else.
/// </summary>
internal static class Patients
{
    private const string Name = "甄密", Region = "210699", Phone = "1397777", Email = "unseen7777", Address = "保密路", Illness = "隐语症", DoctorsPhone = "1387777";

    /// <summary>What must be in no log, trace, metric, event, notice or problem; to .NET and PostgreSQL the same.</summary>
    public const string Marks = "甄密|210699[0-9]{11}[0-9X]|13[98]7777[0-9]{4}|unseen7777|保密路|隐语症";

    private static readonly Regex Any = new(Marks), Escaped = new(@"\\u([0-9a-fA-F]{4})");

    /// <summary>True when a patient's value stands in a text, also where JSON has escaped it.</summary>
    public static bool AppearIn(string text) =>
        Any.IsMatch(text) || text.Contains("\\u", StringComparison.Ordinal) && Any.IsMatch(Escaped.Replace(text, m => ((char)Convert.ToInt32(m.Groups[1].Value, 16)).ToString()));

    // not the seed's: two cases never refer the same person
    private static int _next = Random.Shared.Next(1_000_000, 20_000_000);

    /// <summary>A filled slip about another patient each time.</summary>
    public static JsonObject Slip(string to = Alliance.Tertiary, string department = "03.03")
    {
        var n = Interlocked.Increment(ref _next);
        var born = new DateOnly(1930, 1, 1).AddDays(n / 900 % 25_000);
        var number = n % 900;
        var male = number % 2 == 1;
        // the demo's slip for what the alliance's rules ask for; whatever is a patient's comes from here
        var slip = A.Slip("01");
        slip["patient"] = new JsonObject
        {
            ["name"] = Name + (char)('一' + n % 2000), ["sex"] = male ? "1" : "2", ["birthDate"] = born.ToString("yyyy-MM-dd"),
            ["idType"] = "ResidentId", ["idNo"] = Checked($"{Region}{born:yyyyMMdd}{number:000}"),
            ["phone"] = $"{Phone}{n % 10_000:0000}", ["email"] = $"{Email}.{n}@example.org", ["address"] = $"演示市{Address}{n}号",
        };
        slip["to"] = new JsonObject { ["institution"] = to, ["department"] = department };
        slip["impression"] = "高血压3级 " + Illness;
        slip["presentIllness"] = Illness + "三日";
        slip["pastHistory"] = Illness + "十年";
        slip["diagnosis"]!["text"] = Illness;
        slip["referrer"]!["phone"] = DoctorsPhone + "0000";
        return slip;
    }

    // GB 11643: the eighteenth character
    private static string Checked(string digits)
    {
        ReadOnlySpan<int> weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        var sum = 0;
        for (var i = 0; i < 17; i++)
            sum += (digits[i] - '0') * weights[i];
        return digits + "10X98765432"[sum % 11];
    }
}
