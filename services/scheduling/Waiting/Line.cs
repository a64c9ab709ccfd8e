using Dapper;

namespace SchedulingService.Waiting;

/// <summary>
/// The line that patients stand in for one kind of place: of one institution, and where it matters of one department.
/// <para>
/// Whoever books, frees or publishes places passes the line first, one after the other. So between two transactions no
/// place is ever free that somebody in its line could use: without that, one who finds nothing free and one who frees
/// a place at the same moment would miss each other.
/// </para>
/// </summary>
internal readonly record struct Line(string Institution, string Department, string Resource)
{
    private const string AnyDepartment = "";

    /// <summary>
    /// The line for a kind of place. Beds of an institution form one line, whatever ward they stand in; so do the first
    /// visits of a primary institution, where departments are a formality.
    /// </summary>
    public static Line Of(string institution, string? department, string resource) => resource switch
    {
        Resources.Bed or Resources.Ward => new(institution, AnyDepartment, Resources.Bed),
        Resources.Visit => new(institution, AnyDepartment, Resources.Visit),
        _ => new(institution, department ?? AnyDepartment, resource),
    };

    public bool IsForBeds => Resource == Resources.Bed;

    /// <summary>How the line is written in the tables: <c>12210600DEM0000149/03.03/Slot</c>.</summary>
    public string Name => $"{Institution}/{Department}/{Resource}";

    /// <summary>The line of that name; none of the three parts has a slash in it.</summary>
    public static Line Named(string name) => name.Split('/') is [var institution, var department, var resource]
        ? new(institution, department, resource) : throw new FormatException("A line has three parts.");

    /// <summary>Waits for the turn in these lines until the end of the transaction.</summary>
    public static async Task Pass(Change change, IEnumerable<Line> lines)
    {
        if (lines.Select(l => l.Name).Distinct().ToArray() is not { Length: > 0 } names)
            return;
        // sorted, so that two who pass the same lines do it in the same order
        await change.Connection.ExecuteAsync("""
            select pg_advisory_xact_lock(key)
            from (select distinct hashtextextended(name, 0) as key from unnest(@names) name order by key) line
            """, new { names });
    }
}
