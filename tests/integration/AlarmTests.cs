using System.Diagnostics;
using Deployed;
using FluentAssertions;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Integration.Tests;

/// <summary>The alarm of an emergency, from the clinic's click to three inboxes, through broker and both services.</summary>
public sealed class AlarmTests(AllianceFixture alliance, ITestOutputHelper output) : IntegrationTest(alliance, output)
{
    // the lead hospital of the county's tight alliance: its office is the third party
    private const string County = "12210681DEM000022E";
    private readonly ITestOutputHelper _output = output;

    [Fact]
    public async Task An_emergency_is_in_the_inboxes_of_sender_receiver_and_alliance_office_within_five_seconds_and_ends_with_the_answer()
    {
        var slip = A.Slip("04");
        var watch = Stopwatch.StartNew();
        var emergency = await A.Submitted(Alliance, slip);
        var parties = new[] { emergency.Sender, emergency.Receiver, County }.Distinct().ToArray();
        foreach (var party in parties)
            await Eventually.Is(async () => await Line(party, emergency.No) is not null, $"the alarm is in the inbox of {party}", seconds: 5);
        watch.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(5));
        _output.WriteLine($"three inboxes after {watch.ElapsedMilliseconds} ms");

        await emergency.Does("acknowledge");
        foreach (var party in parties.Where(p => p != emergency.Receiver))
            await Eventually.Is(async () => await Line(party, emergency.No) == "referral.up.acknowledged", $"{party} hears that it is answered");
        await Eventually.Is(async () => await Line(emergency.Receiver, emergency.No) is null, "who answered has nothing left to answer");
    }

    private async Task<string?> Line(string institution, string no) =>
        (await Notification.As(institution).GetAsync("/v1/inbox?limit=100").Json()).GetProperty("items").EnumerateArray()
            .Where(i => i.GetProperty("subject").GetString() == no).Select(i => i.GetProperty("type").GetString()).FirstOrDefault();
}
