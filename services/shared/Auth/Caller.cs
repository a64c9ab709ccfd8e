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

    /// <summary>The caller of an authenticated request, or 403 when the token lacks institution or role.</summary>
    public static (Caller? Caller, Problem? Problem) Of(HttpContext http)
    {
        var user = http.User;
        var subject = user.FindFirst("sub")?.Value;
        var institution = user.FindFirst("institution")?.Value;
        if (string.IsNullOrEmpty(subject) || string.IsNullOrEmpty(institution)
            || !Enum.TryParse<Role>(user.FindFirst("role")?.Value, out var role) || !Enum.IsDefined(role))
            return (null, new Problem(Problems.Forbidden)
            {
                Detail = new("The token lacks a usable claim: sub, institution or role.", "令牌缺少可用的声明：sub、institution 或 role。"),
            });
        return (new(subject, institution, role, user.FindFirst("department")?.Value,
            user.FindFirst("purpose")?.Value ?? "TREATMENT", user.FindFirst("onBehalfOf")?.Value), null);
    }
}
