using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace TestKit;

/// <summary>A synthetic patient whose every value is known, so that it can be looked for wherever it must not stand.</summary>
public static partial class KnownPatient
{
    public const string Name = "欧阳密语", BirthDate = "1990-03-07", IdNo = "110101199003074215", Phone = "13987650123",
        Email = "nowhere-to-be-found@example.org", Street = "演示市隐名路九十九号";

    /// <summary>What is said of the patient, in whatever field takes words.</summary>
    public const string Words = "此话不得外传";

    /// <summary>Each value as it is, in an address, in base 64 and in hexadecimal.</summary>
    public static readonly IReadOnlyList<string> Secrets =
    [
        .. new[] { Name, IdNo, Phone, Email, Street, Words }.SelectMany(s => new[]
            { s, Uri.EscapeDataString(s), Convert.ToBase64String(Encoding.UTF8.GetBytes(s)), Convert.ToHexStringLower(Encoding.UTF8.GetBytes(s)) }).Distinct(),
    ];

    /// <summary>The patient as a slip names one.</summary>
    public static JsonObject Identity(string street = Street) => new()
    {
        ["name"] = Name, ["sex"] = "1", ["birthDate"] = BirthDate, ["idNo"] = IdNo, ["phone"] = Phone, ["email"] = Email, ["address"] = street,
    };

    /// <summary>Makes a slip one about this patient.</summary>
    public static void PutInto(JsonObject slip)
    {
        slip["patient"] = Identity();
        slip["presentIllness"] = Words;
    }

    /// <summary>True when a secret stands in a text, also where JSON has escaped it, once or more often.</summary>
    public static bool Tells(string text, string secret)
    {
        if (text.Contains("\\u", StringComparison.Ordinal))
            text = Escaped().Replace(text, m => ((char)Convert.ToInt32(m.Groups[1].Value, 16)).ToString());
        return text.Contains(secret, StringComparison.OrdinalIgnoreCase);
    }

    [GeneratedRegex(@"\\+u([0-9a-fA-F]{4})")]
    private static partial Regex Escaped();
}
