namespace NotificationService;

/// <summary>The examples of the OpenAPI document.</summary>
internal static class EndpointExamples
{
    public const string Roles = "Roles Operator, Machine, Coordinator, Head.";

    public const string Create = """
        {"url":"https://his.example.org/referral-webhooks","description":"HIS of the township hospital","types":["referral.up.*","referral.down.submitted"],"priorities":["Urgent","Emergency"],"departments":["03"],"inOrder":true}
        """;

    public const string Endpoint = """
        {"id":"019a7d0e-5b7a-7d0c-8f43-6a9a5c0e7b11","url":"https://his.example.org/referral-webhooks","description":"HIS of the township hospital","types":["referral.up.*","referral.down.submitted"],"priorities":["Urgent","Emergency"],"departments":["03"],"partners":[],"inOrder":true,"state":"Active","createdAt":"2026-03-01T01:30:00+00:00","actions":["pause","test","rotate-secret","resend","replay","delete"]}
        """;

    public const string Created = """
        {"id":"019a7d0e-5b7a-7d0c-8f43-6a9a5c0e7b11","url":"https://his.example.org/referral-webhooks","description":"HIS of the township hospital","types":["referral.up.*","referral.down.submitted"],"priorities":["Urgent","Emergency"],"departments":["03"],"partners":[],"inOrder":true,"state":"Active","createdAt":"2026-03-01T01:30:00+00:00","actions":["pause","test","rotate-secret","resend","replay","delete"],"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="}
        """;

    public const string Paused = """
        {"id":"019a7d0e-5b7a-7d0c-8f43-6a9a5c0e7b11","url":"https://his.example.org/referral-webhooks","description":"HIS of the township hospital","types":["referral.up.*","referral.down.submitted"],"priorities":["Urgent","Emergency"],"departments":["03"],"partners":[],"inOrder":true,"state":"Paused","createdAt":"2026-03-01T01:30:00+00:00","actions":["resume","rotate-secret","resend","replay","delete"]}
        """;

    public const string Page = """
        {"items":[{"id":"019a7d0e-5b7a-7d0c-8f43-6a9a5c0e7b11","url":"https://his.example.org/referral-webhooks","types":[],"priorities":[],"departments":[],"partners":[],"inOrder":false,"state":"Active","createdAt":"2026-03-01T01:30:00+00:00","actions":["pause","test","rotate-secret","resend","replay","delete"]}],"next":"hJ0m2q"}
        """;
}
