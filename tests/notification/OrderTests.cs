namespace NotificationService.Tests;

public sealed class OrderTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private static readonly Guid Referral = Guid.NewGuid();

    private static Arrival Heard(long sequence, long id = 0, long told = 0, TimeSpan? heldFor = null) => new()
    {
        Id = id == 0 ? sequence : id, ReferralId = Referral, Sequence = sequence, Told = told,
        HoldUntil = heldFor is null ? null : Now + Patience - heldFor,
    };

    private static (long Sequence, Irregular? Irregular)[] Told(Turn turn) => [.. turn.Told.Select(t => (t.Arrival.Sequence!.Value, t.Irregular))];

    [Fact]
    public void However_events_are_shuffled_and_cut_into_turns_they_are_told_in_order()
    {
        var random = new Random(20260301);
        for (var round = 0; round < 200; round++)
        {
            var shuffled = Enumerable.Range(1, 12).Select(s => (long)s).ToArray();
            random.Shuffle(shuffled);
            var (told, waiting, nextId) = (new List<long>(), new List<Arrival>(), 1L);
            foreach (var turn in shuffled.Chunk(random.Next(1, 6)))
            {
                waiting.AddRange(turn.Select(s => Heard(s, nextId++)));
                var decided = Order.Decide([.. waiting.Select(w => w with { Told = told.LastOrDefault() })], Now, Patience);
                told.AddRange(Told(decided).Select(t => t.Sequence));
                waiting.RemoveAll(w => told.Contains(w.Sequence!.Value));
                decided.Held.Should().HaveCount(waiting.Count);
            }
            told.Should().Equal(Enumerable.Range(1, 12).Select(s => (long)s), "round {0}", round);
        }
    }

    [Fact]
    public void What_was_waited_for_long_enough_is_let_through_with_a_mark_and_takes_along_what_stands_before_it()
    {
        var turn = Order.Decide([Heard(5, id: 1, told: 1, heldFor: Patience), Heard(4, id: 2, told: 1), Heard(8, id: 3, told: 1)], Now, Patience);
        Told(turn).Should().Equal((4, Irregular.Gap), (5, null));
        turn.Held.Should().ContainSingle().Which.Should().Be((3, Now + Patience));
    }

    [Fact]
    public void What_comes_after_it_was_given_up_is_told_late()
    {
        Told(Order.Decide([Heard(3, told: 5), Heard(6, told: 5)], Now, Patience)).Should().Equal((3, Irregular.Late), (6, null));
    }

    [Fact]
    public void A_held_event_keeps_the_time_it_was_first_given()
    {
        var held = Heard(3, told: 1, heldFor: TimeSpan.FromSeconds(20));
        Order.Decide([held], Now, Patience).Held.Should().ContainSingle().Which.Should().Be((3, held.HoldUntil!.Value));
    }

    [Fact]
    public void Events_without_a_referral_never_wait()
    {
        var turn = Order.Decide([new Arrival { Id = 2 }, new Arrival { Id = 1 }], Now, Patience);
        turn.Told.Select(t => t.Arrival.Id).Should().Equal(1, 2);
    }
}
