using System.Buffers;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Referrals.Contracts;
using ReferralService.Referrals;
using ReferralService.Referrals.Booking;

namespace ReferralService.Workflow;

/// <summary>
/// Writes the CloudEvent of a history row. Only members on the event's allow-list in the contracts are written, so a
/// new column of the row can never leak into an event.
/// </summary>
internal static class EventBodies
{
    private static readonly Dictionary<string, HashSet<string>> Allowed = ReferralEvents.All.ToDictionary(
        e => e.Name, e => e.Members.Concat(ReferralEvents.Always).ToHashSet());

    public static string Write(Referral referral, Move move, string name, Guid id)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("specversion", CloudEvents.SpecVersion);
            json.WriteString("id", id);
            json.WriteString("source", "/referral");
            json.WriteString("type", ReferralEvents.TypeOf(referral.Direction, name));
            json.WriteString("subject", referral.ReferralNo);
            json.WriteString("time", move.Now.UtcDateTime);
            json.WriteString("datacontenttype", "application/json");
            json.WriteString("dataschema", CloudEvents.SchemaOf("referral." + name));
            json.WriteString("sequence", referral.Sequence.ToString());
            json.WriteString("sequencetype", CloudEvents.SequenceType);
            if (Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } trace })
                json.WriteString("traceparent", trace);
            json.WritePropertyName("data");
            WriteFacts(json, referral, move, Allowed[name]);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteFacts(Utf8JsonWriter json, Referral r, Move move, HashSet<string> allowed)
    {
        json.WriteStartObject();
        json.WriteString("id", r.Id);
        json.WriteString("referralNo", r.ReferralNo);
        json.WriteString("episodeId", r.EpisodeId);
        json.WriteString("direction", r.Direction.ToString());
        json.WriteString("kind", r.Kind.ToString());
        json.WriteString("priority", r.Priority.ToString());
        json.WriteString("state", r.State);
        json.WriteNumber("sequence", r.Sequence);
        json.WriteNumber("leg", r.Leg);
        json.WriteString("sender", r.Sender);
        json.WriteString("receiver", r.Receiver);
        json.WriteBoolean("synthetic", r.Synthetic);
        Text("department", r.Department);
        Text("institution", move.Actor.Institution);
        Text("onBehalfOf", move.Actor.OnBehalfOf);
        Text("clinician", move.Extras.Clinician ?? r.Clinician ?? r.ClaimedBy);
        Text("greenChannel", r.GreenChannel?.ToString());
        Text("patientClass", r.PatientClass?.ToString());
        Texts("purposes", r.Purposes);
        Texts("participants", r.Participants);
        Id("parentId", r.ParentId);
        Text("parentNo", r.ParentNo);
        Text("relation", r.Relation?.ToString());
        if (move.Extras.Return is { } wayBack)
            Linked(wayBack.Id, wayBack.No);
        else if (r.LinkDraftedBy is null)
            Linked(r.LinkedId, r.LinkedNo);
        Text("reason", move.Reason);
        Text("outcome", r.Outcome?.ToString());
        Text("previousReceiver", move.Extras.PreviousReceiver);
        Text("previousState", move.Extras.PreviousState?.ToString());
        Time("expectedArrival", r.ExpectedArrival);
        if (allowed.Contains("allianceOffice") && r.IsEmergency)
            Text("allianceOffice", move.Alliance.LeadFor(r.Sender, ChinaTime.DayOf(move.Now)));
        if (allowed.Contains("greenTimes") && r.IsEmergency)
        {
            json.WriteStartObject("greenTimes");
            At("firstContactAt", r.FirstContactAt);
            At("calledAt", r.CalledAt);
            At("departedAt", r.DispatchedAt);
            At("arrivedAt", r.ArrivedAt);
            At("doorAt", r.DoorAt);
            json.WriteEndObject();
        }
        if (BookingNeeds.Of(r, move.Now) is { } need)
        {
            Text("resource", need.Resource);
            if (allowed.Contains("window"))
            {
                json.WriteStartObject("window");
                json.WriteString("from", need.Window.From.UtcDateTime);
                json.WriteString("until", need.Window.Until.UtcDateTime);
                json.WriteEndObject();
            }
        }
        Texts("eligibility", r.Eligibility);
        Flag("contracted", r.Contracted);
        Flag("standingAgreement", r.StandingAgreement);
        if (allowed.Contains("booking") && r.BookingId is { } booking)
        {
            json.WriteStartObject("booking");
            json.WriteString("id", booking);
            json.WriteString("resource", r.BookingResource);
            json.WriteString("startsAt", r.BookingStartsAt!.Value.UtcDateTime);
            json.WriteString("endsAt", r.BookingEndsAt!.Value.UtcDateTime);
            json.WriteEndObject();
        }
        Flag("fromPool", move.Extras.FromPool);
        Flag("afterAcceptance", r.AfterAcceptance);
        if (allowed.Contains("rehabEligible") && r.RehabEligible is { } eligible)
            json.WriteBoolean("rehabEligible", eligible);
        Text("loopFrom", move.Extras.LoopFrom?.ToString());
        if (allowed.Contains("followUp") && r.FollowUpsPlanned > 0)
        {
            json.WriteStartObject("followUp");
            json.WriteNumber("number", r.FollowUpsDone);
            json.WriteNumber("of", r.FollowUpsPlanned);
            if (r.NextFollowUpOn is { } due)
                json.WriteString("nextDueOn", due.ToString("yyyy-MM-dd"));
            if (r.FollowUpsUnreached > 0)
                json.WriteNumber("unreached", r.FollowUpsUnreached);
            json.WriteEndObject();
        }
        if (allowed.Contains("deadline") && move.Extras.Deadline is { } deadline)
        {
            json.WriteStartObject("deadline");
            json.WriteString("timer", deadline.Timer);
            json.WriteString("dueAt", deadline.DueAt.UtcDateTime);
            json.WriteNumber("level", deadline.Level);
            if (deadline.To is { } to)
            {
                json.WriteStartArray("to");
                foreach (var reached in to)
                    json.WriteStringValue(reached);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        }
        Texts("flags", move.Extras.Flags ?? r.Flags);
        if (allowed.Contains("rating") && r.Rating is { } rating)
            json.WriteNumber("rating", rating);
        json.WriteEndObject();

        void Linked(Guid? id, string? number)
        {
            Id("linkedId", id);
            Text("linkedNo", number);
        }

        void Text(string member, string? value)
        {
            if (value is not null && allowed.Contains(member))
                json.WriteString(member, value);
        }

        void Id(string member, Guid? value)
        {
            if (value is { } id && allowed.Contains(member))
                json.WriteString(member, id);
        }

        void Time(string member, DateTimeOffset? value)
        {
            if (value is { } time && allowed.Contains(member))
                json.WriteString(member, time.UtcDateTime);
        }

        void At(string member, DateTimeOffset? value)
        {
            if (value is { } time)
                json.WriteString(member, time.UtcDateTime);
        }

        void Flag(string member, bool value)
        {
            if (value && allowed.Contains(member))
                json.WriteBoolean(member, true);
        }

        void Texts(string member, IReadOnlyList<string> values)
        {
            if (values.Count == 0 || !allowed.Contains(member))
                return;
            json.WriteStartArray(member);
            foreach (var value in values)
                json.WriteStringValue(value);
            json.WriteEndArray();
        }
    }
}
