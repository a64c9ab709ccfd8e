namespace ReferralDemo;

/// <summary>What every story needs, and the referrals that were walked so far.</summary>
internal sealed record Stage(Api Api, Printer Printer, Receiver Receiver, Cast Cast, DemoFiles Files, Supply Supply)
{
    public List<Case> Cases { get; } = [];

    /// <summary>The person who filled the slip.</summary>
    public Actor Author(Slip slip) => Cast.Doctor(slip.Institution, slip.Subject) with { Role = slip.Role };

    /// <summary>The doctor a slip is addressed to, or the one named here where the paper names none.</summary>
    public Actor Addressee(Slip slip, string? otherwise = null) => Cast.Doctor(slip.Target, slip.Doctor ?? otherwise
        ?? throw new WalkFailed($"Slip {slip.Title} names no doctor of the receiver."));
}
