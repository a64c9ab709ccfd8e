using ReferralService.Alliances;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Workflow;

/// <summary>A body of a request that moves a referral.</summary>
internal interface ICommand
{
    /// <summary>What can be judged without looking anything up: missing, too long, impossible.</summary>
    void Check(Checks checks);
}

/// <summary>Which roles may do what, in the four groups the moves need.</summary>
internal static class Roles
{
    /// <summary>Clinical decisions.</summary>
    public static readonly Role[] Clinical = [Role.Clinician, Role.Coordinator, Role.Head, Role.Machine, Role.AllianceOffice];
    /// <summary>Also what a desk records: arrivals, departures, bookings, notes.</summary>
    public static readonly Role[] Desk = [.. Clinical, Role.Registrar];
    /// <summary>Distribution of work inside the receiver.</summary>
    public static readonly Role[] Office = [Role.Coordinator, Role.Head, Role.Machine, Role.AllianceOffice];
    /// <summary>Signing for the institution.</summary>
    public static readonly Role[] Signing = [Role.Head, Role.AllianceOffice];
}

/// <summary>Times in commands: a year that nobody can mean would break every sum that is made with it.</summary>
internal static class Times
{
    public static void Time(this Checks checks, DateTimeOffset? value, string pointer) => checks.Day(value is { } time ? ChinaTime.DayOf(time) : null, pointer);

    public static void Day(this Checks checks, DateOnly? value, string pointer) =>
        checks.That(value is null or { Year: >= 2000 and < 2100 }, pointer, "Not a possible date.", "日期不合理。");
}

/// <summary>Reasons in commands: a code of a list, and a text where the list demands one.</summary>
internal static class Reasons
{
    public const int TextLimit = 2000;

    private const string Unlisted = "OTHER";

    /// <summary>Checks the form; the list is looked up by <see cref="Give"/>.</summary>
    public static void Check(Checks checks, string? reason, string? text)
    {
        checks.Text(reason, "/reason", 64);
        checks.Text(text, "/text", TextLimit, required: false);
    }

    /// <summary>422 when the list does not know the code, or demands a text; otherwise notes it on the move.</summary>
    public static Problem? Give(this Move move, string list, string? reason, string? text)
    {
        var day = ChinaTime.DayOf(move.Now);
        var found = move.Alliance.Reason(list, reason!, day);
        // a timer or another service tells what has happened: it did, whatever a later version calls the reason
        if (move.Actor.Sides == Side.System)
        {
            (move.Reason, move.Words) = (found?.Code ?? Unlisted, text);
            return null;
        }
        if (found is not { } known)
            return NotAllowed("Not a code of the list {0}.", "不在 {0} 代码表中。");
        if (!known.MayBeGivenBy(move.Actor))
            return NotAllowed("Your side or role may not give this reason of the list {0}.", "您所在一方或角色不能使用 {0} 中的该原因。");
        if (known.TextRequired && string.IsNullOrWhiteSpace(text))
            return Refusals.Rule("/text", "This reason needs a text.", "该原因必须填写说明。");
        move.Reason = reason;
        move.Words = text;
        return null;

        Problem NotAllowed(string en, string zh) => new(Refusals.RuleBroken)
        {
            Errors = [new("/reason", new(string.Format(en, list), string.Format(zh, list)))],
            More = new Dictionary<string, object?>
            {
                ["allowed"] = move.Alliance.ReasonsOf(list, day).Where(r => r.MayBeGivenBy(move.Actor)).Select(r => r.Code).Order(StringComparer.Ordinal).ToArray(),
            },
        };
    }

    /// <summary>True for the side and the roles that the list names. Only a timer or another service is no person.</summary>
    public static bool MayBeGivenBy(this ReasonCode reason, Actor actor)
    {
        if (actor.Sides == Side.System)
            return true;
        var side = reason.Side switch
        {
            "Sender" => Side.Sender | Side.Approver,
            "Receiver" => Side.Receiver,
            _ => ~Side.None,
        };
        return (actor.Sides & side) != 0 && (reason.Roles is null || reason.Roles.Contains(actor.Role));
    }
}
