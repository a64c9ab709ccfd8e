using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using ReferralService.Alliances;
using ReferralService.Referrals;
using ReferralService.Workflow;
using Referrals.Contracts;
using ServiceDefaults;
using static Referrals.Contracts.ReferralState;

namespace Contracts.Tests;

/// <summary>
/// One complete event of each type, with every member it may carry and the same bytes on every run. A real one carries
/// the members that apply to its referral.
/// </summary>
internal static class Examples
{
    public const string Township = "12210681DEM0001022";
    public const string Tertiary = "12210600DEM0000149";
    public const string County = "12210681DEM000022E";

    private static readonly DateTimeOffset Now = new(2026, 3, 2, 1, 30, 0, TimeSpan.Zero);
    private const string Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    public static string Of(EventType e) => e.PublishedBy switch
    {
        "referral" => OfReferral(e),
        "scheduling" => SchedulingService.EventBodies.Write(
            IdOf(e), e.Types[0], e.Name == SchedulingEvents.CapacityChanged ? Tertiary : "U260302000001003", Now, Place, Trace),
        _ => FromFacts(e, "/notification", Endpoint.EndpointId.ToString(), Endpoint),
    };

    /// <summary>What is special about the example of one referral event.</summary>
    private sealed record Moment(
        ReferralState State, Direction Direction = Direction.Up, string? Reason = null, Outcome? Outcome = null,
        ReferralState PreviousState = Submitted, string Timer = "Triage", Priority Priority = Priority.Urgent);

    private static readonly Dictionary<string, Moment> Moments = new()
    {
        [ReferralEvents.Submitted] = new(Submitted, Reason: "CLINICAL_JUDGEMENT", Priority: Priority.Emergency),
        [ReferralEvents.TriageStarted] = new(InTriage),
        [ReferralEvents.Assigned] = new(InTriage),
        [ReferralEvents.Released] = new(Submitted, Reason: "WORKLOAD"),
        [ReferralEvents.InformationRequested] = new(InformationRequested, Reason: "MISSING_RESULTS"),
        [ReferralEvents.InformationSupplied] = new(InTriage),
        [ReferralEvents.QuestionWithdrawn] = new(InTriage),
        [ReferralEvents.Accepted] = new(Accepted),
        [ReferralEvents.Waitlisted] = new(Waitlisted),
        [ReferralEvents.Declined] = new(Declined, Reason: "BED_LOST"),
        [ReferralEvents.Redirected] = new(InTransit, Reason: "NO_CAPACITY", Priority: Priority.Emergency),
        [ReferralEvents.Advised] = new(Advised, Reason: "ADVICE_THEN_REFER_IF_NEEDED", Outcome: Outcome.Converted),
        [ReferralEvents.Converted] = new(Advised, Outcome: Outcome.Converted),
        [ReferralEvents.Reported] = new(Completed, Reason: "ADVICE_ONLY", Outcome: Outcome.Reported),
        [ReferralEvents.Scheduled] = new(Scheduled),
        [ReferralEvents.Rescheduled] = new(Scheduled),
        [ReferralEvents.BookingCancelled] = new(Accepted, Reason: "CLINICIAN_ABSENT"),
        [ReferralEvents.NoShow] = new(NoShow, Reason: "TRANSPORT"),
        [ReferralEvents.ArrivalChanged] = new(InTransit),
        [ReferralEvents.InTransit] = new(InTransit, Priority: Priority.Emergency),
        [ReferralEvents.Acknowledged] = new(InTransit, Priority: Priority.Emergency),
        [ReferralEvents.Arrived] = new(Arrived, Priority: Priority.Emergency),
        [ReferralEvents.TreatmentStarted] = new(InTreatment),
        [ReferralEvents.InterimNote] = new(InTreatment),
        [ReferralEvents.Treated] = new(Treated),
        [ReferralEvents.ReturnInitiated] = new(Treated),
        [ReferralEvents.ReturnAccepted] = new(Treated),
        [ReferralEvents.ReferredOnward] = new(Treated),
        [ReferralEvents.FollowUpRecorded] = new(FollowUp, Direction.Down),
        [ReferralEvents.FollowUpOverdue] = new(FollowUp, Direction.Down, Timer: "FollowUpDue"),
        [ReferralEvents.PlanAdjusted] = new(FollowUp, Direction.Down),
        [ReferralEvents.Completed] = new(Completed, Reason: "CURED", Outcome: Outcome.NotReturned, Priority: Priority.Emergency),
        [ReferralEvents.ReReferred] = new(FollowUp, Direction.Down),
        [ReferralEvents.CancellationRequested] = new(CancellationRequested, Reason: "PATIENT_WITHDRAW", PreviousState: Scheduled),
        [ReferralEvents.CancellationTakenBack] = new(Scheduled),
        [ReferralEvents.CancellationRefused] = new(Scheduled, Reason: "CLINICALLY_UNSAFE"),
        [ReferralEvents.Cancelled] = new(Cancelled, Reason: "SEEN_ELSEWHERE", Priority: Priority.Emergency),
        [ReferralEvents.Expired] = new(Expired),
        [ReferralEvents.Closed] = new(Closed, Reason: "DUPLICATE", Priority: Priority.Emergency),
        [ReferralEvents.PriorityRaised] = new(InTriage, Reason: "CONDITION_CHANGED"),
        [ReferralEvents.PriorityLowered] = new(InTriage, Reason: "CONDITION_CHANGED", Priority: Priority.Routine),
        [ReferralEvents.MadeEmergency] = new(InTransit, PreviousState: Scheduled, Priority: Priority.Emergency),
        [ReferralEvents.DeadlineWarning] = new(Submitted),
        [ReferralEvents.DeadlineMissed] = new(Submitted),
        [ReferralEvents.Escalated] = new(InTransit, Reason: "UNREACHABLE", Timer: "GreenChannel", Priority: Priority.Emergency),
        [ReferralEvents.AttachmentAdded] = new(InTriage, Reason: "CONDITION_CHANGED"),
        [ReferralEvents.NoteAdded] = new(InTriage),
        [ReferralEvents.AddendumAdded] = new(Completed, Reason: "BREAK_GLASS", Priority: Priority.Emergency),
        [ReferralEvents.ConsentFiled] = new(InTransit, Priority: Priority.Emergency),
        [ReferralEvents.PatientIdentified] = new(InTransit, Priority: Priority.Emergency),
        [ReferralEvents.MarkedInError] = new(Closed, Reason: "ENTERED_IN_ERROR"),
        [ReferralEvents.Rated] = new(Completed),
    };

    // the county hospital leads the alliance of whoever sends
    private static readonly AllianceSnapshot Led = new(1, [], [], [], [new("al-county", "al-county", "CountyMedicalCommunity", "Tight", County)],
        [.. new[] { Township, Tertiary }.Select(member => new Membership("al-county", member, new(2024, 1, 1), null))], [], [], []);

    private static string OfReferral(EventType e)
    {
        if (!Moments.TryGetValue(e.ShortName, out var moment))
            throw new InvalidOperationException($"Give the event {e.Name} a line in Examples.Moments.");
        var row = Row(moment, e.ShortName == ReferralEvents.Submitted ? 1 : 4);
        var move = new Move<string>("", "", new(Side.Receiver, "dr-0001", row.Receiver, "AllianceOffice", row.Receiver), Now)
        {
            Alliance = Led,
            Reason = moment.Reason,
        };
        move.Extras.PreviousReceiver = County;
        move.Extras.PreviousState = moment.PreviousState;
        move.Extras.FromPool = true;
        move.Extras.LoopFrom = LoopStart.Arrived;
        move.Extras.Deadline = new(moment.Timer, Now, 1);
        return Traced(() => EventBodies.Write(row, move, e.ShortName, IdOf(e)));
    }

    private static Referral Row(Moment moment, long sequence)
    {
        var up = moment.Direction == Direction.Up;
        return new()
        {
            Id = new("019cac2a-8000-7000-8000-000000000001"),
            ReferralNo = up ? "U260302000001003" : "D260316000002001",
            EpisodeId = new("019cac2a-8000-7000-8000-000000000002"),
            ParentId = new("019cac2a-8000-7000-8000-000000000003"),
            ParentNo = "U260220000003003",
            Relation = up ? Relation.Onward : Relation.Return,
            LinkedId = new("019cac2a-8000-7000-8000-000000000004"),
            LinkedNo = up ? "D260316000002001" : "U260302000001003",
            Direction = moment.Direction,
            Kind = up ? ReferralKind.InpatientTransfer : ReferralKind.RehabReturn,
            Priority = moment.Priority,
            GreenChannel = GreenChannel.Stroke,
            PatientClass = PatientClass.Rehab,
            Participants = ["dr-0103", "dr-0001", "nr-0103"],
            Synthetic = true,
            Sender = up ? Township : Tertiary,
            Receiver = up ? Tertiary : Township,
            Department = "03.03",
            Clinician = "dr-0001",
            Leg = 1,
            Purposes = ["SPECIALIST_NEEDED", "LACK_TREATMENT"],
            Eligibility = ["RehabJointWard"],
            Flags = ["NO_INDICATION"],
            Contracted = true,
            StandingAgreement = true,
            State = moment.State.ToString(),
            Sequence = sequence,
            Outcome = moment.Outcome,
            AfterAcceptance = true,
            BookingId = new("019cac2a-8000-7000-8000-000000000005"),
            BookingResource = "Bed",
            BookingStartsAt = Now.AddHours(24),
            BookingEndsAt = Now.AddHours(72),
            ExpectedArrival = Now.AddHours(24),
            RehabEligible = true,
            FollowUpsPlanned = 3,
            FollowUpsDone = 1,
            FollowUpsUnreached = 1,
            NextFollowUpOn = new(2026, 3, 30),
            Rating = 5,
        };
    }

    private static readonly SchedulingFacts Place = new()
    {
        ReferralId = new("019cac2a-8000-7000-8000-000000000001"),
        ReferralNo = "U260302000001003",
        Leg = 1,
        Attempt = 2,
        BookingId = new("019cac2a-8000-7000-8000-000000000005"),
        ReplacedBookingId = new("019cac2a-8000-7000-8000-000000000006"),
        Institution = Tertiary,
        Department = "03.03",
        Resource = "Bed",
        StartsAt = Now.AddHours(24),
        EndsAt = Now.AddHours(72),
        Clinician = "dr-0001",
        Place = "门诊楼三层302诊室",
        Bring = ["身份证或社保卡", "转诊单"],
        CodeHash = Convert.ToBase64String(new byte[32]),
        Reason = "CLINICIAN_ABSENT",
        By = "Receiver",
        FromPool = true,
        Free = [new(new(2026, 3, 3), 4), new(new(2026, 3, 4), 0)],
    };

    private static readonly NotificationFacts Endpoint = new()
    {
        EndpointId = new("019cac2a-8000-7000-8000-000000000007"),
        Institution = Township,
        Reason = "Failing",
    };

    // as the writer of notification does it: the facts, less what is not on the event's list
    private static string FromFacts(EventType e, string source, string subject, object facts)
    {
        var data = JsonSerializer.SerializeToNode(facts, Json.Lenient)!.AsObject();
        foreach (var member in data.Select(m => m.Key).Except(e.Allowed.Select(EventType.NameOf)).ToList())
            data.Remove(member);
        return new JsonObject
        {
            ["specversion"] = CloudEvents.SpecVersion,
            ["id"] = IdOf(e).ToString(),
            ["source"] = source,
            ["type"] = e.Types[0],
            ["subject"] = subject,
            ["time"] = Now.UtcDateTime,
            ["datacontenttype"] = "application/json",
            ["dataschema"] = e.DataSchema,
            ["traceparent"] = Trace,
            ["data"] = data,
        }.ToJsonString(Json.Lenient);
    }

    private static Guid IdOf(EventType e) => new($"019cac2a-9dc0-7000-8000-{Catalogue.All.ToList().IndexOf(e) + 1:x12}");

    // an activity draws its own span number
    private static string Traced(Func<string> write)
    {
        using var activity = new Activity("example").SetIdFormat(ActivityIdFormat.W3C).SetParentId(Trace).Start();
        return write().Replace(activity.Id!, Trace, StringComparison.Ordinal);
    }
}
