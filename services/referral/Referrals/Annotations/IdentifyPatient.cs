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

    public static bool IsUnknown(Referral r) => !r.Identified;

    public static void Identify(Referral r, Move<IdentifyPatient> move)
    {
        var identity = Identity.Of(move.Command.Patient);
        r.PatientMasked = Masking.Name(identity.Name);
        r.PatientSex = identity.Sex;
        r.PatientBirthYear = identity.BirthYear(move.Now);
        r.Identified = true;
        move.NewIdentity = identity;
    }
}
