namespace ReferralDemo;

/// <summary>Somebody who acts for an institution.</summary>
/// <param name="Institution">Unified social credit code.</param>
/// <param name="Name">The institution's short name, for people.</param>
/// <param name="Subject">Who it is: the id of a clinician, or the name of a desk.</param>
internal sealed record Actor(string Institution, string Name, string Role, string Subject);

/// <summary>Who can act in the stories: the institutions of the demo alliance and their people.</summary>
internal sealed class Cast(IReadOnlyDictionary<string, string> names)
{
    private const string Synthetic = "(演示)";

    /// <summary>Reads <c>institutions.csv</c>; code and name are its first two columns and hold no comma.</summary>
    public static Cast Read(string folder) => new(DemoFiles.Lines(folder, "institutions.csv").Skip(1)
        .Select(line => line.Split(',', 3)).ToDictionary(c => c[0], c => c[1].Replace(Synthetic, "")));

    public string NameOf(string institution) =>
        names.GetValueOrDefault(institution) ?? throw new WalkFailed($"institutions.csv does not list {institution}.");

    public Actor Doctor(string institution, string subject) => new(institution, NameOf(institution), "Clinician", subject);

    /// <summary>Registers who comes and who leaves.</summary>
    public Actor Desk(string institution) => new(institution, NameOf(institution), "Registrar", "demo-desk");

    /// <summary>The referral office (转诊办): publishes places and looks after the webhooks.</summary>
    public Actor Office(string institution) => new(institution, NameOf(institution), "Coordinator", "demo-office");
}
