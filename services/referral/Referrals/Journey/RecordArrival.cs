using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using MassTransit;
using Referrals.Contracts;
using ReferralService.Referrals.Treatment;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Journey;

/// <summary>The patient is registered at desk, emergency room, ward or home.</summary>
/// <param name="Code">Appointment code; burnt by this.</param>
/// <param name="IdentifiedBy">How the patient was recognised without a code: IdCard, Slip, Staff or Emergency.</param>
/// <param name="ArrivedAt">When the patient came, if it is typed in later; never in the future.</param>
internal sealed record RecordArrival(
    string? Code, Identification? IdentifiedBy, DateTimeOffset? ArrivedAt, string? Department, string? ReceiverOwnNo) : ICommand
{
    /// <summary>Of an emergency: when the patient came through the door (进门).</summary>
    public DateTimeOffset? DoorAt { get; init; }

    /// <summary>Hash of the code that was given, keyed as scheduling keys it.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string? CodeHash { get; init; }

    /// <summary>When the sender asked, where all of it is typed in afterwards.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public DateTimeOffset? AskedAt { get; init; }

    public void Check(Checks checks)
    {
        checks.Time(ArrivedAt, "/arrivedAt");
        checks.Time(DoorAt, "/doorAt");
        checks.Text(Code, "/code", 16, required: false);
        checks.Text(Department, "/department", 16, required: false);
        checks.Text(ReceiverOwnNo, "/receiverOwnNo", 64, required: false);
    }

    /// <summary>A reading and an advice bring nobody.</summary>
    public static bool Comes(Referral r) => Comes(r.Kind);

    public static bool Comes(ReferralKind kind) => kind is not (ReferralKind.DiagnosticReading or ReferralKind.Advice);

    public static Problem? Register(Referral r, Move<RecordArrival> move)
    {
        var command = move.Command;
        if (command.Code is not null)
        {
            if (r.BookingCodeHash is null || command.CodeHash is null || !CryptographicOperations.FixedTimeEquals(
                    Encoding.ASCII.GetBytes(r.BookingCodeHash), Encoding.ASCII.GetBytes(command.CodeHash)))
                return Refusals.WrongCode;
        }
        else if (command.IdentifiedBy is null && !r.IsEmergency && r.Channel != Channel.RETRO_ENTRY)
            return Refusals.Rule("/identifiedBy", "Give the appointment code, or say how the patient was recognised.", "请提供预约码，或说明核验身份的方式。");

        if (command.Department is { } department && !r.External && !move.Alliance.HasDepartment(r.Receiver, department))
            return Refusals.Rule("/department", "The receiver has no such department.", "接收机构没有该科室。");
        var arrived = command.ArrivedAt ?? move.Now;
        if (arrived > move.Now.AddMinutes(5))
            return Refusals.Rule("/arrivedAt", "Not in the future.", "不能晚于当前时间。");
        if (r.Channel != Channel.RETRO_ENTRY && arrived < r.SubmittedAt)
            return Refusals.Rule("/arrivedAt", "Not before the referral was submitted.", "不能早于转诊提交时间。");

        r.ArrivedAt = arrived;
        if (command.DoorAt is { } door && new EmergencyTimes(null, null, null, door).NoteOn(r, move.Now, "") is { } impossible)
            return impossible;
        r.Department = command.Department ?? r.Department;
        Sensitivity.Mark(r);
        r.AcknowledgedAt ??= r.IsEmergency ? move.Now : null;
        r.ReceiverOwnNo = command.ReceiverOwnNo ?? r.ReceiverOwnNo;
        r.CameFrom = null;
        // the code works once
        r.BookingCodeHash = null;
        if (!r.IsUp)
            r.FollowUpSince = arrived;
        move.Detail = new JsonObject { ["identifiedBy"] = command.Code is not null ? "Code" : command.IdentifiedBy?.ToString() ?? "Emergency" };
        if (r.Relation == Relation.Return && r.ParentId is { } parent)
            move.Causes(parent, m => m.ReturnArrived, new ReturnProgress(r.Id, r.ReferralNo));
        return null;
    }
}

internal static class Arrivals
{
    /// <summary>Only for kinds that bring a patient: they are booked, travel and arrive.</summary>
    public static EventActivityBinder<Referral, Move<T>> WhereSomebodyComes<T>(this EventActivityBinder<Referral, Move<T>> move)
        where T : class => move.Must(RecordArrival.Comes, Refusals.NotThisKind);
}

internal enum Identification { IdCard, Slip, Staff, Emergency }
