using Referrals.Contracts;

namespace SchedulingService.Tests;

/// <summary>The rules of one line of slots and one of beds, as a person would keep them with pencil and paper.</summary>
internal sealed class Model(TimeProvider clock)
{
    /// <summary>The Monday on which the history begins.</summary>
    public DateTimeOffset Start { get; } = clock.GetUtcNow();

    public sealed class Slot(Guid id, DateTimeOffset startsAt, int week, int capacity, bool reserved)
    {
        public Guid Id => id;
        public DateTimeOffset StartsAt => startsAt;
        public int Capacity => capacity;
        public bool Reserved => reserved;
        public int Week => week;
        public bool Withdrawn { get; set; }
    }

    public sealed class Bed(string label)
    {
        public string Label => label;
        public bool Withdrawn { get; set; }
    }

    public sealed class Patient(AReferral referral, Priority priority, DateTimeOffset since, DateTimeOffset from, DateTimeOffset until, bool contracted, bool wantsBed)
    {
        public AReferral Referral => referral;
        public Priority Priority { get; set; } = priority;
        public DateTimeOffset Since => since;
        /// <summary>Has waited too long: stands where a contract would put him.</summary>
        public bool Aged { get; set; }
        public int Rank => (2 - (int)Priority) * 2 + (contracted || Aged ? 0 : 1);
        public DateTimeOffset From => from;
        public DateTimeOffset Until => until;
        public bool Contracted => contracted;
        public bool WantsBed => wantsBed;
        public HashSet<Slot> Had { get; } = [];
        public List<Slot> Missed { get; } = [];
        public Bed? Bed { get; set; }
        public bool IsBooked => Booked is not null || Bed is not null && !There;
        public Slot? Booked { get; set; }
        public Slot? Held { get; set; }
        public Guid HeldId { get; set; }
        public Slot? Used { get; set; }
        public bool Waits { get; set; }
        public bool There { get; set; }
        public bool Over { get; set; }
    }

    public List<Slot> Slots { get; } = [];
    public List<Bed> Beds { get; } = [];
    public List<Patient> Patients { get; } = [];

    private int _quota;

    public void Publish(Guid id, DateTimeOffset startsAt, int capacity, bool reserved)
    {
        // weeks begin on Monday in China, where the start is eight in the morning
        Slots.Add(new(id, startsAt, (int)(startsAt - Start.AddHours(-8)).TotalDays / 7, capacity, reserved));
        Serve();
    }

    public void AddBed(string label)
    {
        Beds.Add(new(label));
        Serve();
    }

    public void SetQuota(int perWeek)
    {
        _quota = perWeek;
        Serve();
    }

    public void Accept(AReferral referral, Priority priority, DateTimeOffset since, DateTimeOffset from, DateTimeOffset until, bool contracted, bool bed)
    {
        Patients.Add(new(referral, priority, since, from, until, contracted, bed) { Waits = true });
        Serve();
    }

    public static TimeSpan TooLong(Priority priority) => priority switch
    {
        Priority.Emergency => TimeSpan.FromHours(4),
        Priority.Urgent => TimeSpan.FromDays(1),
        _ => TimeSpan.FromDays(3),
    };

    /// <summary>Who waits too long moves up, once; who leaves the line begins anew when he comes back to it.</summary>
    public void Age()
    {
        foreach (var p in Patients)
            p.Aged = p.Waits && (p.Aged || IsTooLong(p, clock.GetUtcNow()));
    }

    /// <summary>Whether somebody moves up while this passes.</summary>
    public bool AgesWithin(TimeSpan time) => Patients.Any(p => p.Waits && !p.Aged && IsTooLong(p, clock.GetUtcNow() + time));

    private static bool IsTooLong(Patient p, DateTimeOffset at) => p.Since <= at - TooLong(p.Priority);

    public void Raise(Patient p)
    {
        p.Priority = Priority.Urgent;
        Serve();
    }

    public bool Give(Patient p, Bed bed)
    {
        if (!p.WantsBed || p.Bed is not null || !IsFree(bed))
            return false;
        (p.Bed, p.Waits) = (bed, false);
        return true;
    }

    /// <summary>To the bed he has already: that is his.</summary>
    public bool Change(Patient p, Bed bed)
    {
        if (bed.Withdrawn || bed != p.Bed && !IsFree(bed))
            return false;
        p.Bed = bed;
        Serve();
        return true;
    }

    /// <summary>Whether it goes, and who has no bed for it.</summary>
    public (bool Goes, Patient? Without) Withdraw(Bed bed)
    {
        var holder = Patients.SingleOrDefault(p => p.Bed == bed);
        if (bed.Withdrawn || holder is { There: true })
            return (false, null);
        bed.Withdrawn = true;
        if (holder is null)
            return (true, null);
        holder.Bed = FreeBed;
        Serve();
        return (true, holder.Bed is null ? holder : null);
    }

    public bool Hold(Patient p, Slot slot)
    {
        if (p.Held is not null || p.Booked == slot || !MayHave(p, slot))
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
        if (p.Held is not null || p.Booked is not null || !MayHave(p, slot))
            return false;
        Take(p, slot);
        return true;
    }

    public bool Reschedule(Patient p, Slot slot)
    {
        if (slot == p.Booked || !MayHave(p, slot))
            return false;
        Take(p, slot);
        Serve();
        return true;
    }

    public void Cancel(Patient p)
    {
        (p.Booked, p.Bed) = (null, null);
        Serve();
    }

    public void AskAgain(Patient p)
    {
        p.Waits = true;
        Serve();
    }

    public void Miss(Patient p)
    {
        if (p.Booked is { } slot)
            p.Missed.Add(slot);
        (p.Booked, p.Bed) = (null, null);
        Serve();
    }

    public void Arrive(Patient p)
    {
        (p.Used, p.Booked, p.Held, p.There) = (p.Booked, null, null, true);
        Serve();
    }

    public void End(Patient p)
    {
        (p.Booked, p.Held, p.Bed, p.Waits, p.Over) = (null, null, null, false, true);
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
        foreach (var p in Patients.Where(p => p.Held == slot || p.Booked == slot).OrderBy(p => p.Since).ToList())
            if (p.Held == slot)
                p.Held = null;
            else if (Fitting(p).MinBy(s => (s.StartsAt - slot.StartsAt).Duration()) is { } nearest)
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
        while (Patients.Where(p => p.Waits && (p.WantsBed ? FreeBed is not null : Fitting(p).Any())).OrderBy(p => p.Rank).ThenBy(p => p.Since).FirstOrDefault() is { } next)
            if (next.WantsBed)
                (next.Bed, next.Waits) = (FreeBed, false);
            else
                Take(next, Fitting(next).MinBy(s => s.StartsAt)!);
    }

    private void Take(Patient p, Slot slot)
    {
        (p.Booked, p.Waits) = (slot, false);
        p.Had.Add(slot);
    }

    private Bed? FreeBed => Beds.Where(IsFree).MinBy(b => b.Label, StringComparer.Ordinal);

    private bool IsFree(Bed bed) => !bed.Withdrawn && Patients.All(p => p.Bed != bed);

    private IEnumerable<Slot> Fitting(Patient p) => Slots.Where(s => MayHave(p, s) && !p.Had.Contains(s)
        && s.StartsAt >= p.From && (s.StartsAt <= p.Until || p.Until < clock.GetUtcNow()));

    private bool MayHave(Patient p, Slot slot) => !p.WantsBed && HasRoom(slot) && (!slot.Reserved || p.Contracted && OfClinic(p, slot) < _quota);

    // what the patient has already goes when he gets another place; what he or anybody else missed was taken
    private int OfClinic(Patient p, Slot slot) => Patients.Where(q => q.Referral.Sender == p.Referral.Sender)
        .SelectMany(q => (q == p ? q.Missed : q.Missed.Append(q.Booked).Append(q.Held)).Append(q.Used))
        .Count(taken => taken is { Reserved: true } && taken.Week == slot.Week);

    private bool HasRoom(Slot slot) => !slot.Withdrawn && slot.StartsAt > clock.GetUtcNow()
        && Patients.Sum(p => (p.Booked == slot ? 1 : 0) + (p.Held == slot ? 1 : 0) + (p.Used == slot ? 1 : 0)) < slot.Capacity;
}
