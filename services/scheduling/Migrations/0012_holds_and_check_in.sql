alter table booking
    -- a place that is only held goes back when this is past
    add column held_until  timestamptz,
    -- keyed hash of institution and appointment code, so that a desk finds the booking of a code
    add column code_lookup text,
    add column checked_in_at timestamptz,
    add check (state <> 'Held' or held_until is not null);
create unique index booking_is_held_once on booking (referral_id) where state = 'Held';
create index booking_held on booking (held_until) where state = 'Held';
-- what is booked and past: missed, or kept long enough
create index booking_due on booking (ends_at) where state = 'Booked';
-- a code that was shown or missed stays taken for two days, so that the desk can say what became of it
create unique index booking_of_code on booking (code_lookup)
    where code_lookup is not null and state in ('Held', 'Booked', 'Used', 'NoShow');
