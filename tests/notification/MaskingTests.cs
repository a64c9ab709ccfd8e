namespace NotificationService.Tests;

public sealed class MaskingTests
{
    [Theory]
    [InlineData("03", null, false)]
    [InlineData("03", "Rehab", false)]
    [InlineData("16.02", null, true)]
    [InlineData("03", "Palliative", true)]
    // of a later version: what is not known to be harmless is not shown
    [InlineData("03", "Newborn", true)]
    public void What_gives_an_illness_away_is_masked(string department, string? patientClass, bool sensitive) =>
        Masking.IsSensitive(department, patientClass).Should().Be(sensitive);
}
