using System.Net;
using Referrals.Contracts;
using Xunit.Abstractions;

namespace SchedulingService.Tests;

/// <summary>
/// Random histories of one department through the front door, each step compared with a model that knows the rules
/// and nothing of the code: who is booked where, who holds what, who waits. The seed is in the test's name.
/// </summary>
public sealed class HistoryTests(Scheduling scheduling, ITestOutputHelper output) : IClassFixture<Scheduling>
{
    private const int Steps = 70;

    public static TheoryData<int> Seeds => [.. Environment.GetEnvironmentVariable("REFERRAL_TEST_SEED") is { } seed ? [int.Parse(seed)] : Enumerable.Range(1, 6)];

    [Theory, MemberData(nameof(Seeds))]
    public async Task Any_history_leads_to_what_the_model_says(int seed)
    {
        var random = new Random(seed);
        var hospital = scheduling.NewInstitution();
        var model = new Model(scheduling.Clock);
        var steps = new List<string>();
        for (var step = 0; step < Steps; step++)
        {
            steps.Add(await Step(random, hospital, model));
            await Compare(hospital, model, $"seed {seed}: {string.Join(" · ", steps)}");
        }
        output.WriteLine(string.Join("\n", steps.GroupBy(s => string.Join(' ', s.Split(' ').Take(2))).Select(g => $"{g.Count(),4} {g.Key}")));

        foreach (var patient in model.Patients.Where(p => !p.Over))
            await scheduling.Hears(patient.Referral.Cancelled());
        (await scheduling.Database.Query<int>("""
            select count(*)::int from booking where institution = @Code and state in ('Held', 'Booked')
            union all select count(*)::int from waiting where institution = @Code
            union all select coalesce(sum(taken), 0)::int - (select count(*) from booking where institution = @Code and state = 'Used')::int from slot where institution = @Code
            """, new { hospital.Code })).Should().OnlyContain(n => n == 0, "nothing is leaked (seed {0})", seed);
    }

    private async Task<string> Step(Random random, Institution hospital, Model model)
    {
        T? Any<T>(IEnumerable<T> from) where T : class => from.ToList() is { Count: > 0 } list ? list[random.Next(list.Count)] : null;
        var (patient, slot) = (Any(model.Patients.Where(p => !p.Over && !p.There)), Any(model.Slots));
        switch (random.Next(14))
        {
            case 0 or 1 or 2:
                return await Accept(random, hospital, model);
            case 3 or 4:
                return await Publish(random, hospital, model);
            // one hold at a time: of two that end together either may end first
            case 5 or 6 when patient is not null && slot is not null && model.Patients.All(p => p.Held is null || p == patient):
                var held = await hospital.Registrar.Command("/v1/bookings", new { referral = patient.Referral.No, slotId = slot.Id, hold = true });
                return Said("hold", held, model.Hold(patient, slot), body => patient.HeldId = body.GetProperty("id").GetGuid());
            case 7 when Any(model.Patients.Where(p => p.Held is not null)) is { } holder:
                var confirmed = await hospital.Registrar.Command($"/v1/bookings/{holder.HeldId}/confirm", new { }, ifMatch: "*");
                return Said("confirm", confirmed, model.Confirm(holder), _ => { });
            case 8 when patient is not null && slot is not null:
                var booked = await hospital.Registrar.Command("/v1/bookings", new { referral = patient.Referral.No, slotId = slot.Id });
                return Said("book", booked, model.Book(patient, slot), _ => { });
            case 9 when Any(model.Patients.Where(p => p.Booked is not null)) is { } mover && slot is not null:
                var moved = await hospital.Registrar.Command($"/v1/bookings/{await Standing(mover)}/reschedule", new { reason = "PATIENT_REQUEST", slotId = slot.Id }, ifMatch: "*");
                return Said("reschedule", moved, model.Reschedule(mover, slot), _ => { });
            case 10 when Any(model.Patients.Where(p => p.Booked is not null)) is { } leaver:
                (await hospital.Registrar.Command($"/v1/bookings/{await Standing(leaver)}/cancel", new { reason = "PATIENT_REQUEST" }, ifMatch: "*")).StatusCode.Should().Be(HttpStatusCode.OK);
                model.Cancel(leaver);
                await scheduling.Hears(leaver.Referral.BookingCancelled());
                model.AskAgain(leaver);
                return "cancel";
            case 11 when Any(model.Patients.Where(p => p.Booked is not null)) is { } missing:
                var booking = await Standing(missing);
                if (random.Next(2) == 0)
                {
                    await scheduling.Hears(missing.Referral.NoShow(booking));
                    model.Miss(missing);
                    return "no-show";
                }
                await scheduling.Hears(missing.Referral.Arrived());
                model.Arrive(missing);
                return "arrive";
            case 12 when slot is { Withdrawn: false }:
                (await hospital.Registrar.Command($"/v1/slots/{slot.Id}/withdraw", new { reason = "CLINICIAN_ABSENT" })).StatusCode.Should().Be(HttpStatusCode.OK);
                foreach (var displaced in model.Withdraw(slot))
                {
                    await scheduling.Hears(displaced.Referral.BookingCancelled());
                    model.AskAgain(displaced);
                }
                return "withdraw";
            case 13 when random.Next(2) == 0 && patient is not null:
                await scheduling.Hears(patient.Referral.Cancelled());
                model.End(patient);
                return "end";
            case 13 when model.Patients.Any(p => p.Held is not null):
                scheduling.Clock.Advance(TimeSpan.FromMinutes(2));
                model.HoldsEnd();
                await Eventually.Is(async () => (await scheduling.Database.Query<int>(
                    "select count(*)::int from booking where institution = @Code and state = 'Held'", new { hospital.Code })).Single() == 0, "holds end");
                return "holds end";
            default:
                return await Accept(random, hospital, model);
        }
    }

    private static string Said(string what, HttpResponseMessage answer, bool expected, Action<System.Text.Json.JsonElement> keep)
    {
        answer.IsSuccessStatusCode.Should().Be(expected, "{0} was answered with {1}", what, answer.StatusCode);
        if (expected)
            keep(answer.Json().Result);
        else
            ((int)answer.StatusCode).Should().BeOneOf(409, 422);
        return what + (expected ? " done" : " refused");
    }

    private async Task<string> Accept(Random random, Institution hospital, Model model)
    {
        var (from, days) = (Model.Start.AddDays(random.Next(0, 12)), random.Next(1, 12));
        var referral = A.Referral(hospital).Within(from, from.AddDays(days)).Later(TimeSpan.FromMinutes(model.Patients.Count + 1));
        var (priority, contracted) = (random.Next(3), random.Next(3) == 0);
        if (priority > 0)
            _ = priority == 1 ? referral.Urgent() : referral.Emergency();
        if (contracted)
            referral.Contracted();
        await scheduling.Hears(referral.Accepted());
        model.Accept(referral, (2 - priority) * 2 + (contracted ? 0 : 1), from, from.AddDays(days));
        return "accept";
    }

    private static async Task<string> Publish(Random random, Institution hospital, Model model)
    {
        var capacity = random.Next(1, 4);
        // minutes of their own: which slot is earlier or nearer is never a matter of chance
        var startsAt = Model.Start.AddDays(random.Next(1, 22)).AddMinutes(model.Slots.Count * 3 + 1).AddSeconds(random.Next(60));
        var answer = await hospital.Registrar.Command("/v1/slots", new
        {
            slots = new[] { new { department = "03.03", resource = "Slot", startsAt, endsAt = startsAt.AddMinutes(30), capacity } },
        }).Json();
        model.Publish(answer.GetProperty("ids")[0].GetGuid(), startsAt, capacity);
        return "publish";
    }

    private async Task<Guid> Standing(Model.Patient patient) =>
        (await scheduling.Bookings(patient.Referral)).Single(b => b.State == "Booked").Id;

    private sealed record Seen(string No, Guid? Booked, Guid? Held, bool Waits);

    private async Task Compare(Institution hospital, Model model, string history)
    {
        var seen = (await scheduling.Database.Query<Seen>("""
            select n.referral_no as no, (select slot_id from booking b where b.referral_id = n.referral_id and b.state = 'Booked') as booked,
                   (select slot_id from booking b where b.referral_id = n.referral_id and b.state = 'Held') as held,
                   exists (select from waiting w where w.referral_id = n.referral_id) as waits
            from need n where n.receiver = @Code
            """, new { hospital.Code })).OrderBy(s => s.No).Select(s => s.ToString());
        var expected = model.Patients.Select(p => new Seen(p.Referral.No, p.Booked?.Id, p.Held?.Id, p.Waits)).OrderBy(s => s.No).Select(s => s.ToString());
        string.Join("\n", seen).Should().Be(string.Join("\n", expected), history);
        (await scheduling.Database.Query<string>("""
            select id::text from slot where institution = @Code
              and taken <> (select count(*) from booking b where b.slot_id = slot.id and b.state in ('Held', 'Booked', 'Used'))
            """, new { hospital.Code })).Should().BeEmpty(history);
    }
}

/// <summary>The rules of one line of slots, as a person would keep them with pencil and paper.</summary>
internal sealed class Model(TimeProvider clock)
{
    public static readonly DateTimeOffset Start = Scheduling.Monday;

    public sealed class Slot(Guid id, DateTimeOffset startsAt, int capacity)
    {
        public Guid Id => id;
        public DateTimeOffset StartsAt => startsAt;
        public int Capacity => capacity;
        public bool Withdrawn { get; set; }
    }

    public sealed class Patient(AReferral referral, int rank, int turn, DateTimeOffset from, DateTimeOffset until)
    {
        public AReferral Referral => referral;
        public int Rank => rank;
        public int Turn => turn;
        public DateTimeOffset From => from;
        public DateTimeOffset Until => until;
        public HashSet<Slot> Had { get; } = [];
        public Slot? Booked { get; set; }
        public Slot? Held { get; set; }
        public Guid HeldId { get; set; }
        public Slot? Used { get; set; }
        public bool Waits { get; set; }
        public bool There { get; set; }
        public bool Over { get; set; }
    }

    public List<Slot> Slots { get; } = [];
    public List<Patient> Patients { get; } = [];

    public void Publish(Guid id, DateTimeOffset startsAt, int capacity)
    {
        Slots.Add(new(id, startsAt, capacity));
        Serve();
    }

    public void Accept(AReferral referral, int rank, DateTimeOffset from, DateTimeOffset until)
    {
        Patients.Add(new(referral, rank, Patients.Count, from, until) { Waits = true });
        Serve();
    }

    public bool Hold(Patient p, Slot slot)
    {
        if (p.Held is not null || p.Booked == slot || !HasRoom(slot))
            return false;
        p.Held = slot;
        p.Had.Add(slot);
        return true;
    }

    public bool Confirm(Patient p)
    {
        (p.Booked, p.Held, p.Waits) = (p.Held, null, false);
        Serve();
        return true;
    }

    public bool Book(Patient p, Slot slot)
    {
        if (p.Held is not null || p.Booked is not null || !HasRoom(slot))
            return false;
        Take(p, slot);
        return true;
    }

    public bool Reschedule(Patient p, Slot slot)
    {
        if (slot == p.Booked || !HasRoom(slot))
            return false;
        Take(p, slot);
        Serve();
        return true;
    }

    public void Cancel(Patient p)
    {
        p.Booked = null;
        Serve();
    }

    public void AskAgain(Patient p)
    {
        p.Waits = true;
        Serve();
    }

    public void Miss(Patient p)
    {
        p.Booked = null;
        Serve();
    }

    public void Arrive(Patient p)
    {
        (p.Used, p.Booked, p.Held, p.There) = (p.Booked, null, null, true);
        Serve();
    }

    public void End(Patient p)
    {
        (p.Booked, p.Held, p.Waits, p.Over) = (null, null, false, true);
        Serve();
    }

    public void HoldsEnd()
    {
        foreach (var p in Patients)
            p.Held = null;
        Serve();
    }

    /// <summary>Those who lost their place and have no other one yet.</summary>
    public IReadOnlyList<Patient> Withdraw(Slot slot)
    {
        slot.Withdrawn = true;
        var lost = new List<Patient>();
        foreach (var p in Patients.Where(p => p.Held == slot))
            p.Held = null;
        foreach (var p in Patients.Where(p => p.Booked == slot).OrderBy(p => p.Turn).ToList())
            if (Fitting(p).MinBy(s => (s.StartsAt - slot.StartsAt).Duration()) is { } nearest)
                Take(p, nearest);
            else
            {
                p.Booked = null;
                lost.Add(p);
            }
        Serve();
        return lost;
    }

    // whoever is first in line and can use a free place gets the earliest, until nobody can
    private void Serve()
    {
        while (Patients.Where(p => p.Waits && Fitting(p).Any()).OrderBy(p => p.Rank).ThenBy(p => p.Turn).FirstOrDefault() is { } next)
            Take(next, Fitting(next).MinBy(s => s.StartsAt)!);
    }

    private void Take(Patient p, Slot slot)
    {
        (p.Booked, p.Waits) = (slot, false);
        p.Had.Add(slot);
    }

    private IEnumerable<Slot> Fitting(Patient p) => Slots.Where(s => HasRoom(s) && !p.Had.Contains(s)
        && s.StartsAt >= p.From && (s.StartsAt <= p.Until || p.Until < clock.GetUtcNow()));

    private bool HasRoom(Slot slot) => !slot.Withdrawn && slot.StartsAt > clock.GetUtcNow()
        && Patients.Sum(p => (p.Booked == slot ? 1 : 0) + (p.Held == slot ? 1 : 0) + (p.Used == slot ? 1 : 0)) < slot.Capacity;
}
