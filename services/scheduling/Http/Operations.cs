using ServiceDefaults.Http;

namespace SchedulingService.Http;

/// <summary>The two shapes of operation this service has, as the OpenAPI document shows them.</summary>
internal static class Operations
{
    public static RouteHandlerBuilder Read<TAnswer>(this RouteHandlerBuilder route, string id, string tag, string summary, string example, params int[] problems) =>
        route.Describe(id, tag, summary).Produces<TAnswer>().Produces(StatusCodes.Status304NotModified)
            .Refuses([400, 403, .. problems])
            .Example(null, example);

    public static RouteHandlerBuilder Command<TBody, TAnswer>(this RouteHandlerBuilder route, string id, string tag, string summary,
        string request, int status, string example, params int[] problems) where TBody : notnull =>
        route.Describe(id, tag, summary).Accepts<TBody>("application/json").Produces<TAnswer>(status)
            .RefusesLikeACommand(ifMatch: false, problems)
            .Example(request, example);

    /// <summary>A move changes what somebody else may be looking at: it names what it saw.</summary>
    public static RouteHandlerBuilder NeedsIfMatch(this RouteHandlerBuilder route) =>
        route.Refuses(412, 428).NeedsHeader("If-Match", "The ETag last seen, or * for whatever stands now.", "\"3\"");
}
