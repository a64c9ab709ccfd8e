namespace ReferralDemo;

/// <summary>Something expected did not happen; the message is the one sentence that says what.</summary>
internal sealed class WalkFailed(string sentence) : Exception(sentence);
