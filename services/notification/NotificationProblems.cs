using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>The refusals of this service beyond the shared ones.</summary>
internal static class NotificationProblems
{
    public static readonly ProblemType AddressRefused = new("address-refused", 422,
        new("Webhooks may not go to this address", "不允许向该地址发送 Webhook"),
        new("Name a public address. Private, loopback, link-local and metadata addresses are refused; an operator may allow one for development in Webhooks:AllowedAddresses.",
            "请使用公网地址。私有、回环、链路本地及元数据地址均被拒绝；开发环境可由运维在 Webhooks:AllowedAddresses 中放行。"));
    public static readonly ProblemType HttpsNeeded = new("https-needed", 422,
        new("The endpoint needs https", "接收地址必须使用 https"),
        new("Serve the endpoint over https with a certificate that the public trusts.", "请使用受公共信任证书的 https 地址。"));
    public static readonly ProblemType TooManyEndpoints = new("too-many-endpoints", 422,
        new("Your institution has as many endpoints as it may have", "本机构的接收端数量已达上限"),
        new("Delete one that is no longer needed; 'limit' says how many there may be.", "请删除不再使用的接收端；limit 为上限。"));
    public static readonly ProblemType WrongEndpointState = new("wrong-endpoint-state", 409,
        new("The endpoint's state does not allow this", "接收端当前状态不允许此操作"),
        new("'state' says where it stands and 'actions' what is possible.", "state 为当前状态，actions 为可执行的操作。"));

    public static readonly ProblemType CursorTooOld = new("cursor-too-old", 410,
        new("Events behind this cursor are not kept any more", "该游标之后的部分事件已不再保留"),
        new("Read your referrals from the referral service, then follow the feed without a cursor from its beginning.", "请从转诊服务重新读取转诊数据，然后不带游标从头读取事件。"));

    public static readonly IReadOnlyList<ProblemType> All = [AddressRefused, HttpsNeeded, TooManyEndpoints, WrongEndpointState, CursorTooOld];
}
