namespace SchedulingService.Tests;

/// <summary>Who waits long. The clock is its own: days pass.</summary>
public sealed class LongWaitTests(Scheduling scheduling) : IClassFixture<Scheduling>
{
    [Fact]
    public async Task After_three_days_a_wait_counts_like_a_contract_and_the_list_says_so()
    {
        var hospital = scheduling.NewInstitution();
        var old = Ahead(hospital);
        await scheduling.Hears(old.Accepted());
        scheduling.Clock.Advance(TimeSpan.FromDays(4));
        var contracted = Ahead(hospital).Contracted();
        await scheduling.Hears(contracted.Accepted());

        await Eventually.Is(async () => (await Items(hospital)).First().GetProperty("referralNo").GetString() == old.No, "the longest wait is first");

        var first = (await Items(hospital)).First();
        first.GetProperty("why").EnumerateArray().Select(w => w.GetString()).Should().Equal("Routine", "WaitedTooLong");
        first.TryGetProperty("agedAt", out _).Should().BeTrue();
        (await Items(hospital, "?aged=true")).Should().HaveCount(1);
        await Slot(hospital);
        (await scheduling.SaidTypes(old)).Should().Equal("no-capacity", "booked");
        (await scheduling.Waits(contracted)).Should().BeTrue();
    }

    [Fact]
    public async Task News_of_a_referral_does_not_take_its_long_wait_away_and_urgent_still_goes_first()
    {
        var hospital = scheduling.NewInstitution();
        var old = Ahead(hospital);
        await scheduling.Hears(old.Accepted());
        scheduling.Clock.Advance(TimeSpan.FromDays(4));
        await Eventually.Is(async () => (await Items(hospital, "?aged=true")).Count == 1, "it is aged");
        await scheduling.Hears(old.CancellationRequested());
        await scheduling.Hears(old.CancellationRefused(Referrals.Contracts.ReferralState.Waitlisted));
        var urgent = Ahead(hospital).Urgent();
        await scheduling.Hears(urgent.Accepted());

        await Eventually.Is(async () => (await Items(hospital, "?aged=true")).Count == 1, "its wait counts from the beginning");
        (await Items(hospital)).Select(i => i.GetProperty("referralNo").GetString()).Should().Equal(urgent.No, old.No);
    }

    [Fact]
    public async Task Who_waits_is_shown_where_there_is_room()
    {
        var (hospital, clinic, soon, later, wrong) = (scheduling.NewInstitution(), scheduling.NewInstitution(), scheduling.NewInstitution(), scheduling.NewInstitution(), scheduling.NewInstitution());
        var department = $"04.0{Random.Shared.Next(1, 9)}";
        var referral = Ahead(hospital, clinic).Department(department);
        await scheduling.Hears(referral.Accepted(), Ahead(soon).Accepted(), Ahead(later).Accepted(), Ahead(wrong).Accepted());
        await Slot(later, days: 5, capacity: 9, department: department);
        await Slot(soon, days: 2, department: department);
        await Slot(wrong, days: 30, department: department);
        await Slot(wrong, days: 2, department: "11");

        await Eventually.Is(async () => (await Candidates(referral, clinic)).Count == 2, "both have told what is free");

        (await Candidates(referral, clinic)).Should().Equal(soon.Code, later.Code);
        ((int)(await later.Registrar.GetAsync($"/v1/waiting-list/{referral.No}/candidates")).StatusCode).Should().Be(404);
    }

    [Fact]
    public async Task Nobody_is_offered_a_place_where_he_was_nor_one_between_sandbox_and_real()
    {
        var (clinic, first, second, other, sandbox, unheard) = (scheduling.NewInstitution(), scheduling.NewInstitution(), scheduling.NewInstitution(),
            scheduling.NewInstitution(), scheduling.NewInstitution(), scheduling.NewInstitution());
        var department = "09." + Random.Shared.Next(10, 99);
        var (real, trial) = (Ahead(first, clinic).Department(department), Ahead(scheduling.NewInstitution()).Synthetic().Department(department));
        await scheduling.Hears(real.Accepted(), real.Redirected(second), real.Accepted(), trial.Accepted(),
            Ahead(other).Accepted(), Ahead(sandbox).Synthetic().Accepted());
        foreach (var institution in new[] { first, other, sandbox, unheard })
            await Slot(institution, days: 2, department: department);
        await Eventually.Is(async () => (await scheduling.Database.Query<int>(
            "select count(*)::int from capacity_told where department = @department and free <> '[]'", new { department })).Single() == 4, "all have told what is free");

        (await Candidates(real, clinic)).Should().BeEquivalentTo([other.Code, unheard.Code], "of whom nobody heard is no sandbox");
        (await Candidates(trial, trial.Sender)).Should().Equal(sandbox.Code);

        // the sandbox goes live: it is heard of with a real patient, and stays real whatever is heard late
        await scheduling.Hears(Ahead(sandbox).Accepted(), Ahead(sandbox).Synthetic().Accepted());
        (await Candidates(real, clinic)).Should().BeEquivalentTo([other.Code, unheard.Code, sandbox.Code]);
        (await Candidates(trial, trial.Sender)).Should().BeEmpty();
    }

    private Task<List<string?>> Candidates(AReferral referral, Institution of) => Candidates(referral, of.Code);

    private async Task<List<string?>> Candidates(AReferral referral, string of) =>
        [.. (await new Institution(scheduling, of).As("Clinician").GetAsync($"/v1/waiting-list/{referral.No}/candidates").Json())
            .GetProperty("items").EnumerateArray().Select(c => c.GetProperty("institution").GetString())];

    [Fact]
    public async Task A_hospital_sees_where_places_are_missing_and_why()
    {
        var hospital = scheduling.NewInstitution();
        await scheduling.Hears(Ahead(hospital).Accepted(), Ahead(hospital).Urgent().Accepted(), Ahead(hospital).Department("11").Accepted());
        await Slot(hospital, days: 20);

        var issues = (await hospital.Registrar.GetAsync("/v1/slot-issues").Json()).GetProperty("items").EnumerateArray().ToList();

        issues.Should().HaveCount(2);
        issues[0].GetProperty("department").GetString().Should().Be("03.03", "where somebody is urgent comes first");
        issues[0].GetProperty("waiting").GetInt32().Should().Be(2);
        issues[0].GetProperty("urgent").GetInt32().Should().Be(1);
        issues[0].GetProperty("why").GetString().Should().Be("OutsideWindows");
        issues[1].GetProperty("why").GetString().Should().Be("NoneFree");
        ((int)(await hospital.As("Insurer").GetAsync("/v1/slot-issues")).StatusCode).Should().Be(403);
    }

    private async Task<List<System.Text.Json.JsonElement>> Items(Institution hospital, string query = "") =>
        [.. (await hospital.Registrar.GetAsync("/v1/waiting-list" + query).Json()).GetProperty("items").EnumerateArray()];

    // events happen at the time of this clock
    private AReferral Ahead(Institution hospital, Institution? from = null)
    {
        var now = scheduling.Clock.GetUtcNow();
        return A.Referral(hospital, from).Within(now, now.AddDays(14)).Later(now - Scheduling.Monday);
    }

    private async Task Slot(Institution hospital, int days = 1, int capacity = 1, string department = "03.03")
    {
        var startsAt = scheduling.Clock.GetUtcNow().AddDays(days);
        (await hospital.Registrar.Command("/v1/slots", new
        {
            slots = new[] { new { department, resource = "Slot", startsAt, endsAt = startsAt.AddMinutes(30), capacity } },
        })).EnsureSuccessStatusCode();
    }
}
