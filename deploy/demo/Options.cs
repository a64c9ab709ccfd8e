namespace ReferralDemo;

/// <summary>Where the services and the demo's files are.</summary>
/// <param name="Demo">Folder with the slips, slots and wards.</param>
/// <param name="IssuerKey">Private key of the development issuer, in PEM.</param>
internal sealed record Options(string Demo, Uri Referral, Uri Scheduling, Uri Notification, string IssuerKey)
{
    private const string Usage =
        "dotnet Demo.dll walk --demo FOLDER --referral URL --scheduling URL --notification URL --issuer-key FILE";

    private static readonly string[] Names = ["--demo", "--referral", "--scheduling", "--notification", "--issuer-key"];

    /// <summary>The options, or one sentence about what is wrong with the arguments.</summary>
    public static (Options? Options, string? Wrong) Read(string[] args)
    {
        if (args.FirstOrDefault() != "walk")
            return (null, "The demo knows one verb, walk: " + Usage);
        var values = new Dictionary<string, string>();
        for (var i = 1; i < args.Length; i += 2)
        {
            if (!Names.Contains(args[i]))
                return (null, $"The demo does not know '{args[i]}': {Usage}");
            if (i + 1 == args.Length)
                return (null, $"{args[i]} needs a value: {Usage}");
            values[args[i]] = args[i + 1];
        }
        foreach (var name in Names)
            if (!values.ContainsKey(name))
                return (null, $"{name} is missing: {Usage}");
        var addresses = new List<Uri>();
        foreach (var name in Names[1..4])
        {
            if (!Uri.TryCreate(values[name], UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
                return (null, $"{name} is not an address such as http://127.0.0.1:7101.");
            addresses.Add(address);
        }
        if (!Directory.Exists(values["--demo"]))
            return (null, $"The folder {values["--demo"]} is not there.");
        if (!File.Exists(values["--issuer-key"]))
            return (null, $"The issuer's key {values["--issuer-key"]} is not there or may not be read.");
        return (new(values["--demo"], addresses[0], addresses[1], addresses[2], values["--issuer-key"]), null);
    }
}
