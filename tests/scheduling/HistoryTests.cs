using System.Net;
using Referrals.Contracts;
using Xunit.Abstractions;

namespace SchedulingService.Tests;

/// <summary>
/// Random histories of one department, with slots, slots reserved for family doctors, beds and long waits, through the front
/// door, each step compared with a model that knows the rules and nothing of the code: who is booked where, who holds what,
/// who waits and where in the line. The seed is in the test's name.
/// </summary>
public sealed class HistoryTests(Scheduling scheduling, ITestOutputHelper output) : IClassFixture<Scheduling>
{
    private const int Steps = 120, Clinics = 2;

    public static TheoryData<int> Seeds => [.. Environment.GetEnvironmentVariable("REFERRAL_TEST_SEED") is { } seed ? [int.Parse(seed)] : Enumerable.Range(1, 6)];

    [Theory, MemberData(nameof(Seeds))]
    public async Task Any_history_leads_to_what_the_model_says(int seed)
    {
        var random = new Random(seed);
        // a Monday of its own: what the history before it left to the clock is over
        scheduling.NextMondayComes();
        var hospital = scheduling.NewInstitution();
        var clinics = Enumerable.Range(0, Clinics).Select(_ => scheduling.NewInstitution()).ToList();
        var ward = await hospital.Ward(beds: 1);
        var model = new Model(scheduling.Clock);
        model.AddBed("01");
        await Quota(hospital, model, 1);
        var steps = new List<string>();
        for (var step = 0; step < Steps; step++)
        {
            steps.Add(await Step(random, hospital, clinics, ward, model));
            await Age(hospital, model);
            await Compare(hospital, model, $"seed {seed}: {string.Join(" · ", steps)}");
        }
        output.WriteLine(string.Join("\n", steps.GroupBy(s => string.Join(' ', s.Split(' ').Take(2))).Select(g => $"{g.Count(),4} {g.Key}")));

        foreach (var patient in model.Patients.Where(p => !p.Over))
            await scheduling.Hears(patient.Referral.Cancelled());
        (await scheduling.Database.Query<int>("""
            select count(*)::int from booking where institution = @Code and (state in ('Held', 'Booked') or state = 'Used' and bed_id is not null)
            union all select count(*)::int from waiting where institution = @Code
            union all select coalesce(sum(taken), 0)::int - (select count(*) from booking where institution = @Code and state = 'Used' and slot_id is not null)::int from slot where institution = @Code
            """, new { hospital.Code })).Should().OnlyContain(n => n == 0, "nothing is leaked (seed {0})", seed);
    }

    private async Task<string> Step(Random random, Institution hospital, IReadOnlyList<Institution> clinics, Guid ward, Model model)
    {
        T? Any<T>(IEnumerable<T> from) where T : class => from.ToList() is { Count: > 0 } list ? list[random.Next(list.Count)] : null;
        var (patient, slot, bed) = (Any(model.Patients.Where(p => !p.Over && !p.There)), Any(model.Slots), Any(model.Beds));
        // now and then somebody tries to give a slot to one who wants a bed
        var visitor = random.Next(8) == 0 ? patient : Any(model.Patients.Where(p => !p.Over && !p.There && !p.WantsBed));
        switch (random.Next(22))
        {
            case 0 or 1 or 2:
                return await Accept(random, hospital, clinics, model);
            case 3 or 4:
                return await Publish(random, hospital, model);
            // one hold at a time: of two that end together either may end first
            case 5 or 6 when visitor is not null && slot is not null && model.Patients.All(p => p.Held is null || p == visitor):
                var held = await hospital.Registrar.Command("/v1/bookings", new { referral = visitor.Referral.No, slotId = slot.Id, hold = true });
                return Said("hold", held, model.Hold(visitor, slot), body => visitor.HeldId = body.GetProperty("id").GetGuid());
            case 7 when Any(model.Patients.Where(p => p.Held is not null)) is { } holder:
                var confirmed = await hospital.Registrar.Command($"/v1/bookings/{holder.HeldId}/confirm", new { }, ifMatch: "*");
                return Said("confirm", confirmed, model.Confirm(holder), _ => { });
            case 8 when visitor is not null && slot is not null:
                var booked = await hospital.Registrar.Command("/v1/bookings", new { referral = visitor.Referral.No, slotId = slot.Id });
                return Said("book", booked, model.Book(visitor, slot), _ => { });
            case 9 when Any(model.Patients.Where(p => p.Booked is not null)) is { } mover && slot is not null:
                var moved = await hospital.Registrar.Command($"/v1/bookings/{await Standing(mover)}/reschedule", new { reason = "PATIENT_REQUEST", slotId = slot.Id }, ifMatch: "*");
                return Said("reschedule", moved, model.Reschedule(mover, slot), _ => { });
            case 10 when Any(model.Patients.Where(p => p.IsBooked)) is { } leaver:
                (await hospital.Registrar.Command($"/v1/bookings/{await Standing(leaver)}/cancel", new { reason = "PATIENT_REQUEST" }, ifMatch: "*")).StatusCode.Should().Be(HttpStatusCode.OK);
                model.Cancel(leaver);
                await scheduling.Hears(leaver.Referral.BookingCancelled());
                model.AskAgain(leaver);
                return "cancel";
            case 11 when Any(model.Patients.Where(p => p.IsBooked)) is { } missing:
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
            // of a hold that ends and somebody who moves up either may come first
            case 13 when model.Patients.Any(p => p.Held is not null) && !model.AgesWithin(TimeSpan.FromMinutes(2)):
                scheduling.Clock.Advance(TimeSpan.FromMinutes(2));
                model.HoldsEnd();
                await Eventually.Is(async () => (await scheduling.Database.Query<int>(
                    "select count(*)::int from booking where institution = @Code and state = 'Held'", new { hospital.Code })).Single() == 0, "holds end");
                return "holds end";
            case 14:
                var label = $"{model.Beds.Count + 1:00}";
                (await hospital.Registrar.Command($"/v1/wards/{ward}/add-beds", new { beds = new[] { label } })).StatusCode.Should().Be(HttpStatusCode.OK);
                model.AddBed(label);
                return "bed added";
            case 15 when bed is not null && patient is not null:
                var given = await hospital.Registrar.Command("/v1/bookings", new { referral = patient.Referral.No, wardId = ward, bed = bed.Label });
                return Said("bed given", given, model.Give(patient, bed), _ => { });
            case 16 when bed is not null && Any(model.Patients.Where(p => p.Bed is not null && !p.There)) is { } lier:
                var other = await hospital.Registrar.Command($"/v1/bookings/{await Standing(lier)}/reschedule", new { reason = "CONDITION_CHANGED", wardId = ward, bed = bed.Label }, ifMatch: "*");
                return Said("bed changed", other, model.Change(lier, bed), _ => { });
            case 17 when bed is not null:
                var taken = await hospital.Registrar.Command($"/v1/wards/{ward}/withdraw-beds", new { beds = new[] { bed.Label }, reason = "BED_LOST" });
                var (goes, without) = model.Withdraw(bed);
                var withdrawn = Said("bed withdrawn", taken, goes, _ => { });
                if (without is not null)
                {
                    await scheduling.Hears(without.Referral.BookingCancelled());
                    model.AskAgain(without);
                }
                return withdrawn;
            case 18 when Any(model.Patients.Where(p => p.There && !p.Over && p.Bed is not null)) is { } inmate:
                await scheduling.Hears(inmate.Referral.Completed());
                model.End(inmate);
                return "bed left";
            case 19:
                await Quota(hospital, model, random.Next(0, 4));
                return "quota";
            case 20 when model.Patients.All(p => p.Held is null):
                scheduling.Clock.Advance(TimeSpan.FromMinutes(random.Next(5, 30)));
                return model.AgesWithin(TimeSpan.Zero) ? "time passes, somebody moves up" : "time passes, nobody moves up";
            case 21 when patient is { Priority: Priority.Routine }:
                await scheduling.Hears(patient.Referral.PriorityRaised());
                model.Raise(patient);
                return patient.Waits ? "raised waiting" : "raised booked";
            default:
                return await Accept(random, hospital, clinics, model);
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

    private static async Task Quota(Institution hospital, Model model, int perWeek)
    {
        (await hospital.Registrar.Command("/v1/pools/quota", new { department = "03.03", resource = "Slot", perWeek })).EnsureSuccessStatusCode();
        model.SetQuota(perWeek);
    }

    private async Task<string> Accept(Random random, Institution hospital, IReadOnlyList<Institution> clinics, Model model)
    {
        var (from, days) = (model.Start.AddDays(random.Next(0, 12)), random.Next(1, 12));
        var clinic = clinics[random.Next(Clinics)];
        var (priority, contracted, bed) = ((Priority)random.Next(3), random.Next(2) == 0, random.Next(4) == 0);
        // soon he has waited too long; milliseconds of their own: who came first is never a matter of chance
        var since = scheduling.Clock.GetUtcNow() - Model.TooLong(priority) + TimeSpan.FromMinutes(random.Next(1, 60)) + TimeSpan.FromMilliseconds(model.Patients.Count);
        var referral = A.Referral(hospital, clinic).Within(from, from.AddDays(days)).Later(since - Scheduling.Monday);
        if (bed)
            referral.Needs("Bed");
        if (priority != Priority.Routine)
            _ = priority == Priority.Urgent ? referral.Urgent() : referral.Emergency();
        if (contracted)
            referral.Contracted();
        var accepted = referral.Accepted();
        await scheduling.Hears(accepted);
        model.Accept(referral, priority, accepted.Time, from, from.AddDays(days), contracted, bed);
        return bed ? "accept for a bed" : "accept for a slot";
    }

    private static async Task<string> Publish(Random random, Institution hospital, Model model)
    {
        var (capacity, reserved) = (random.Next(1, 4), random.Next(3) == 0);
        // minutes of their own: which slot is earlier or nearer is never a matter of chance
        var startsAt = model.Start.AddDays(random.Next(1, 22)).AddMinutes(model.Slots.Count * 3 + 1).AddSeconds(random.Next(60));
        var answer = await hospital.Registrar.Command("/v1/slots", new
        {
            slots = new[]
            {
                new
                {
                    department = "03.03", resource = "Slot", startsAt, endsAt = startsAt.AddMinutes(30), capacity,
                    reservedFor = reserved ? "FamilyDoctor" : null, opensAt = reserved ? startsAt : (DateTimeOffset?)null,
                },
            },
        }).Json();
        model.Publish(answer.GetProperty("ids")[0].GetGuid(), startsAt, capacity, reserved);
        return reserved ? "publish reserved" : "publish open";
    }

    private async Task<Guid> Standing(Model.Patient patient) =>
        (await scheduling.Bookings(patient.Referral)).Single(b => b.State == "Booked").Id;

    // the round that looks for long waits goes by itself: the next step begins when it has found everybody
    private async Task Age(Institution hospital, Model model)
    {
        model.Age();
        var aged = model.Patients.Where(p => p.Aged).Select(p => p.Referral.No).ToArray();
        await Eventually.Is(async () => (await scheduling.Database.Query<int>("""
            select count(*)::int from waiting join need n using (referral_id)
            where institution = @Code and aged_at is null and n.referral_no = any (@aged)
            """, new { hospital.Code, aged })).Single() == 0, "who has waited too long is found");
    }

    private sealed record Seen(string No, Guid? Booked, Guid? Held, string? Bed, string? Waits);

    private async Task Compare(Institution hospital, Model model, string history)
    {
        var seen = (await scheduling.Database.Query<Seen>("""
            select n.referral_no as no, (select slot_id from booking b where b.referral_id = n.referral_id and b.state = 'Booked') as booked,
                   (select slot_id from booking b where b.referral_id = n.referral_id and b.state = 'Held') as held,
                   (select d.label from booking b join bed d on d.id = b.bed_id where b.referral_id = n.referral_id and b.state in ('Booked', 'Used')) as bed,
                   (select w.rank || case when w.aged_at is null then '' else ' for too long' end from waiting w where w.referral_id = n.referral_id) as waits
            from need n where n.receiver = @Code
            """, new { hospital.Code })).OrderBy(s => s.No).Select(s => s.ToString());
        var expected = model.Patients.Select(p => new Seen(p.Referral.No, p.Booked?.Id, p.Held?.Id, p.Bed?.Label, p.Waits ? p.Rank + (p.Aged ? " for too long" : "") : null)).OrderBy(s => s.No).Select(s => s.ToString());
        string.Join("\n", seen).Should().Be(string.Join("\n", expected), history);
        (await scheduling.Database.Query<string>("""
            select id::text from slot where institution = @Code
              and taken <> (select count(*) from booking b where b.slot_id = slot.id and b.state in ('Held', 'Booked', 'Used'))
            """, new { hospital.Code })).Should().BeEmpty(history);
    }
}
