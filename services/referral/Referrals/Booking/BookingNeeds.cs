using Referrals.Contracts;

namespace ReferralService.Referrals.Booking;

/// <summary>What scheduling is asked for: the kind of place and the time it must start in.</summary>
internal sealed record BookingNeed(string Resource, BookingWindow Window);

internal static class BookingNeeds
{
    /// <summary>Null for kinds that book nothing (a reading, advice).</summary>
    public static BookingNeed? Of(Referral referral, DateTimeOffset now)
    {
        var resource = referral.Kind switch
        {
            ReferralKind.OutpatientTransfer => "Slot",
            ReferralKind.InpatientTransfer => "Bed",
            ReferralKind.Examination => "Equipment",
            ReferralKind.Teleconsultation => "Session",
            ReferralKind.RehabReturn => referral.Eligibility.Contains(RehabJointWard) ? "Ward" : "Visit",
            ReferralKind.DiagnosticReading or ReferralKind.Advice => null,
        };
        if (resource is null)
            return null;
        // a returning patient comes on the day the hospital named and is seen within the week after
        if (!referral.IsUp)
        {
            var from = referral.ExpectedArrival is { } expected && expected > now ? expected : now;
            return new(resource, new(from, from.AddDays(7)));
        }
        var days = referral.Priority switch { Priority.Emergency => 1, Priority.Urgent => 3, Priority.Routine => 14 };
        return new(resource, new(now, now.AddDays(days)));
    }

    /// <summary>Eligibility set of the rehab joint ward (康复联合病房).</summary>
    public const string RehabJointWard = "RehabJointWard";
}
