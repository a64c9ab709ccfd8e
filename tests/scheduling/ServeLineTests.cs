using Dapper;
using Npgsql;
using Referrals.Contracts;

namespace SchedulingService.Tests;

/// <summary>
/// What happens to somebody in a line after the statement that serves it has begun. A gate before the places holds that
/// statement up: it stands in a policy of tables, so these tests have a database of their own.
/// </summary>
public sealed class ServeLineTests(Scheduling scheduling) : IClassFixture<Scheduling>, IAsyncLifetime
{
    [Theory]
    [InlineData("Slot")]
    [InlineData("Bed")]
    public async Task Who_is_cancelled_while_his_line_is_served_gets_nothing_and_the_next_is_served(string resource)
    {
        var (hospital, holder, first, next) = await Line(resource);

        await WhileServing(hospital, holder.Cancelled(), () => scheduling.Hears(first.Cancelled()));

        (await scheduling.Bookings(first)).Should().BeEmpty();
        (await scheduling.SaidTypes(first)).Should().Equal("no-capacity");
        (await scheduling.SaidTypes(next)).Should().Equal("no-capacity", "booked");
    }

    [Theory]
    [InlineData("Slot")]
    [InlineData("Bed")]
    public async Task Who_is_redirected_while_his_line_is_served_gets_nothing_there_and_waits_at_the_other_hospital(string resource)
    {
        var (hospital, holder, first, next) = await Line(resource);
        var other = scheduling.NewInstitution();

        await WhileServing(hospital, holder.Cancelled(), () => scheduling.Hears(first.Redirected(other, ReferralState.InTransit)));

        (await scheduling.Bookings(first)).Should().BeEmpty();
        (await scheduling.Waits(first)).Should().BeTrue();
        (await scheduling.SaidTypes(next)).Should().Equal("no-capacity", "booked");
    }

    [Theory]
    [InlineData("Slot")]
    [InlineData("Bed")]
    public async Task Who_moves_up_in_a_line_while_it_is_served_is_served(string resource)
    {
        var (hospital, holder, first, next) = await Line(resource);

        // as the round does it that looks for those who wait too long
        await WhileServing(hospital, holder.Cancelled(), () => scheduling.Database.Execute(
            "update waiting set aged_at = now(), rank = rank / 2 * 2 where referral_id = @Id", new { first.Id }));

        (await scheduling.SaidTypes(first)).Should().Equal("no-capacity", "booked");
        (await scheduling.Waits(next)).Should().BeTrue();
    }

    [Theory]
    [InlineData("Slot")]
    [InlineData("Bed")]
    public async Task Who_was_passed_over_while_somebody_tried_to_change_him_is_served_afterwards(string resource)
    {
        var (_, holder, first, next) = await Line(resource);
        await scheduling.Hears(next.Cancelled());

        await using (var refused = new NpgsqlConnection(scheduling.Database.Super + ";Pooling=false"))
        {
            await refused.OpenAsync();
            await using var change = await refused.BeginTransactionAsync();
            // as a command does it that is refused in the end
            await refused.ExecuteAsync("select from need where referral_id = @Id for update", new { first.Id });
            await scheduling.Hears(holder.Cancelled());
            (await scheduling.Waits(first)).Should().BeTrue("nobody waits for who is being changed");
            await change.RollbackAsync();
        }

        await scheduling.ServesPassedOver();
        await Eventually.Is(async () => (await scheduling.SaidTypes(first)).SequenceEqual(["no-capacity", "booked"]), "he is served");
    }

    /// <summary>One who has the only place, and two who wait for it.</summary>
    private async Task<(Institution Hospital, AReferral Holder, AReferral First, AReferral Next)> Line(string resource)
    {
        var hospital = scheduling.NewInstitution();
        await (resource == "Bed" ? hospital.Ward() : hospital.Slot());
        var (holder, first, next) = (Waiting(), Waiting(), Waiting());
        await scheduling.Hears(holder.Accepted(), first.Accepted(), next.Later(TimeSpan.FromHours(1)).Accepted());
        return (hospital, holder, first, next);

        AReferral Waiting() => A.Referral(hospital).Needs(resource).Emergency();
    }

    /// <summary>Lets <paramref name="meanwhile"/> happen after the place was freed and the serving statement has begun, and before it locks anybody.</summary>
    private async Task WhileServing(Institution hospital, ReferralEvent frees, Func<Task> meanwhile)
    {
        Task served;
        await using (await scheduling.Gate("gate of " + hospital.Code))
        {
            served = scheduling.Hears(frees);
            await scheduling.StandsAtAGate("with turn as%");
            await meanwhile();
        }
        await served;
    }

    public async Task InitializeAsync()
    {
        await scheduling.Database.Execute("""
            create or replace function pass_gate(institution text) returns boolean language plpgsql as $$
            begin
                -- triggers read these tables, too
                if current_query() like 'with turn as%' then
                    perform pg_advisory_xact_lock_shared(hashtextextended('gate of ' || institution, 0));
                end if;
                return true;
            end $$
            """);
        foreach (var table in new[] { "slot", "ward" })
            await scheduling.Database.Execute($"""
                drop policy if exists gate on {table};
                create policy gate on {table} using (pass_gate(institution)) with check (true);
                alter table {table} enable row level security;
                """);
    }

    public Task DisposeAsync() => Task.CompletedTask;
}
