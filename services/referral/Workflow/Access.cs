using Npgsql;
using ReferralService.Alliances;
using ReferralService.Referrals;
using ReferralService.Referrals.Intake;
using Referrals.Contracts;
using ServiceDefaults.Auditing;
using ServiceDefaults.Auth;

namespace ReferralService.Workflow;

/// <summary>Who stands on which side of a referral, and who may know that it exists.</summary>
internal sealed class Access(NpgsqlDataSource database, AllianceDirectory directory, TimeProvider clock)
{
    /// <summary>Sides of the caller; <see cref="Side.None"/> for a stranger, and for a receiver while it is a draft.</summary>
    public Side SidesOf(Caller caller, Referral referral)
    {
        var sides = Side.None;
        if (caller.Role == Role.AllianceOffice)
        {
            var day = ChinaTime.DayOf(clock.GetUtcNow());
            if (!Shares(caller.Institution, referral.Sender, day) && !Shares(caller.Institution, referral.Receiver, day))
                return Side.None;
            sides |= Side.Alliance;
            if (caller.OnBehalfOf == referral.Sender)
                sides |= Side.Sender | (Signer(referral) is var signer && (signer == referral.Sender || signer == caller.Institution) ? Side.Approver : Side.None);
            if (caller.OnBehalfOf == referral.Receiver || referral.External && caller.OnBehalfOf == referral.Sender)
                sides |= Side.Receiver;
        }
        // the office may sit in a member's house: it acts for a member only when it says so
        else if (caller.Institution == referral.Sender)
            sides |= Side.Sender | (referral.External ? Side.Receiver : Side.None) | (caller.Role == Role.Head && Signer(referral) == caller.Institution ? Side.Approver : Side.None);
        // what leaves the region is signed by the lead hospital
        else if (referral.At(ReferralState.InternalReview) && caller.Role == Role.Head && Signer(referral) == caller.Institution)
            sides |= Side.Approver;
        else if (caller.Institution == referral.Origin && referral.At(ReferralState.Draft))
            sides |= Side.Drafter;
        if (caller.Role != Role.AllianceOffice && caller.Institution == referral.Receiver)
            sides |= Side.Receiver;
        return referral.SubmittedAt is null && (sides & (Side.Sender | Side.Approver | Side.Drafter)) == 0 ? Side.None : sides;
    }

    // whose head signs: the sender's own, or the lead hospital's where it leaves the region
    private string Signer(Referral referral) =>
        referral.IsUp && directory.Current.LeadSigns(referral.Sender, referral.Receiver, clock.GetUtcNow())
            ? directory.Current.LeadFor(referral.Sender, ChinaTime.DayOf(clock.GetUtcNow())) ?? referral.Sender : referral.Sender;

    /// <summary>Parties see it; an institution of an earlier leg, the drafter and the family doctor may read.</summary>
    public bool IsParty(Caller caller, Referral referral) =>
        SidesOf(caller, referral) != Side.None
        || referral.SubmittedAt is not null && (referral.Tried.Contains(caller.Institution) || IsFamilyDoctor(caller, referral))
        || caller.Institution == referral.Origin;

    /// <summary>Parties, and for some hours whoever broke the glass.</summary>
    public bool MayRead(Caller caller, Referral referral) =>
        IsParty(caller, referral) || referral.SubmittedAt is not null && referral.Opened == Privacy.OpeningKind.BreakGlass;

    /// <summary>Takes off a row that was read what gives a sensitive illness away, for those who do not care for the patient.</summary>
    public void Shield(Caller caller, Referral referral)
    {
        if (!ShieldedFrom(caller, referral))
            return;
        (referral.Department, referral.Clinician, referral.PatientClass, referral.Reason) = (null, null, null, null);
        (referral.Purposes, referral.Flags, referral.Eligibility) = ([], [], []);
    }

    /// <summary>It is linked with a draft, and the caller is not of the house that writes it.</summary>
    public static bool IsHiddenLink(Caller caller, Referral referral) =>
        referral.LinkDraftedBy is { } house && house != (caller.Role == Role.AllianceOffice ? caller.OnBehalfOf : caller.Institution);

    /// <summary>A sensitive illness, and somebody who reads along: an office, an earlier leg, the family doctor.</summary>
    public bool ShieldedFrom(Caller caller, Referral referral) =>
        referral.Sensitive && referral.Opened != Privacy.OpeningKind.BreakGlass && caller.Institution != referral.Origin
        && (SidesOf(caller, referral) & (Side.Sender | Side.Receiver)) == 0;

    /// <summary>The contracted family doctor (签约家庭医生) reads along, wherever the patient is.</summary>
    public static bool IsFamilyDoctor(Caller caller, Referral referral) =>
        referral.FamilyDoctor is not null && caller.Institution == referral.FamilyClinic && caller.Subject == referral.FamilyDoctor;

    /// <summary>Roles that never see a patient: they get counts, from elsewhere.</summary>
    public static bool SeesPatients(Role role) => role is not (Role.Insurer or Role.Regulator or Role.Auditor or Role.Operator);

    /// <summary>An asker who got nothing leaves a row.</summary>
    public async Task Denied(Caller caller, string action, Guid? referralId, string target)
    {
        await using var connection = await database.OpenConnectionAsync();
        await Denied(connection, caller, action, referralId, target);
    }

    /// <summary>As the other one, for whoever has a connection: a crowd that held one each would wait for further ones for ever.</summary>
    public Task Denied(NpgsqlConnection connection, Caller caller, string action, Guid? referralId, string target) =>
        AuditTrail.Write(connection, clock.GetUtcNow(), caller, action, denied: true, referralId, target);

    /// <summary>A reading of patient data leaves a row before the data leaves.</summary>
    public async Task Read(Caller caller, string action, Guid referralId)
    {
        await using var connection = await database.OpenConnectionAsync();
        await AuditTrail.Write(connection, clock.GetUtcNow(), caller, action, denied: false, referralId);
    }

    public Actor ActorOf(Caller caller, Side sides) =>
        new(sides, caller.Subject, caller.Institution, caller.Role.ToString(), caller.OnBehalfOf);

    private bool Shares(string a, string b, DateOnly day) => a == b || directory.Current.ShareAnAlliance(a, b, day);
}
