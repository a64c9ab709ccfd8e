namespace SchedulingService.Tests;

/// <summary>What is old goes; the clock is its own.</summary>
public sealed class RetentionTests(Scheduling scheduling) : IClassFixture<Scheduling>
{
    [Fact]
    public async Task Old_messages_and_answers_go_and_young_ones_stay()
    {
        await scheduling.Database.Execute("""
            insert into inbox (message_id, heard_at) select gen_random_uuid(), now() - interval '31 days' from generate_series(1, 5000);
            insert into idempotency_key (scope, key, fingerprint, status, body, created_at)
            select 'old', n::text, ''::bytea, 200, '{}', now() - interval '3 days' from generate_series(1, 5000) n
            """);
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        var heard = A.Referral(hospital).Accepted();
        await scheduling.Hears(heard);

        await Eventually.Is(async () => (await Count("inbox where heard_at < now() - interval '30 days'")) + await Count("idempotency_key where scope = 'old'") == 0, "what is old is gone");

        (await Count($"inbox where message_id = '{heard.Id}'")).Should().Be(1);
        (await Count($"idempotency_key where scope like '{hospital.Code}%'")).Should().Be(1);
    }

    [Fact]
    public async Task The_code_of_a_visit_long_over_is_free_for_others()
    {
        var hospital = scheduling.NewInstitution();
        var now = scheduling.Clock.GetUtcNow();
        var startsAt = now.AddHours(1);
        await hospital.Registrar.Command("/v1/slots", new { slots = new[] { new { department = "03.03", resource = "Slot", startsAt, endsAt = startsAt.AddMinutes(30) } } });
        var referral = A.Referral(hospital).Within(now, now.AddDays(3));
        await scheduling.Hears(referral.Accepted(), referral.Arrived());

        scheduling.Clock.Advance(TimeSpan.FromDays(3));

        await Eventually.Is(async () => await Count($"booking where referral_id = '{referral.Id}' and code_lookup is null") == 1, "its code is nobody's");
    }

    private async Task<int> Count(string what) => (await scheduling.Database.Query<int>($"select count(*)::int from {what}")).Single();
}
