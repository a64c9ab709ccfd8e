using ReferralService.Patients;
using ReferralService.Referrals.Intake;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Annotations;

/// <summary>Who the patient of an emergency is: known only now.</summary>
internal sealed record IdentifyPatient(PatientForm Patient) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Required(Patient, "/patient");
        Patient?.Check(checks, "/patient", identityNeeded: true);
    }

    public static Problem? Identify(Referral r, Move<IdentifyPatient> move)
    {
        if (r.Identified)
            return Refusals.Rule("/patient", "The patient is known; mistakes are mended by an addendum.", "患者身份已确认；如有错误请使用 addendum 补充说明。");
        var identity = Identity.Of(move.Command.Patient);
        r.PatientMasked = Masking.Name(identity.Name);
        r.PatientSex = identity.Sex;
        r.PatientBirthYear = identity.BirthYear(move.Now);
        r.Identified = true;
        move.NewIdentity = identity;
        return null;
    }
}
