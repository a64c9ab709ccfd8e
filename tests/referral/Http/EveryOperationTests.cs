using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Http;

/// <summary>Every operation of the referral service; a new one needs a line here only when it is about something new.</summary>
[Collection("referral")]
public sealed class EveryOperationTests(ReferralHost host) : EveryOperation<EveryOperationTests>, IOperationsOf
{
    public static string Service => "referral";

    protected override TestDatabase Database => host.Database;
    protected override HttpClient Anonymous => host.Anonymous();
    protected override string Denied => "verdict = 'denied'";

    protected override IReadOnlyList<OperationLine> Table =>
    [
        new("/v1/referrals/{id}")
        {
            Thing = async () => [(await A.Submitted(host)).Id.ToString()],
            Party = operation => A.By(operation.Verb) is var (sends, role) && sends ? host.As(ReferralHost.Township, role) : host.As(ReferralHost.Tertiary, role),
            Stranger = Stranger, WrongRole = host.As(ReferralHost.Tertiary, "Insurer"),
        },
        new("/v1/episodes/{id}")
        {
            Thing = async () => [(await A.Submitted(host)).Last.GetProperty("episodeId").GetString()!],
            Party = _ => Clinic, Stranger = Stranger, WrongRole = host.As(ReferralHost.Township, "Insurer"),
        },
        // a list shows whoever asks his own, a stranger none of ours
        new("/v1/referrals") { Party = _ => Clinic, Stranger = Stranger, ForStranger = 200, WrongRole = host.As(ReferralHost.Township, "Insurer") },
        // the rules are everybody's to read
        new("/v1/rules") { Party = _ => Clinic },
        new("/v1/audit") { Party = _ => host.As(ReferralHost.Township, "Auditor"), WrongRole = Clinic },
        new("/v1/rules/{id}")
        {
            Thing = () => Task.FromResult<string[]>(["diabetes"]), Party = _ => Clinic,
        },
        new("post /v1/rules/{id}")
        {
            Thing = () => Task.FromResult<string[]>(["pack-" + Guid.NewGuid().ToString("n")[..8]]),
            Party = _ => host.As(ReferralHost.County, "AllianceOffice"), WrongRole = Clinic,
        },
        new("post /v1/referrals") { Body = A.UpwardSlip().ToJsonString(), Party = _ => Clinic, WrongRole = host.As(ReferralHost.Township, "Insurer") },
    ];

    private HttpClient Stranger => host.As(ReferralHost.Stranger);
    private HttpClient Clinic => host.As(ReferralHost.Township);

    [Fact]
    public async Task A_stranger_who_knows_the_number_finds_nothing_either()
    {
        var referral = await A.Submitted(host);
        foreach (var operation in Operation.Of(Service).Where(o => o.Path.StartsWith("/v1/referrals/{id}", StringComparison.Ordinal)))
            await Refused(operation, Stranger, operation.Request([referral.No]), 404, "not-found");
    }

    [Fact]
    public async Task The_wrong_side_gets_403_from_every_move_that_is_not_its_own()
    {
        var referral = await A.Submitted(host);
        var refused = 0;
        foreach (var operation in Operation.Of(Service).Where(o => o.Method == "post" && OnlyReceiver.Contains(o.Verb)))
        {
            await Refused(operation, host.As(ReferralHost.Township), operation.Request([referral.Id.ToString()]), 403, "forbidden");
            refused++;
        }
        refused.Should().Be(OnlyReceiver.Count);
        referral.Actions.Should().NotIntersectWith(OnlyReceiver);
    }

    private static readonly HashSet<string> OnlyReceiver =
    [
        "acknowledge", "claim", "assign", "release", "request-information", "withdraw-question", "accept", "decline", "advise",
        "convert", "report", "withdraw-acceptance", "no-show", "arrive", "start-treatment", "interim-note", "complete-treatment",
        "return", "refer-onward", "complete-without-return", "follow-up", "finish", "re-refer", "refuse-cancellation",
        "confirm-cancellation", "lower-priority",
    ];
}
