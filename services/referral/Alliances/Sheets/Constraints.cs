using Npgsql;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Sheets;

/// <summary>What the tables refuse, in words: the column and the reason, and what it is as an HTTP refusal.</summary>
internal static class Constraints
{
    private static readonly ProblemType Rule = Refusals.RuleBroken;

    private static readonly Dictionary<string, (ProblemType Type, string Column, Text Reason)> Known = new()
    {
        ["membership_one_tight_parent"] = (DirectoryProblems.SecondTightParent, "alliance",
            new("The institution is in a tight alliance of another lead hospital at that time.", "该机构同期已加入另一牵头医院的紧密型医联体。")),
        ["membership_once_at_a_time"] = (DirectoryProblems.Overlaps, "from",
            new("It is a member of this alliance at that time already.", "该机构同期已是该医联体成员。")),
        ["contract_one_of_a_kind"] = (DirectoryProblems.Overlaps, "from",
            new("The resident has a contract of this type at that time already.", "该居民同期已有同类签约。")),
        ["diagnosis_set_once_at_a_time"] = (DirectoryProblems.Overlaps, "from", new("The range is in this set at that time already.", "该编码范围同期已在此集合中。")),
        ["specialty_once_at_a_time"] = (DirectoryProblems.Overlaps, "from", new("The department has this range at that time already.", "该科室同期已对应此编码范围。")),
        ["match_setting_once_a_moment"] = (DirectoryProblems.Overlaps, "from", new("A version of the same alliance begins at that moment already.", "该医联体已有同一时刻生效的版本。")),
        ["timer_setting_once_a_moment"] = (DirectoryProblems.Overlaps, "from", new("A version of the same scope begins at that moment already.", "同一范围已有同一时刻生效的版本。")),
        ["alliance_setting_once_a_moment"] = (DirectoryProblems.Overlaps, "from", new("A version of the same scope begins at that moment already.", "同一范围已有同一时刻生效的版本。")),
        ["profile_switch_pkey"] = (DirectoryProblems.Overlaps, "from", new("The alliance switches at that moment already.", "该医联体已有同一时刻的切换。")),
        ["membership_not_mixed"] = (DirectoryProblems.Mixed, "institution", new("The alliance's lead is of the sandbox and the institution is not, or the other way round.", "医联体牵头医院与该机构一方为沙箱机构、一方为真实机构。")),
        ["contract_not_mixed"] = (DirectoryProblems.Mixed, "clinic", new("Some of the contract's institutions and people are of the sandbox, some are real.", "签约所涉机构与人员中同时有沙箱与真实机构。")),
        ["standing_agreement_not_mixed"] = (DirectoryProblems.Mixed, "sender", new("One of the two is of the sandbox, the other is real.", "双方一为沙箱机构，一为真实机构。")),
        ["institution_keeps_its_kind"] = (DirectoryProblems.Mixed, "synthetic", new("The institution has a membership, contract or standing agreement in force: end it first.", "该机构尚有生效的成员关系、签约或协议，请先终止。")),
        ["institution_no_circle"] = (Rule, "parent", new("An institution cannot stand above itself.", "上级机构关系形成循环。")),
        ["institution_parent_is_above"] = (Rule, "parent", new("The parent's level is below.", "上级机构的级别低于本机构。")),
        ["membership.tightness"] = (Rule, "alliance", new("No such alliance.", "没有该医联体。")),
    };

    /// <summary>Null for an error that is not about what was sent.</summary>
    public static (ProblemType Type, FieldError Error)? Explain(PostgresException e)
    {
        var name = e.ConstraintName ?? (e.ColumnName is null ? "" : $"{e.TableName}.{e.ColumnName}");
        if (Known.TryGetValue(name, out var known))
            return (known.Type, new("/" + known.Column, known.Reason));
        return e.SqlState switch
        {
            PostgresErrorCodes.ForeignKeyViolation => (Rule, new("/" + Column(e), new("It is not in the directory.", "目录中没有该项。"))),
            PostgresErrorCodes.CheckViolation => (Rule, new("/" + Column(e), new("The value is not possible here.", "该值不允许。"))),
            _ => null,
        };
    }

    // table_column_fkey, as PostgreSQL names them
    private static string Column(PostgresException e)
    {
        var name = e.ConstraintName ?? "";
        var start = (e.TableName?.Length ?? 0) + 1;
        var end = name.LastIndexOf('_');
        return name.StartsWith(e.TableName + "_", StringComparison.Ordinal) && end > start ? name[start..end] : "";
    }
}
