using System.Net;
using System.Text;
using ReferralService.Alliances;
using ReferralService.Patients;
using ReferralService.Referrals.Intake;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Reading;

/// <summary>
/// The national form as a page to print, with its stub: 双向转诊(转出)单 or 双向转诊(回转)单. Members that only the
/// platform knows are not printed. See 国家基本公共卫生服务规范（第三版）.
/// </summary>
internal sealed class PrintSlip(GetReferral referrals, SlipReader slips, AllianceDirectory directory, TimeProvider clock)
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapGet("/v1/referrals/{id}/slip", (string id, HttpContext http, PrintSlip print) => print.Handle(http, id))
        .Describe("printSlip", "Referrals", "The national slip with its stub, as a page to print.", "For a party with purpose TREATMENT; the reading is audited.")
        .Produces<string>(200, "text/html").Refuses(400, 403, 404, 410);

    private async Task<IResult> Handle(HttpContext http, string id)
    {
        var (found, caller, refused) = await referrals.Find(http, id, "slip");
        if (found is not { } referral)
            return refused!;
        if (!referrals.MaySeePatient(caller!, referral))
            return new ProblemResult(Problems.Forbidden);
        var (form, patient) = await slips.Read(referral, GetReferral.Audited(caller!, referral), clock.GetUtcNow());
        if (form is null || patient is null)
            return new ProblemResult(Refusals.Erased);
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'";
        return TypedResults.Text(Page(referral, form, patient, directory.Current), "text/html; charset=utf-8");
    }

    private static string Page(Referral r, ReferralForm form, Identity patient, AllianceSnapshot alliance)
    {
        var up = r.IsUp;
        var title = up ? "双向转诊（转出）单" : "双向转诊（回转）单";
        var from = alliance.NameOf(r.Sender) ?? r.Sender;
        var to = alliance.NameOf(r.Tried[0]) ?? r.Tried[0];
        var department = alliance.DepartmentName(r.Tried[0], form.To?.Department) ?? form.To?.Department ?? r.Department;
        var day = form.Date ?? ChinaTime.DayOf(r.SubmittedAt ?? r.DraftedAt);
        var doctor = alliance.ClinicianName(form.Referrer?.Doctor) ?? form.Referrer?.Doctor;

        var page = new StringBuilder($$"""
            <!doctype html>
            <html lang="zh-CN"><head><meta charset="utf-8"><title>{{title}} {{Text(r.ReferralNo)}}</title>
            <style>
            body { font: 12pt/1.7 "Noto Serif CJK SC", SimSun, serif; max-width: 180mm; margin: 10mm auto; color: #000; }
            h1 { font-size: 16pt; text-align: center; margin: 0 0 4mm; } h1 small { font-size: 11pt; }
            u { text-decoration: none; border-bottom: 1px solid #000; padding: 0 2mm; white-space: pre-wrap; }
            p { margin: 1.5mm 0; } .sign { text-align: right; } .no { float: right; font-size: 10pt; }
            section + section { border-top: 1px dashed #000; margin-top: 8mm; padding-top: 8mm; }
            @page { size: A4; margin: 12mm; } @media print { body { margin: 0; } section { break-inside: avoid; } }
            </style></head><body>

            """);
        var person = $"患者姓名{Line(patient.Name)} 性别{Line(Sex(patient.Sex))} 年龄{Line(Age(patient, day))}";
        var signed = $"""
            <p class="sign">转诊医生（签字）：{Line(doctor)}　联系电话：{Line(form.Referrer?.Phone)}</p>
            <p class="sign">{Text(from)}（机构名称）　{day.Year} 年 {day.Month} 月 {day.Day} 日</p>

            """;
        // the stub stays with the sender
        page.Append($"""
            <section><span class="no">{Text(r.ReferralNo)}</span><h1>{title}<br><small>存　根</small></h1>
            <p>{person} {(up ? "档案编号" + Line(patient.ArchiveNo) : "病案号" + Line(patient.MedicalRecordNo))}</p>
            <p>家庭住址{Line(patient.Address)} 联系电话{Line(patient.Phone)}</p>
            <p>于 {day.Year} 年 {day.Month} 月 {day.Day} 日因病情需要，{(up ? "转入" : "转回")}{Line(to)}{(up ? "单位" + Line(department) + "科室" + Line(alliance.ClinicianName(form.To?.Doctor) ?? form.To?.Doctor) + "接诊医生" : "单位" + Line(alliance.ClinicianName(form.To?.Doctor) ?? form.To?.Doctor) + "接诊医生")}。</p>
            {signed}</section>
            <section><span class="no">{Text(r.ReferralNo)}</span><h1>{title}</h1>
            <p>{Line(to)}（机构名称）：</p>
            <p>现有患者{Line(patient.Name)} 性别{Line(Sex(patient.Sex))} 年龄{Line(Age(patient, day))} 因病情需要，{(up ? "需转入贵单位，请予以接诊" : "现转回贵单位，请予以接诊")}。</p>

            """);
        (string Label, string? Value)[] body = up
            ?
            [
                ("初步印象", form.Impression), ("主要现病史（转出原因）", form.PresentIllness), ("主要既往史", form.PastHistory),
                ("治疗经过", form.TreatmentSoFar),
            ]
            :
            [
                ("诊断结果", form.DiagnosisResult), ("住院病案号", form.InpatientNo), ("主要检查结果", form.MainResults),
                ("治疗经过、下一步治疗方案及康复建议", string.Join("\n", new[] { form.TreatmentCourse, form.NextPlan, form.RehabAdvice }.Where(t => !string.IsNullOrWhiteSpace(t)))),
            ];
        foreach (var (label, value) in body)
            page.Append("<p>").Append(label).Append('：').Append(Line(value)).Append("</p>\n");
        return page.Append(signed).Append("</section></body></html>\n").ToString();
    }

    private static string Text(string? value) => WebUtility.HtmlEncode(value ?? "");

    private static string Line(string? value) => $"<u>{(string.IsNullOrEmpty(value) ? "　　　" : Text(value))}</u>";

    private static string Sex(string code) => code switch { "1" => "男", "2" => "女", "9" => "未说明", _ => "未知" };

    private static string Age(Identity patient, DateOnly on)
    {
        if (patient.BirthDate is not { } birth)
            return patient.Age?.ToString() ?? "";
        var years = on.Year - birth.Year;
        return (birth.AddYears(years) > on ? years - 1 : years).ToString();
    }
}
