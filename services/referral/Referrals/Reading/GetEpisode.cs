using ReferralService.Alliances;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Reading;

/// <summary>The chain up, down, up again of one patient's illness, as far as the caller is a party of it.</summary>
internal sealed class GetEpisode(Wall wall, AllianceDirectory directory, Access access)
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapGet("/v1/episodes/{id}", (Guid id, HttpContext http, GetEpisode get) => get.Handle(http, id))
        .Describe("getEpisode", "Referrals", "Every referral of one illness that the caller is a party of, in order.")
        .Produces<Episode>().Refuses(400, 403, 404);

    private async Task<IResult> Handle(HttpContext http, Guid id)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (incomplete is not null)
            return new ProblemResult(incomplete);
        var chain = (await wall.Query<Referral>(caller!,
                $"select {ReferralColumns.Names} from referral where episode_id = @id order by drafted_at, id", new { id }))
            .Where(r => access.IsParty(caller!, r)).ToArray();
        if (chain.Length == 0 || !Access.SeesPatients(caller!.Role))
        {
            await access.Denied(caller!, "episode", null, id.ToString());
            return new ProblemResult(chain.Length == 0 ? Problems.NotFound : Problems.Forbidden);
        }
        foreach (var referral in chain)
            access.Shield(caller, referral);
        return TypedResults.Ok(new Episode(id,
            [.. chain.Select(r => new EpisodeEntry(ReferralLine.Of(r, directory.Current, caller!.Institution), r.ParentId, r.Relation, r.Outcome, r.ArrivedAt, r.EndedAt))]));
    }
}

/// <summary>One illness across institutions.</summary>
internal sealed record Episode(Guid Id, IReadOnlyList<EpisodeEntry> Referrals);

/// <summary>A link of the chain, with the times an insurer's continuous deductible needs.</summary>
internal sealed record EpisodeEntry(
    ReferralLine Referral, Guid? ParentId, global::Referrals.Contracts.Relation? Relation, global::Referrals.Contracts.Outcome? Outcome,
    DateTimeOffset? ArrivedAt, DateTimeOffset? EndedAt);
