namespace ReferralService.Patients;

/// <summary>National check characters.</summary>
internal static class CheckDigits
{
    private static readonly int[] ResidentWeights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    private const string ResidentChecks = "10X98765432";
    private const string InstitutionLetters = "0123456789ABCDEFGHJKLMNPQRTUWXY";

    /// <summary>Resident identity number, GB 11643: 17 digits and a check character; the birth date must exist.</summary>
    /// <returns>Birth date and sex (odd seventeenth digit = male), or null when the number cannot be right.</returns>
    public static (DateOnly BirthDate, string Sex)? ResidentId(string number)
    {
        if (number.Length != 18)
            return null;
        var sum = 0;
        for (var i = 0; i < 17; i++)
        {
            if (!char.IsAsciiDigit(number[i]))
                return null;
            sum += (number[i] - '0') * ResidentWeights[i];
        }
        if (char.ToUpperInvariant(number[17]) != ResidentChecks[sum % 11])
            return null;
        return DateOnly.TryParseExact(number.AsSpan(6, 8), "yyyyMMdd", out var birth)
            ? (birth, (number[16] - '0') % 2 == 1 ? "1" : "2")
            : null;
    }

    /// <summary>Unified social credit code, GB 32100: 18 of 31 letters, weights 3^i mod 31.</summary>
    public static bool InstitutionCode(string code)
    {
        if (code.Length != 18)
            return false;
        int sum = 0, weight = 1;
        for (var i = 0; i < 17; i++)
        {
            var value = InstitutionLetters.IndexOf(code[i]);
            if (value < 0)
                return false;
            sum += value * weight;
            weight = weight * 3 % 31;
        }
        return code[17] == InstitutionLetters[(31 - sum % 31) % 31];
    }
}
