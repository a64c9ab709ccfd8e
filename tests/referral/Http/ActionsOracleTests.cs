using System.Net;
using FluentAssertions;
using ServiceDefaults.Auth;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Http;

/// <summary>
/// <c>available-actions</c> is a total oracle, for every role on every side: what it lists is refused neither with 403
/// nor with 409, and what it does not list is refused with one of them.
/// </summary>
[Collection("referral")]
public sealed class ActionsOracleTests(ReferralHost host)
{
    private static readonly Operation[] Moves =
        [.. Operation.Of("referral").Where(o => o is { Method: "post", Tag: "Moves" })];

    private static readonly Role[] SeeNobody = [Role.Insurer, Role.Regulator, Role.Auditor, Role.Operator];

    /// <summary>How a test brings a referral into a state.</summary>
    private static readonly Dictionary<string, Func<ReferralHost, Task<A>>> Standing = new()
    {
        ["Draft"] = host => A.Drafted(host),
        ["InternalReview"] = async host => await (await A.Drafted(host)).Does("send-for-review"),
        ["Submitted"] = host => A.Submitted(host),
        ["InTriage"] = async host => await (await A.Submitted(host)).Does("claim"),
        ["InformationRequested"] = async host => await (await A.Submitted(host)).Does("request-information"),
        ["Accepted"] = host => A.Accepted(host),
        ["CancellationRequested"] = async host => await (await A.Accepted(host)).Does("request-cancellation"),
        ["InTransit"] = host => A.Emergency(host),
        ["Arrived"] = host => A.Arrived(host),
        ["Treated"] = host => A.Treated(host),
        ["Arrived below"] = host => A.ReturnedAndArrived(host),
        ["Declined"] = async host => await (await A.Submitted(host)).Does("decline"),
    };

    public static TheoryData<string> States => [.. Standing.Keys];

    [Theory, MemberData(nameof(States))]
    public async Task What_is_offered_is_not_refused_and_what_is_not_offered_is(string state)
    {
        var referral = await Standing[state](host);
        foreach (var (who, client) in Callers(referral))
        {
            var asked = await client.GetAsync($"/v1/referrals/{referral.Id}/available-actions");
            if (asked.StatusCode == HttpStatusCode.NotFound)
            {
                // a draft: whoever is asked later knows nothing of it
                foreach (var move in Moves)
                    (await Status(client, move, referral, "*")).Should().Be(404, "{0} does {1} to a {2}", who, move.Verb, state);
                continue;
            }
            var offered = (await asked.Json()).GetProperty("actions").EnumerateArray().Select(a => a.GetString()!).ToArray();
            offered.Should().BeSubsetOf(Moves.Select(m => m.Verb));
            foreach (var move in Moves)
                if (!offered.Contains(move.Verb))
                    (await Status(client, move, referral, "*")).Should().BeOneOf([403, 409], "{0} is not offered {1} in {2}", who, move.Verb, state);
                else if (move.Needs("If-Match"))
                    // stale on purpose: side and role are judged before, and nothing moves
                    (await Status(client, move, referral, "\"999999\"")).Should().Be(412, "{0} is offered {1} in {2}", who, move.Verb, state);
                else
                    (await Status(client, move, referral, null)).Should().BeOneOf([200, 422], "{0} is offered {1} in {2}", who, move.Verb, state);
        }
    }

    [Fact]
    public async Task Whoever_sees_no_patient_is_offered_nothing_and_does_nothing()
    {
        var referral = await A.Submitted(host);
        foreach (var role in SeeNobody)
            foreach (var institution in new[] { referral.Sender, referral.Receiver })
            {
                var client = host.As(institution, role.ToString());
                (await client.GetAsync($"/v1/referrals/{referral.Id}/available-actions")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
                foreach (var move in Moves)
                    (await Status(client, move, referral, "*")).Should().Be(403, "{0} does {1}", role, move.Verb);
            }
    }

    [Fact]
    public async Task Software_is_offered_a_clinicians_moves_where_it_names_the_clinician()
    {
        var referral = await A.Submitted(host);
        var nameless = await Offered(host.As(referral.Receiver, "Machine"), referral);
        nameless.Should().Contain("note").And.Contain("assign").And.NotContain("accept").And.NotContain("decline");
        var named = await Offered(host.As(referral.Receiver, "Machine", onBehalfOf: "dr-0001"), referral);
        named.Should().Contain(nameless).And.Contain("accept").And.Contain("decline");
    }

    [Fact]
    public void No_role_is_left_out() =>
        Enum.GetValues<Role>().Should().BeEquivalentTo(Both.Select(b => b.Role).Append(Role.AllianceOffice).Union(SeeNobody));

    // who may stand on either side
    private static readonly (Role Role, string? OnBehalfOf)[] Both =
    [
        (Role.Clinician, null), (Role.Coordinator, null), (Role.Head, null), (Role.Registrar, null), (Role.Machine, null), (Role.Machine, "dr-0001"),
    ];

    private IEnumerable<(string Who, HttpClient Client)> Callers(A referral)
    {
        foreach (var (role, onBehalfOf) in Both)
        {
            yield return ($"{role} {onBehalfOf} of the sender", host.As(referral.Sender, role.ToString(), "somebody", onBehalfOf: onBehalfOf));
            yield return ($"{role} {onBehalfOf} of the receiver", host.As(referral.Receiver, role.ToString(), "somebody", onBehalfOf: onBehalfOf));
        }
        foreach (var member in new[] { null, referral.Sender, referral.Receiver })
            yield return ($"the office for {member ?? "itself"}", host.As(ReferralHost.County, "AllianceOffice", "office", onBehalfOf: member));
    }

    private static async Task<string[]> Offered(HttpClient client, A referral) =>
        [.. (await client.GetAsync($"/v1/referrals/{referral.Id}/available-actions").Json()).GetProperty("actions").EnumerateArray().Select(a => a.GetString()!)];

    private static async Task<int> Status(HttpClient client, Operation move, A referral, string? ifMatch)
    {
        var request = move.Request([referral.Id.ToString()]);
        request.Headers.Remove("If-Match");
        if (ifMatch is not null)
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        using var answer = await client.SendAsync(request);
        return (int)answer.StatusCode;
    }
}
