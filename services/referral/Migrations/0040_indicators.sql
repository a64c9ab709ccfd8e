-- What the indicators count: one narrow row per referral and one per leg, made from the history after the move, by
-- one reader, so that a move itself writes nothing more.

-- The transaction of a history row: the reader takes what committed since it last looked, and misses nothing that
-- commits late. A block index costs an insert next to nothing.
alter table history add column tx bigint;
alter table history alter column tx set default (pg_current_xact_id()::text::bigint);
create index history_by_tx on history using brin (tx) with (pages_per_range = 32, autosummarize = on);

create table measure (
    referral_id         uuid primary key references referral,
    -- the event it has counted last
    sequence            bigint      not null,
    referral_no         text        not null,
    episode_id          uuid        not null,
    direction           text        not null,
    kind                text        not null,
    priority            text        not null,
    sender              text        not null,
    receiver            text        not null,
    submitted_at        timestamptz not null,
    -- the calendar day of the submission in China: what a period is made of
    submitted_on        date        not null,
    in_error            boolean     not null,
    -- typed in afterwards: its times say when it was typed
    retro               boolean     not null,
    contracted          boolean     not null,
    no_indication       boolean     not null,
    in_alliance         boolean     not null,
    out_of_region       boolean     not null,
    from_primary        boolean     not null,
    emergency_at        timestamptz,
    accepted_at         timestamptz,
    scheduled_at        timestamptz,
    acknowledged_at     timestamptz,
    arrived_at          timestamptz,
    treated_at          timestamptz,
    return_initiated_at timestamptz,
    return_accepted_at  timestamptz,
    ended_at            timestamptz,
    rehab_eligible      boolean     not null,
    returned            boolean     not null,
    not_returned_reason text,
    held_over           boolean     not null,
    expected            boolean     not null,
    no_shows            int         not null,
    waitlisted          boolean     not null,
    follow_ups          int         not null,
    rating              int,
    recognised          int         not null,
    repeated            int         not null,
    -- timer/level of every deadline that was missed
    missed              text[]      not null
);
create index measure_by_day on measure (submitted_on);
create index measure_of_sender on measure (sender, submitted_on);
create index measure_of_receiver on measure (receiver, submitted_on);

create table measure_leg (
    referral_id   uuid        not null references measure,
    leg           int         not null,
    receiver      text        not null,
    opened_at     timestamptz not null,
    -- Accepted, Declined, Advised, Reported, Expired, Withdrawn, Redirected; null while nobody has answered
    answer        text,
    answered_at   timestamptz,
    reason        text,
    -- who refused it, or else held it last
    clinician     text,
    -- the acceptance was taken back
    taken_back_at timestamptz,
    taken_back_reason text,
    -- times its answer was urged
    silences      int         not null,
    primary key (referral_id, leg)
);
create index measure_leg_of_receiver on measure_leg (receiver);

create table measure_progress (
    only_row     boolean primary key default true check (only_row),
    -- every transaction below this one is counted
    counted_to   bigint      not null,
    -- the moment at which that was so
    counted_at   timestamptz not null
);
insert into measure_progress (counted_to, counted_at) values (0, now());

grant select, insert, update on measure, measure_leg to referral_app;
grant select, update on measure_progress to referral_app;
