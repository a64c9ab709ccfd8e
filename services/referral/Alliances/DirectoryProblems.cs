using ServiceDefaults.Http;

namespace ReferralService.Alliances;

/// <summary>The refusals of the directory, beside the shared ones.</summary>
internal static class DirectoryProblems
{
    public static readonly ProblemType SecondTightParent = new("second-tight-parent", 409,
        new("A lower institution has one parent in tight alliances", "下级机构只能加入一个紧密型医联体"),
        new("End the other membership first, or let the health authority decide with overrideReason.", "请先结束原成员关系，或由卫生行政部门填写 overrideReason 批准。"));
    public static readonly ProblemType Overlaps = new("overlapping-period", 409,
        new("Something of the same kind holds at that time already", "同期已存在同类记录"),
        new("End the earlier one the day before, or begin later.", "请先将原记录的截止日期改为前一天，或推迟开始日期。"));
    public static readonly ProblemType NotYet = new("not-yet-effective", 422,
        new("It must begin now or later", "生效时间不能早于现在"),
        new("What has held stays as it was: give a time from now on in 'from'.", "已生效的规则不可改写：from 应为现在或以后。"));

    public static readonly ProblemType Mixed = new("sandbox-and-real", 409,
        new("Sandbox and real institutions stay apart", "沙箱机构与真实机构不得混用"),
        new("Name institutions that are all of the sandbox, or all real ('synthetic' in the directory says which); it changes once what the institution shares with others is ended.",
            "请填写同为沙箱或同为真实的机构（见目录中的 synthetic）；变更 synthetic 前须先终止该机构的成员关系、签约与协议。"));

    public static readonly ProblemType BadLines = new("bad-lines", 422,
        new("Some lines of the file are bad; nothing was stored", "文件中有错误行，未保存任何内容"),
        new("'errors' names each by line and column. Mend them, or send store=Good to keep the good lines.", "errors 按行与列列出错误。请修改后重试，或使用 store=Good 仅保存正确的行。"));

    public static readonly IReadOnlyList<ProblemType> All = [SecondTightParent, Overlaps, NotYet, Mixed, BadLines];
}
