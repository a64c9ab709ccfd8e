using ServiceDefaults.Http;

namespace ReferralService.Alliances.Import;

/// <summary>What is stored when some lines are bad.</summary>
internal enum Store
{
    /// <summary>Nothing in any case: everything is tried, reported and taken back.</summary>
    Nothing,
    /// <summary>All lines, or nothing when one of them is bad.</summary>
    All,
    /// <summary>The good lines; the bad ones are named.</summary>
    Good,
}

/// <summary>One reason why a line is bad. The value itself is never repeated.</summary>
/// <param name="Line">Where the line begins; the header is line 1.</param>
internal sealed record BadLine(string File, int Line, string Column, Text Reason);

/// <summary>What came of an import.</summary>
internal sealed class ImportReport
{
    private readonly List<BadLine> _bad = [];
    private readonly HashSet<(string, int)> _badLines = [];

    /// <summary>Reasons that are named; the lines behind them are counted all the same.</summary>
    public const int MostNamed = 1000;

    public int Lines { get; set; }
    /// <summary>Lines that brought something new.</summary>
    public int Changed { get; set; }
    public bool Stored { get; set; }
    public int BadLines => _badLines.Count;
    public bool MoreBad { get; private set; }
    public IReadOnlyList<BadLine> Bad => _bad;

    public void Add(string file, int line, string column, Text reason)
    {
        _badLines.Add((file, line));
        if (_bad.Count < MostNamed)
            _bad.Add(new(file, line, column, reason));
        else
            MoreBad = true;
    }
}
