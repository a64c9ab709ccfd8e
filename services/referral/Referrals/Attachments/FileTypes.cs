namespace ReferralService.Referrals.Attachments;

/// <summary>What a file is by its first bytes; what it is called or said to be decides nothing.</summary>
internal static class FileTypes
{
    public static readonly string[] Taken = ["application/pdf", "image/jpeg", "image/png", "application/dicom"];

    /// <summary>Null for anything that is not taken.</summary>
    public static string? Of(ReadOnlySpan<byte> content) =>
        content.StartsWith("%PDF-"u8) ? "application/pdf"
        : content.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ? "image/jpeg"
        : content.StartsWith((ReadOnlySpan<byte>)[0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) ? "image/png"
        : content.Length >= 132 && content[128..132].SequenceEqual("DICM"u8) ? "application/dicom"
        : null;
}
