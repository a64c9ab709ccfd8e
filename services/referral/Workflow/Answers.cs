using Microsoft.AspNetCore.Mvc;

namespace ReferralService.Workflow;

/// <summary>Which refusals an operation documents.</summary>
internal static class Answers
{
    public static RouteHandlerBuilder RefusesLikeAMove(this RouteHandlerBuilder route, bool needsIfMatch)
    {
        int[] statuses = needsIfMatch ? [400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 428, 429, 500, 503, 507] : [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503, 507];
        return route.Refuses(statuses);
    }

    public static RouteHandlerBuilder Refuses(this RouteHandlerBuilder route, params int[] statuses)
    {
        foreach (var status in statuses)
            route.ProducesProblem(status);
        return route.RequireAuthorization();
    }
}
