using Microsoft.AspNetCore.Http;
using ServiceDefaults.Http;

namespace ServiceDefaults.Auth;

/// <summary>What a person or program does at its institution.</summary>
public enum Role
{
    Clinician,
    /// <summary>Referral office (转诊办), assigns and watches.</summary>
    Coordinator,
    /// <summary>Head of a department, a clinic or the medical office: signs.</summary>
    Head,
    /// <summary>Desk: arrivals, departures, bookings.</summary>
    Registrar,
    /// <summary>Office of the alliance, acts for a member with <c>onBehalfOf</c>.</summary>
    AllianceOffice,
    Insurer,
    /// <summary>Health bureau: counts, no patients.</summary>
    Regulator,
    Auditor,
    Operator,
    /// <summary>Software of an institution; for a clinician's move it names the clinician in <c>onBehalfOf</c>.</summary>
    Machine,
}

/// <summary>Who is calling, for which institution, and why: read from the token, never from the body.</summary>
public sealed record Caller(
    string Subject,
    string Institution,
    Role Role,
    string? Department,
    string Purpose,
    string? OnBehalfOf)
{
    /// <summary>Owner of idempotency keys.</summary>
    public string Scope => Institution + "|" + Subject;

    /// <summary>The caller of an authenticated request, or 403 when the token lacks institution or role or has one of another shape.</summary>
    public static (Caller? Caller, Problem? Problem) Of(HttpContext http)
    {
        string? subject = null, institution = null, role = null, department = null, purpose = null, onBehalfOf = null;
        foreach (var claim in http.User.Claims)
        {
            var once = claim.Type switch
            {
                "sub" => Once(ref subject, claim.Value, 128, c => c is > ' ' and <= '~'),
                "institution" => Once(ref institution, claim.Value, 64, IsOfCode),
                "role" => Once(ref role, claim.Value, 64, IsOfCode),
                "department" => Once(ref department, claim.Value, 20, IsOfCode),
                "purpose" => Once(ref purpose, claim.Value, 40, c => char.IsAsciiLetterUpper(c) || c == '_'),
                // a clinician for a machine, a member for the alliance office: one of them, and an id
                "onBehalfOf" => Once(ref onBehalfOf, claim.Value, 64, c => IsOfCode(c) || c == '@'),
                _ => true,
            };
            if (!once)
                return (null, Unusable(claim.Type));
        }
        if (subject is null || institution is null || !Enum.TryParse<Role>(role, out var known) || !Enum.IsDefined(known) || known.ToString() != role)
            return (null, Unusable(subject is null ? "sub" : institution is null ? "institution" : "role"));
        return (new(subject, institution, known, department, purpose ?? "TREATMENT", onBehalfOf), null);
    }

    // a person acts for one institution in one role: a claim that says two things says nothing
    private static bool Once(ref string? claim, string value, int longest, Func<char, bool> allowed)
    {
        if (claim is not null || value.Length == 0 || value.Length > longest)
            return false;
        foreach (var c in value)
            if (!allowed(c))
                return false;
        claim = value;
        return true;
    }

    private static bool IsOfCode(char c) => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-';

    private static Problem Unusable(string claim) => new(Problems.Forbidden)
    {
        Detail = new($"The token's claim '{claim}' is missing, repeated or of another shape.", $"令牌声明 {claim} 缺失、重复或格式不正确。"),
    };
}
