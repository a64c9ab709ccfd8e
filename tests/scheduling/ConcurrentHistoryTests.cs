using System.Collections.Concurrent;
using System.Net;
using Referrals.Contracts;
using Xunit.Abstractions;

namespace SchedulingService.Tests;

/// <summary>
/// Random histories that several desks make of one hospital at the same moment, with slots, reserved slots and beds, while
/// more than a day passes: holds end, and who waits too long moves up. No order can be foretold, so there is no model: at
/// the end the database is asked whether any rule was broken.
/// </summary>
public sealed class ConcurrentHistoryTests(Scheduling scheduling, ITestOutputHelper output) : IClassFixture<Scheduling>
{
    private const int Desks = 8, Steps = 80, Clinics = 3, Jumps = 6;
    private const string Department = "03.03";

    // urgent ones wait too long after a day
    private static readonly TimeSpan Jump = TimeSpan.FromHours(5);

    public static TheoryData<int> Seeds => [.. Environment.GetEnvironmentVariable("REFERRAL_TEST_SEED") is { } seed ? [int.Parse(seed)] : Enumerable.Range(1, 3)];

    [Theory, MemberData(nameof(Seeds))]
    public async Task However_many_desks_work_at_once_no_rule_is_broken(int seed)
    {
        // a Monday of its own: what the history before it left to the clock is over
        scheduling.NextMondayComes();
        var hospital = scheduling.NewInstitution();
        var clinics = Enumerable.Range(0, Clinics).Select(_ => scheduling.NewInstitution()).ToList();
        await Quota(hospital, 2);
        var shared = new Shared(hospital, clinics, await hospital.Ward(beds: 2), scheduling.Clock.GetUtcNow());
        var desks = Enumerable.Range(0, Desks).Select(n => new Desk(scheduling, shared, new Random(seed * 100 + n))).ToList();

        await Task.WhenAll(desks.Select(desk => desk.Works(Steps)));

        output.WriteLine(string.Join("\n", shared.Done.OrderBy(d => d.Key).Select(d => $"{d.Value,4} {d.Key}")));
        shared.Faults.Should().BeEmpty("seed {0}", seed);
        var patients = desks.SelectMany(d => d.Patients).ToList();
        await ComesToRest(hospital, patients);
        output.WriteLine($"{(await scheduling.Database.Query<int>("select count(*)::int from waiting where institution = @Code and aged_at is not null", new { hospital.Code })).Single(),4} wait for too long");
        await EveryRuleHolds(hospital, seed);

        await scheduling.HearsAtOnce(patients.Where(p => !p.Over).Select(p => p.Referral.Cancelled()));
        (await scheduling.Database.Query<string>("""
            select referral_id::text from booking where institution = @Code and (state in ('Held', 'Booked') or state = 'Used' and bed_id is not null)
            union all select referral_id::text from waiting where institution = @Code
            """, new { hospital.Code })).Should().BeEmpty("nothing is leaked (seed {0})", seed);
    }

    // holds end, holders of withdrawn places are moved, and who lost his place is asked for again by the referral service
    private async Task ComesToRest(Institution hospital, IReadOnlyList<Patient> patients)
    {
        scheduling.Clock.Advance(TimeSpan.FromMinutes(2));
        await Eventually.Is(async () => (await scheduling.Database.Query<int>("""
            select count(*)::int
            from booking k left join slot s on s.id = k.slot_id left join bed b on b.id = k.bed_id
            where k.institution = @Code and (k.state = 'Held' or k.state = 'Booked' and coalesce(s.withdrawn_at, b.withdrawn_at) is not null)
            """, new { hospital.Code })).Single() == 0, "holds end, and nobody has a withdrawn place");
        var lost = (await scheduling.Database.Query<Guid>("""
            select referral_id from need n
            where receiver = @Code and state in ('Accepted', 'Waitlisted', 'InTransit')
              and not exists (select from booking b where b.referral_id = n.referral_id and b.state = 'Booked')
              and not exists (select from waiting w where w.referral_id = n.referral_id)
            """, new { hospital.Code })).ToHashSet();
        await scheduling.HearsAtOnce(patients.Where(p => lost.Contains(p.Referral.Id)).Select(p => p.Referral.BookingCancelled()));
        await Eventually.Is(async () => (await scheduling.Database.Query<string>(Overlooked, new { hospital.Code, Now = scheduling.Clock.GetUtcNow() })).Count == 0,
            "who has waited too long is found");
        // whoever was passed over while he was being changed is found by a round
        await scheduling.ServesPassedOver();
        await Eventually.Is(async () => (await WaitInVain(hospital)).Count == 0, "nobody waits while a place is free that fits him");
    }

    private const string Overlooked = """
        select referral_id::text from waiting
        where institution = @Code and aged_at is null
          and since <= @Now - case rank / 2 when 0 then interval '4 hours' when 1 then interval '1 day' else interval '3 days' end
        """;

    private async Task EveryRuleHolds(Institution hospital, int seed)
    {
        async Task Never(string what, string rows) =>
            (await scheduling.Database.Query<string>(rows, new { hospital.Code, Now = scheduling.Clock.GetUtcNow() })).Should().BeEmpty("{0} (seed {1})", what, seed);

        await Never("no slot is over its capacity and its counter is true", """
            select id::text from slot where institution = @Code
              and (taken > capacity or taken <> (select count(*) from booking b where b.slot_id = slot.id and b.state in ('Held', 'Booked', 'Used')))
            """);
        await Never("no two stays of one bed overlap", """
            select a.bed_id::text from booking a join booking b on a.bed_id = b.bed_id and a.id < b.id and a.during && b.during
            where a.institution = @Code
            """);
        await Never("nobody has two places", """
            select referral_id::text from booking where institution = @Code and state in ('Held', 'Booked', 'Used') group by 1 having count(*) > 1
            """);
        await Never("nobody has a place and waits for one", """
            select b.referral_id::text from booking b join waiting w using (referral_id) where b.institution = @Code and b.state in ('Booked', 'Used')
            """);
        await Never("who wants a place has one or waits, and nobody else waits", """
            select n.referral_id::text from need n
            where n.receiver = @Code and (n.state in ('Accepted', 'Waitlisted', 'InTransit')) <> (
                exists (select from waiting w where w.referral_id = n.referral_id)
                or n.state <> 'NoShow' and exists (select from booking b where b.referral_id = n.referral_id and b.state = 'Booked'))
            """);
        await Never("no clinic has more reserved places of a week than its quota", """
            select n.sender || ' ' || b.pool_week from booking b join need n using (referral_id)
            where b.institution = @Code and b.pool_week is not null and b.state in ('Held', 'Booked', 'Used', 'NoShow')
            group by n.sender, b.pool_week
            having count(*) > (select per_week from pool_quota where institution = @Code and sender = '')
            """);
        await Never("a reserved place is a contracted patient's and counts in its own week", """
            select b.id::text from booking b join need n using (referral_id) join slot s on s.id = b.slot_id
            where b.institution = @Code and s.reserved_for is not null and b.state in ('Held', 'Booked', 'Used')
              and (not n.contracted or b.pool_week is distinct from date_trunc('week', s.starts_at at time zone 'Asia/Shanghai')::date)
            """);
        await Never("nobody is overlooked who waited too long", Overlooked);
        await Never("who has a contract or waited too long stands before the others of his priority, and nobody else does", """
            select referral_id::text from waiting w join need n using (referral_id)
            where w.institution = @Code and w.rank <> case n.priority when 'Emergency' then 0 when 'Urgent' then 2 else 4 end
                + case when n.contracted or w.aged_at is not null then 0 else 1 end
            """);
        (await WaitInVain(hospital)).Should().BeEmpty("nobody waits while a place is free that fits him (seed {0})", seed);
    }

    // said again in words of its own, so that a mistake in the service's statement is not made twice
    private Task<IReadOnlyList<string>> WaitInVain(Institution hospital) => scheduling.Database.Query<string>("""
        select n.referral_no || ' ' || s.id
        from waiting w join need n using (referral_id)
        join slot s on n.resource = 'Slot' and s.institution = n.receiver and s.department = n.department and s.resource = 'Slot'
        where n.receiver = @Code and s.taken < s.capacity and s.withdrawn_at is null
          and s.starts_at >= greatest(n.window_from, @Now) and (s.starts_at <= n.window_until or n.window_until < @Now)
          and not exists (select from booking b where b.referral_id = n.referral_id and b.slot_id = s.id)
          and (s.reserved_for is null or n.contracted and (
                select count(*) from booking b join need other using (referral_id)
                where b.institution = @Code and other.sender = n.sender and b.state in ('Held', 'Booked', 'Used', 'NoShow')
                  and b.pool_week = date_trunc('week', s.starts_at at time zone 'Asia/Shanghai')::date)
              < (select per_week from pool_quota where institution = @Code and sender = ''))
        union all
        select n.referral_no || ' ' || d.id
        from waiting w join need n using (referral_id)
        join ward wd on n.resource = 'Bed' and wd.institution = n.receiver and wd.department = n.department and wd.eligibility is null
        join bed d on d.ward_id = wd.id and d.withdrawn_at is null
        where n.receiver = @Code
          and not exists (select from booking b where b.bed_id = d.id and b.state in ('Held', 'Booked', 'Used'))
        """, new { hospital.Code, Now = scheduling.Clock.GetUtcNow() });

    private static async Task Quota(Institution hospital, int perWeek) =>
        (await hospital.Registrar.Command("/v1/pools/quota", new { department = Department, resource = "Slot", perWeek })).EnsureSuccessStatusCode();

    /// <summary>What all desks see.</summary>
    private sealed class Shared(Institution hospital, IReadOnlyList<Institution> clinics, Guid ward, DateTimeOffset start)
    {
        public DateTimeOffset Start => start;
        public Institution Hospital => hospital;
        public IReadOnlyList<Institution> Clinics => clinics;
        public Guid Ward => ward;
        public ConcurrentQueue<Guid> Slots { get; } = [];
        public ConcurrentQueue<string> Beds { get; } = new(["01", "02"]);
        public ConcurrentQueue<string> Faults { get; } = [];
        public ConcurrentDictionary<string, int> Done { get; } = [];
        private int _beds = 2, _steps;
        /// <summary>Whether time passes with this step of any desk.</summary>
        public bool TimePasses() => Interlocked.Increment(ref _steps) % (Desks * Steps / Jumps) == 0;
        public string NewBed() => Interlocked.Increment(ref _beds).ToString("00");
    }

    private sealed record Patient(AReferral Referral, bool WantsBed)
    {
        public bool Missed { get; set; }
        public bool There { get; set; }
        public bool Over { get; set; }
    }

    /// <summary>A desk that has its own patients and shares all places with the others.</summary>
    private sealed class Desk(Scheduling scheduling, Shared shared, Random random)
    {
        private readonly HttpClient _http = shared.Hospital.Registrar;

        public List<Patient> Patients { get; } = [];

        public async Task Works(int steps)
        {
            for (var step = 0; step < steps; step++)
            {
                await Step();
                if (!shared.TimePasses())
                    continue;
                scheduling.Clock.Advance(Jump);
                Count("time passes");
            }
        }

        private async Task Step()
        {
            var (mine, slot, bed) = (Any(Patients.Where(p => !p.Over)), Any(shared.Slots), Any(shared.Beds));
            var what = random.Next(16);
            if (mine is null || what < 3)
                await Accept();
            else if (what is 3 or 4)
                await Publish();
            else if (what == 5)
                await AddBed();
            else if (what == 6 && slot != default && random.Next(3) == 0)
                await Send("withdraw a slot", $"/v1/slots/{slot}/withdraw", new { reason = "CLINICIAN_ABSENT" });
            else if (what == 6 && bed is not null)
                await Send("withdraw a bed", $"/v1/wards/{shared.Ward}/withdraw-beds", new { beds = new[] { bed }, reason = "BED_LOST" });
            else if (what == 7 && random.Next(6) == 0)
                await Send("raise the quota", "/v1/pools/quota", new { department = Department, resource = "Slot", perWeek = 3 });
            else
                await Care(mine, what, slot, bed);
        }

        private async Task Care(Patient patient, int what, Guid slot, string? bed)
        {
            var referral = patient.Referral;
            var bookings = await scheduling.Bookings(referral);
            var (booked, held) = (bookings.FirstOrDefault(b => b.State == "Booked"), bookings.FirstOrDefault(b => b.State == "Held"));
            if (patient.There || what == 15)
                await Ends(patient);
            else if (held is not null && what < 10)
                await Send("confirm", $"/v1/bookings/{held.Id}/confirm", new { });
            else if (what < 9 && slot != default && !patient.WantsBed)
                await Send("hold", "/v1/bookings", new { referral = referral.No, slotId = slot, hold = true });
            else if (booked is null)
                await Choose(patient, slot, bed);
            else if (what < 11)
                await Send("move", $"/v1/bookings/{booked.Id}/reschedule", booked.BedId is null
                    ? new { reason = "PATIENT_REQUEST", slotId = slot } : new { reason = "CONDITION_CHANGED", wardId = shared.Ward, bed });
            else if (what < 13)
            {
                await Send("cancel", $"/v1/bookings/{booked.Id}/cancel", new { reason = "PATIENT_REQUEST" });
                if (!patient.Missed)
                    await scheduling.Hears(referral.BookingCancelled());
            }
            else if (what == 13 && !patient.Missed)
            {
                await scheduling.Hears(referral.NoShow(booked.Id));
                patient.Missed = true;
                Count("no-show");
            }
            else
            {
                await scheduling.Hears(referral.Arrived());
                patient.There = true;
                Count("arrive");
            }
        }

        // whom a withdrawal left without a place the referral service asks for again; so may a person
        private async Task Choose(Patient patient, Guid slot, string? bed)
        {
            if (!patient.WantsBed && random.Next(2) == 0 && slot != default)
                await Send("book a slot", "/v1/bookings", new { referral = patient.Referral.No, slotId = slot });
            else if (patient.WantsBed && random.Next(2) == 0 && bed is not null)
                await Send("book a bed", "/v1/bookings", new { referral = patient.Referral.No, wardId = shared.Ward, bed });
            else if (!patient.Missed)
                await scheduling.Hears(patient.Referral.BookingCancelled());
        }

        private async Task Ends(Patient patient)
        {
            await scheduling.Hears(patient.There ? patient.Referral.Completed() : patient.Referral.Cancelled());
            patient.Over = true;
            Count("end");
        }

        private async Task Accept()
        {
            var from = shared.Start.AddDays(random.Next(0, 12));
            var referral = A.Referral(shared.Hospital, shared.Clinics[random.Next(Clinics)]).Within(from, from.AddDays(random.Next(1, 12)));
            var bed = random.Next(3) == 0;
            if (bed)
                referral.Needs("Bed");
            if (random.Next(4) == 0)
                referral.Urgent();
            if (random.Next(2) == 0)
                referral.Contracted();
            Patients.Add(new(referral, bed));
            await scheduling.Hears(referral.Accepted());
            Count("accept");
        }

        private async Task Publish()
        {
            var startsAt = shared.Start.AddDays(random.Next(2, 22)).AddMinutes(random.Next(600));
            var reserved = random.Next(5) < 2;
            var slot = new
            {
                department = Department, resource = "Slot", startsAt, endsAt = startsAt.AddMinutes(30), capacity = random.Next(1, 6),
                reservedFor = reserved ? "FamilyDoctor" : null, opensAt = reserved ? startsAt : (DateTimeOffset?)null,
            };
            if (await Send("publish", "/v1/slots", new { slots = new[] { slot } }) is { StatusCode: HttpStatusCode.Created } published)
                shared.Slots.Enqueue((await published.Json()).GetProperty("ids")[0].GetGuid());
        }

        private async Task AddBed()
        {
            var label = shared.NewBed();
            await Send("add a bed", $"/v1/wards/{shared.Ward}/add-beds", new { beds = new[] { label } });
            shared.Beds.Enqueue(label);
        }

        private async Task<HttpResponseMessage> Send(string what, string path, object body)
        {
            var answer = await _http.Command(path, body, ifMatch: "*");
            var status = (int)answer.StatusCode;
            Count($"{what} {status}");
            if (status is not (200 or 201 or 409 or 422))
                shared.Faults.Enqueue($"{what} was answered with {status}: {await answer.Content.ReadAsStringAsync()}");
            return answer;
        }

        private void Count(string what) => shared.Done.AddOrUpdate(what, 1, (_, n) => n + 1);

        private T? Any<T>(IEnumerable<T> from) => from.ToList() is { Count: > 0 } list ? list[random.Next(list.Count)] : default;
    }
}
