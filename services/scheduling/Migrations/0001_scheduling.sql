-- Equality and overlap in one index: "the same bed at overlapping times".
create extension if not exists btree_gist;

-- What scheduling has heard of one referral, and so what that referral needs. Events come late, twice and in any
-- order: every group of columns carries the sequence it was heard with and only ever moves forward.
create table need (
    referral_id        uuid primary key,
    referral_no        text not null,
    sender             text not null,
    -- the newest event of all
    sequence           bigint not null,
    leg                int not null check (leg > 0),
    state              text not null,
    receiver           text not null,
    department         text,
    priority           text not null check (priority in ('Routine', 'Urgent', 'Emergency')),
    contracted         boolean not null,
    -- the newest event that asked for a place
    asked_sequence     bigint not null,
    asked_leg          int not null,
    resource           text check (resource in ('Slot', 'Bed', 'Equipment', 'Reading', 'Session', 'Ward', 'Visit')),
    window_from        timestamptz,
    window_until       timestamptz,
    eligibility        text[] not null,
    -- since when this leg has been asking: its turn in the line, kept when a booking falls away
    since_leg          int not null,
    since              timestamptz,
    -- "to be booked again": bookings made on older news than this do not count any more
    again_sequence     bigint not null,
    emergency_sequence bigint not null,
    emergency_at       timestamptz,
    arrival_sequence   bigint not null,
    arrival_at         timestamptz,
    -- number of the last event said about this referral
    attempt            bigint not null default 0,
    check ((resource is null) = (window_from is null) and (resource is null) = (window_until is null))
);

-- A time at which up to `capacity` patients can be taken.
create table slot (
    id           uuid primary key,
    institution  text not null,
    department   text not null,
    resource     text not null check (resource in ('Slot', 'Equipment', 'Reading', 'Session', 'Visit')),
    -- whose turn is served from this slot: see Waiting/Line.cs
    line         text not null,
    clinician    text,
    starts_at    timestamptz not null,
    ends_at      timestamptz not null,
    capacity     int not null check (capacity > 0),
    taken        int not null default 0,
    created_at   timestamptz not null,
    withdrawn_at timestamptz,
    check (starts_at < ends_at),
    -- No slot is overbooked, whatever the code above it does: `taken` is written by the trigger on booking alone (the
    -- service's role has no right to it), so it is the number of live bookings, and this check is its limit. A counter
    -- instead of one row per place: a capacity can change, and a full slot leaves the index of free ones.
    constraint slot_is_never_overbooked check (taken between 0 and capacity),
    -- nobody holds two surgeries at once
    constraint slot_of_a_clinician_at_one_time exclude using gist
        (institution with =, clinician with =, tstzrange(starts_at, ends_at) with &&)
        where (clinician is not null and withdrawn_at is null)
);
create index slot_free on slot (line, starts_at, id) where taken < capacity and withdrawn_at is null;
create index slot_listed on slot (institution, starts_at, id);

create table ward (
    id          uuid primary key,
    institution text not null,
    department  text not null,
    name        text not null,
    -- the set a patient must belong to, e.g. RehabJointWard (康复联合病房); null: open to everybody
    eligibility text,
    created_at  timestamptz not null,
    unique (institution, name)
);

create table bed (
    id      uuid primary key,
    ward_id uuid not null references ward,
    label   text not null,
    unique (ward_id, label)
);

create table booking (
    id             uuid primary key,
    referral_id    uuid not null references need,
    leg            int not null,
    institution    text not null,
    department     text not null,
    resource       text not null check (resource in ('Slot', 'Bed', 'Equipment', 'Reading', 'Session', 'Ward', 'Visit')),
    clinician      text,
    slot_id        uuid references slot,
    bed_id         uuid references bed,
    starts_at      timestamptz not null,
    ends_at        timestamptz not null,
    -- The time a bed is kept or lain in. Nobody knows today when a patient will leave: it has no end until it ended.
    -- Freed before anybody came it becomes empty, so the rows that are left are the bed's true history.
    during         tstzrange,
    state          text not null check (state in ('Held', 'Booked', 'Used', 'Cancelled', 'Rescheduled', 'Released', 'NoShow')),
    -- newest sequence of the referral when it was booked
    heard_sequence bigint not null,
    -- appointment code, encrypted with the booking's id as associated data
    code           bytea not null,
    replaces       uuid references booking,
    reason         text,
    -- words for the reason OTHER: for the parties alone, never in an event
    note           text,
    ended_by       text check (ended_by in ('Sender', 'Receiver', 'System')),
    version        int not null default 1,
    created_at     timestamptz not null,
    ended_at       timestamptz,
    check ((slot_id is null) <> (bed_id is null)),
    check ((bed_id is null) = (during is null)),
    check ((state in ('Held', 'Booked', 'Used')) = (ended_at is null)),
    -- Two patients never have one bed at one time, neither in the future nor in what is written of the past.
    constraint booking_has_the_bed_alone exclude using gist (bed_id with =, during with &&)
);
-- a referral stands in one place at a time
create unique index booking_stands_once on booking (referral_id) where state = 'Booked';
create index booking_of_referral on booking (referral_id, created_at);
create index booking_of_slot on booking (slot_id) where slot_id is not null;

-- security definer: the service's role may not write slot.taken by itself
create function count_places() returns trigger language plpgsql security definer set search_path = public as $$
declare
    before int := 0;
    after  int := (new.state in ('Held', 'Booked', 'Used'))::int;
begin
    if tg_op = 'UPDATE' then
        before := (old.state in ('Held', 'Booked', 'Used'))::int;
    end if;
    if before <> after then
        update slot set taken = taken + after - before where id = new.slot_id;
    end if;
    return null;
end $$;
create trigger booking_counts after insert or update of state on booking
    for each row when (new.slot_id is not null) execute function count_places();

-- Who wants a place and has none.
create table waiting (
    referral_id uuid primary key references need,
    institution text not null,
    department  text,
    -- the lines it stands in, the preferred one first
    lines       text[] not null,
    -- 0 emergency with contract … 5 routine without: the smaller, the sooner
    rank        smallint not null check (rank between 0 and 5),
    since       timestamptz not null,
    earliest    timestamptz not null,
    latest      timestamptz not null
);
create index waiting_in_order on waiting (institution, rank, since, referral_id);

-- Messages that have had their effect: each has one, however often it is delivered.
create table inbox (
    message_id uuid primary key,
    heard_at   timestamptz not null default now()
);

create table outbox (
    id          bigint generated always as identity primary key,
    message_id  uuid not null,
    exchange    text not null,
    routing_key text not null,
    body        text not null,
    created_at  timestamptz not null default now()
);

create table idempotency_key (
    scope       text not null,
    key         text not null,
    fingerprint bytea not null,
    status      int not null,
    body        text not null,
    etag        text,
    location    text,
    created_at  timestamptz not null default now(),
    constraint idempotency_key_pk primary key (scope, key)
);

-- Who did or was refused what, by ids only. Nobody changes a line of it: the service's role may only add.
create table audit (
    id          bigint generated always as identity primary key,
    at          timestamptz not null,
    subject     text not null,
    institution text not null,
    role        text not null,
    action      text not null,
    target      text not null,
    purpose     text not null,
    denied      boolean not null
);

grant select, insert, update on need, booking, ward, bed to scheduling_app;
grant select, update (capacity, withdrawn_at) on slot to scheduling_app;
grant insert (id, institution, department, resource, line, clinician, starts_at, ends_at, capacity, created_at)
    on slot to scheduling_app;
grant select, insert, update, delete on waiting, outbox to scheduling_app;
grant select, insert, delete on inbox, idempotency_key to scheduling_app;
grant insert on audit to scheduling_app;
