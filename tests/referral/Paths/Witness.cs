using System.Text.Json;
using TestKit;

namespace ReferralService.Tests.Paths;

/// <summary>What the tables say that no rule allows.</summary>
public sealed class RuleBrokenException(string what) : Exception(what);

/// <summary>
/// Reads the tables after every step and judges whatever was sent or sent on since, with rules of its own: it shares no
/// code with the service. The slip it reads as the sender may.
/// </summary>
internal sealed class Witness(ReferralHost host)
{
    private long _tx = -1;
    private WitnessedAlliance _alliance = null!;

    /// <summary>Referrals that were sent or sent on and judged.</summary>
    public int Judged { get; private set; }
    public Dictionary<string, int> Seen { get; } = [];

    /// <summary>A row of the history beside the referral as it is now.</summary>
    internal sealed record Row
    {
        public Guid ReferralId { get; init; }
        public string ReferralNo { get; init; } = "";
        public string Verb { get; init; } = "";
        public string Event { get; init; } = "";
        public int Leg { get; init; }
        public DateTimeOffset At { get; init; }
        public string Subject { get; init; } = "";
        public string Institution { get; init; } = "";
        public string Role { get; init; } = "";
        public string? Reason { get; init; }
        public string? Detail { get; init; }
        public bool Explained { get; init; }
        public long Tx { get; init; }
        public string Kind { get; init; } = "";
        public string Direction { get; init; } = "";
        public string Priority { get; init; } = "";
        public string Channel { get; init; } = "";
        public string Sender { get; init; } = "";
        public string[] Tried { get; init; } = [];
        public bool External { get; init; }
        public string[] Flags { get; init; } = [];
        public string[] Purposes { get; init; } = [];
        public string? DiagnosisCode { get; init; }
        public string? Relation { get; init; }
        public string? ParentSender { get; init; }
        public bool QuestionSigned { get; init; }
        public string[] QuestionSentOnBy { get; init; } = [];
        public string? Origin { get; init; }
        public string? ContractId { get; init; }
        public string? SlipAuthor { get; init; }

        public bool IsUp => Direction == "Up";
        public bool IsEmergency => Priority == "Emergency";
        public string Target => Tried[Leg - 1];
    }

    /// <summary>Judges what was stored since the last time.</summary>
    public async Task Look()
    {
        var rows = await host.Database.Query<Row>("""
            select h.referral_id, r.referral_no, h.verb, h.event, h.leg, h.at, h.subject, h.institution, h.role, h.reason, h.detail::text as detail,
                   h.words is not null as explained, h.tx, r.kind, r.direction, r.priority, r.channel, r.sender, r.tried, r.external, r.flags,
                   r.purposes, r.diagnosis_code, r.relation, p.sender as parent_sender,
                   exists (select from history q where q.referral_id = p.id and q.verb = 'approve') as question_signed,
                   array(select case when q.role = 'AllianceOffice' then q.role else q.institution end from history q
                         where q.referral_id = p.id and q.verb = 'redirect' and q.leg = p.leg) as question_sent_on_by, r.origin, r.contract_id, s.written_by as slip_author
            from history h
            join referral r on r.id = h.referral_id
            join slip s on s.referral_id = r.id and s.version = r.slip_version
            left join referral p on p.id = r.parent_id
            where h.tx > @_tx
            order by h.tx, h.referral_id, h.version
            """, new { _tx });
        if (rows.Count == 0)
            return;
        _alliance = await WitnessedAlliance.Read(host);
        foreach (var row in rows)
        {
            _tx = Math.Max(_tx, row.Tx);
            Seen[row.Event] = Seen.GetValueOrDefault(row.Event) + 1;
            switch (row.Event)
            {
                case "submitted" when row is { Channel: "RETRO_ENTRY", Verb: "arrive", IsEmergency: false }:
                    Retro(row, await Slip(row));
                    break;
                case "submitted" when !row.IsEmergency && row.Verb != "arrive":
                    Submitted(row, await Slip(row));
                    break;
                case "redirected" when !row.IsEmergency:
                    Redirected(row, await Slip(row));
                    break;
                default:
                    Reasoned(row, rows);
                    continue;
            }
            Judged++;
        }
    }

    private async Task<JsonElement> Slip(Row row)
    {
        var view = await host.As(row.Sender, purpose: "TREATMENT").GetAsync($"/v1/referrals/{row.ReferralId}").Json();
        return view.TryGetProperty("slip", out var slip) && slip.ValueKind == JsonValueKind.Object ? slip
            : throw new InvalidOperationException($"{row.ReferralNo} shows its sender no slip: {view}");
    }

    private void Submitted(Row r, JsonElement slip)
    {
        Parties(r);
        if (r.Channel == "RETRO_ENTRY")
            Broken(r, "says it was typed in afterwards, and nobody arrived");
        if (r.IsUp)
        {
            var signed = r.Verb == "approve";
            if (_alliance.SkipsALevel(r.Sender, r.Target) && !Says(slip, "levelSkipReason"))
                Broken(r, "skips a level without a reason");
            if (_alliance.PassesTownship(r.Sender, r.Target, r.At))
                Broken(r, "goes past the township of a village clinic");
            if (r.Origin is not null && r.Institution == r.Origin)
                Broken(r, "was sent by the village clinic that may only draft it");
            // a question that was signed becomes a transfer by its receiver's decision; one that was not is signed now
            var lead = _alliance.LeadSigns(r.Sender, r.Target, r.At);
            if (r.Relation != "Conversion" || !r.QuestionSigned && !r.QuestionSentOnBy.Contains("AllianceOffice") && !r.QuestionSentOnBy.Contains(lead ?? _alliance.LeadOf(r.Sender)))
            {
                if (lead is not null)
                {
                    if (!Says(slip, "leaveRegionReason"))
                        Broken(r, "leaves region and alliance without a reason");
                    if (!signed || r.Institution != lead)
                        Broken(r, "leaves region and alliance without the lead hospital's signature");
                }
                else if (_alliance.Reviews(r.Sender, r.At) && !_alliance.Contracted(r) && !signed)
                    Broken(r, "left without its head's signature");
            }
            if (signed && r.Subject == r.SlipAuthor)
                Broken(r, "was signed by who wrote it");
        }
        Purposes(r, slip);
        if (slip.TryGetProperty("match", out var match) && match.ValueKind == JsonValueKind.Object && !(match.TryGetProperty("rank", out var rank) && rank.ValueKind == JsonValueKind.Number && rank.GetInt32() == 1))
            Reason(r, "MatchOverride", Text(match, "reason"), Says(match, "text"));
        if (_alliance.Warnings(r, slip).ToArray() is { Length: > 0 } warnings)
        {
            Reason(r, "RuleOverride", r.Reason, r.Explained);
            foreach (var warning in warnings.Except(r.Flags))
                Broken(r, $"does not show that {warning} was overridden");
        }
    }

    private void Redirected(Row r, JsonElement slip)
    {
        Parties(r);
        Reason(r, "Redirect", r.Reason, r.Explained);
        if (!r.IsUp)
            return;
        if (_alliance.SkipsALevel(r.Sender, r.Target) && r.Reason != "HIGHER_LEVEL_NEEDED" && !r.Explained)
            Broken(r, "was sent on over a level without a reason");
        if (_alliance.PassesTownship(r.Sender, r.Target, r.At) && r.Institution == r.Sender)
            Broken(r, "was sent on past its township by a village clinic");
        if (_alliance.LeadSigns(r.Sender, r.Target, r.At) is { } lead && r.Institution != lead && r.Role != "AllianceOffice")
            Broken(r, "was sent out of the region by somebody else than the lead hospital");
        foreach (var warning in _alliance.Warnings(r, slip))
        {
            if (!r.Flags.Contains(warning))
                Broken(r, $"does not show that {warning} was overridden");
            if (warning.StartsWith("RECEIVING_TIER", StringComparison.Ordinal) && r.Detail?.Contains("\"overrideReason\"") != true)
                Broken(r, $"was sent on over {warning} without a reason");
        }
    }

    // nothing holds up what has happened, but it is counted
    private void Retro(Row r, JsonElement slip)
    {
        foreach (var warning in _alliance.Warnings(r, slip).Except(r.Flags))
            Broken(r, $"was typed in and {warning} is not counted");
    }

    private void Parties(Row r)
    {
        if (!r.IsUp && _alliance.Tier(r.Target) > _alliance.Tier(r.Sender) && !(r.Relation == "Return" && r.Target == r.ParentSender))
            Broken(r, "goes down to a higher level");
        if (r.External && _alliance.Share(r.Sender, r.Target))
            Broken(r, "is answered by its sender in the name of a member of the alliance");
    }

    private void Purposes(Row r, JsonElement slip)
    {
        foreach (var purpose in r.Purposes)
            Reason(r, r.IsUp ? "UpPurpose" : "DownPurpose", purpose, Says(slip, "purposeText"));
    }

    private static readonly Dictionary<string, string> Lists = new()
    {
        ["declined"] = "Decline", ["cancelled"] = "Cancel", ["closed"] = "Close", ["sent-back"] = "SendBack", ["information-requested"] = "InformationNeeded", ["advised"] = "Advice",
    };

    private void Reasoned(Row r, IReadOnlyList<Row> rows)
    {
        if (!Lists.TryGetValue(r.Event, out var list) || r.Role == "System")
            return;
        // words stand with the first row of a move; what follows in a linked referral is not asked for words
        var first = rows.First(o => o.Tx == r.Tx && o.Verb == r.Verb && o.ReferralId == r.ReferralId);
        Reason(r, list == "Decline" ? r.Verb == "withdraw-acceptance" ? "WithdrawAcceptance" : r.IsUp ? "DeclineUp" : "DeclineDown" : list, r.Reason, first.Explained);
    }

    private void Reason(Row r, string list, string? code, bool explained)
    {
        if (_alliance.Objection(list, code, r.Role, explained) is { } objection)
            Broken(r, $"gives {code ?? "no reason"} of {list}: {objection}");
    }

    private static bool Says(JsonElement slip, string member) => !string.IsNullOrWhiteSpace(Text(slip, member));

    private static string? Text(JsonElement slip, string member) => slip.TryGetProperty(member, out var text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;

    private static void Broken(Row r, string what) =>
        throw new RuleBrokenException($"{r.ReferralNo} ({r.Kind}, {r.Sender} → {r.Target}, leg {r.Leg}, {r.Event} by {r.Verb} of {r.Institution}) {what}");
}
