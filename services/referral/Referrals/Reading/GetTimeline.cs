using System.Text.Json;
using System.Text.Json.Nodes;
using ReferralService.Alliances;
using ReferralService.Notices;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Reading;

/// <summary>What happened, in order, with who did it; the words of it for a party that treats.</summary>
internal sealed class GetTimeline(Wall wall, GetReferral referrals, SlipReader slips, AllianceDirectory directory, Access access)
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapGet("/v1/referrals/{id}/timeline", (string id, HttpContext http, GetTimeline get) => get.Handle(http, id))
        .Describe("getTimeline", "Referrals", "Every step of a referral in order, each state also in words for the patient; a draft's steps for the sender only, but for what was attached to it.")
        .Produces<Timeline>().Refuses(400, 403, 404);

    private sealed record Row(
        long Version, long? Sequence, string Verb, string Event, string? FromState, string ToState, int Leg, DateTimeOffset At,
        string Subject, string Institution, string Role, string? OnBehalfOf, string? Reason, string? Detail, byte[]? Words, byte[]? WrappedKey);

    private async Task<IResult> Handle(HttpContext http, string id)
    {
        var (found, caller, refused) = await referrals.Find(http, id, "timeline");
        if (found is not { } referral)
            return refused!;
        var words = referrals.MaySeePatient(caller!, referral);
        if (words)
            await access.Read(GetReferral.Audited(caller!, referral), "read-timeline", referral.Id);
        var drafts = access.SidesOf(caller!, referral).HasFlag(Side.Sender);
        var rows = await wall.Query<Row>(caller!, """
            select h.version, h.sequence, h.verb, h.event, h.from_state, h.to_state, h.leg, h.at, h.subject, h.institution,
                   h.role, h.on_behalf_of, h.reason, h.detail::text as detail, h.words, p.wrapped_key
            from history h
            join referral r on r.id = h.referral_id
            join patient p on p.id = r.patient_id
            where h.referral_id = @Id
              -- what was attached to the draft went out with it
              and (@drafts or h.sequence is not null or h.verb = 'attach')
            order by h.version
            """, new { referral.Id, drafts });
        var alliance = directory.Current;
        var shielded = access.ShieldedFrom(caller!, referral);
        return TypedResults.Ok(new Timeline(referral.ReferralNo, referral.State, PatientWording.Of(referral.State), [.. rows.Select(r => new TimelineEntry(
            r.Sequence, r.Event, r.Verb, r.FromState, r.ToState, r.Leg, r.At,
            new(r.Institution, alliance.NameOf(r.Institution)), r.Role, r.OnBehalfOf, shielded ? null : r.Reason,
            r.Detail is null || shielded ? null : JsonNode.Parse(r.Detail), words ? slips.Words(r.WrappedKey, r.Words) : null,
            r.FromState == r.ToState ? null : PatientWording.Of(r.ToState)))]));
    }
}

/// <summary>The steps of one referral. <c>forPatient</c> is what may be shown to the patient, in both languages.</summary>
internal sealed record Timeline(string ReferralNo, string State, Text? ForPatient, IReadOnlyList<TimelineEntry> Entries);

/// <summary>One step: the event, the states around it and who acted for which institution.</summary>
internal sealed record TimelineEntry(
    long? Sequence, string Event, string Verb, string? From, string To, int Leg, DateTimeOffset At, Named Institution,
    string Role, string? OnBehalfOf, string? Reason, JsonNode? Detail, string? Text, Text? ForPatient);
