-- The workflow. One row per referral is the instance of the state machine; the invariants it must never break are
-- written here, so that no path around them exists.

create table patient (
    id           uuid primary key,
    -- one key per person, wrapped by the service's key: destroying it destroys everything written below it
    wrapped_key  bytea,
    key_id       text,
    identity     bytea,
    -- keyed hash of the identity number: equality without the number
    id_index     bytea,
    created_at   timestamptz not null default now()
);
create index patient_by_identity on patient (id_index) where id_index is not null;

create table referral (
    id                   uuid primary key,
    referral_no          text        not null unique,
    episode_id           uuid        not null,
    parent_id            uuid        references referral,
    parent_no            text,
    relation             text        check (relation in ('Return', 'Onward', 'ReReferral', 'Conversion')),
    direction            text        not null check (direction in ('Up', 'Down')),
    kind                 text        not null,
    priority             text        not null check (priority in ('Routine', 'Urgent', 'Emergency')),
    green_channel        text,
    patient_class        text,
    channel              text        not null,
    synthetic            boolean     not null,

    -- who it is about stands apart and encrypted; a list shows these masked values and decrypts nothing
    patient_id           uuid        not null references patient,
    patient_masked       text        not null,
    patient_sex          text        not null,
    patient_birth_year   int,
    slip_version         int         not null,

    sender               text        not null,
    sender_clinician     text        not null,
    receiver             text        not null,
    department           text,
    clinician            text,
    leg                  int         not null,
    tried                text[]      not null,
    external             boolean     not null,
    sender_own_no        text,
    receiver_own_no      text,

    diagnosis_code       text,
    diagnosis_group      text,
    sensitive            boolean     not null,
    purposes             text[]      not null,
    eligibility          text[]      not null,
    flags                text[]      not null,
    contracted           boolean     not null,
    standing_agreement   boolean     not null,

    state                text        not null check (state in (
        'Draft', 'InternalReview', 'Submitted', 'InTriage', 'InformationRequested', 'Accepted', 'Waitlisted',
        'Scheduled', 'NoShow', 'InTransit', 'Arrived', 'InTreatment', 'Treated', 'FollowUp', 'CancellationRequested',
        'Completed', 'Advised', 'Declined', 'Cancelled', 'Expired', 'Closed')),
    state_since          timestamptz not null,
    -- one more with every row of the history; the guard of each write
    version              bigint      not null,
    -- one more with every event, from submit on
    sequence             bigint      not null,
    -- version of the last row that changed state, leg, priority or slip
    etag_version         bigint      not null,
    author               text        not null,

    claimed_by           text,
    claimed_until        timestamptz,
    assigned             boolean     not null,
    came_from            text,
    reason               text,
    outcome              text,
    after_acceptance     boolean     not null,
    replaced_by          text,

    drafted_at           timestamptz not null,
    submitted_at         timestamptz,
    leg_submitted_at     timestamptz,
    triage_paused        interval    not null,
    accepted_at          timestamptz,
    scheduled_at         timestamptz,
    acknowledged_at      timestamptz,
    dispatched_at        timestamptz,
    arrived_at           timestamptz,
    treatment_started_at timestamptz,
    treated_at           timestamptz,
    ended_at             timestamptz,
    consent_at           timestamptz,
    identified           boolean     not null,

    booking_id           uuid,
    booking_resource     text,
    booking_starts_at    timestamptz,
    booking_ends_at      timestamptz,
    booking_code_hash    text,
    booking_attempt      bigint      not null,
    expected_arrival     timestamptz,

    visit_no             text,
    rehab_eligible       boolean,
    live_child_id        uuid,
    live_child_no        text,
    return_accepted_at   timestamptz,
    return_since         timestamptz,
    linked_id            uuid,
    linked_no            text,
    follow_ups_planned   int         not null,
    follow_ups_done      int         not null,
    next_follow_up_on    date,
    follow_up_since      timestamptz,
    rating               int         check (rating between 1 and 5),
    in_error             boolean     not null,

    changed_at           timestamptz not null,
    -- what lists are sorted by: the submission, or the draft's beginning
    listed_at            timestamptz not null generated always as (coalesce(submitted_at, drafted_at)) stored,

    -- running timers with the levels they have passed, and the earliest of them for the sweeper
    timers               jsonb       not null,
    next_deadline        text,
    next_deadline_at     timestamptz,

    constraint emergency_goes_up check (priority <> 'Emergency' or direction = 'Up'),
    constraint emergency_never_expires check (priority <> 'Emergency' or state <> 'Expired'),
    constraint emergency_never_refused_at_the_door check (priority <> 'Emergency' or state <> 'Declined'),
    constraint downward_never_expires check (direction = 'Up' or state <> 'Expired'),
    constraint an_end_has_its_time check (
        (state in ('Completed', 'Advised', 'Declined', 'Cancelled', 'Expired', 'Closed')) = (ended_at is not null)),
    constraint an_end_has_no_timer check (ended_at is null or next_deadline_at is null),
    constraint completed_has_an_outcome check (state <> 'Completed' or outcome is not null),
    constraint an_ended_parent_has_no_live_child check (ended_at is null or live_child_id is null),
    constraint stages_keep_their_direction check (
        case when state in ('InTreatment', 'Treated', 'Advised') then direction = 'Up'
             when state = 'FollowUp' then direction = 'Down' else true end),
    constraint at_most_three_legs check (leg <= 3 or priority = 'Emergency'),
    constraint never_to_oneself check (sender <> receiver)
);

-- a parent has one live downward child at a time
create unique index referral_one_live_return on referral (parent_id)
    where relation = 'Return' and ended_at is null and arrived_at is null;
create index referral_of_sender on referral (sender, listed_at desc, id desc);
create index referral_of_receiver on referral (receiver, listed_at desc, id desc) where submitted_at is not null;
-- the worklist: what is open at a receiver, or waits for a sender
create index referral_open_of_receiver on referral (receiver, state, listed_at desc, id desc)
    where ended_at is null and submitted_at is not null;
create index referral_open_of_sender on referral (sender, state, listed_at desc, id desc) where ended_at is null;
create index referral_of_episode on referral (episode_id);
create index referral_of_patient on referral (patient_id);
create index referral_of_parent on referral (parent_id) where parent_id is not null;
create index referral_sender_own_no on referral (sender, sender_own_no) where sender_own_no is not null;
create index referral_receiver_own_no on referral (receiver, receiver_own_no) where receiver_own_no is not null;
create index referral_due on referral (next_deadline_at) where next_deadline_at is not null;

create table slip (
    referral_id  uuid        not null references referral,
    version      int         not null,
    -- the national form as it was written, under the person's key
    content      bytea       not null,
    written_by   text        not null,
    written_at   timestamptz not null,
    primary key (referral_id, version)
);

create table history (
    referral_id  uuid        not null references referral,
    version      bigint      not null,
    -- null before submit: partners never hear of drafts
    sequence     bigint,
    message_id   uuid        not null,
    verb         text        not null,
    event        text        not null,
    from_state   text,
    to_state     text        not null,
    leg          int         not null,
    at           timestamptz not null,
    subject      text        not null,
    institution  text        not null,
    role         text        not null,
    on_behalf_of text,
    reason       text,
    -- coded facts of the move
    detail       jsonb,
    -- what was written in words, under the person's key
    words        bytea,
    -- second fence behind the version guard: two writers cannot both write row n
    primary key (referral_id, version),
    unique (referral_id, sequence)
);

create table outbox (
    id           bigint generated always as identity primary key,
    message_id   uuid        not null,
    exchange     text        not null,
    routing_key  text        not null,
    body         text        not null,
    created_at   timestamptz not null default now()
);

create table inbox (
    message_id   uuid        not null,
    consumer     text        not null,
    received_at  timestamptz not null default now(),
    constraint inbox_pk primary key (message_id, consumer)
);

create table idempotency_key (
    scope        text        not null,
    key          text        not null,
    fingerprint  bytea       not null,
    status       int         not null,
    body         text        not null,
    etag         text,
    location     text,
    created_at   timestamptz not null default now(),
    constraint idempotency_key_pk primary key (scope, key)
);
create index idempotency_key_age on idempotency_key (created_at);

create table audit (
    id           bigint generated always as identity primary key,
    at           timestamptz not null,
    subject      text        not null,
    institution  text        not null,
    role         text        not null,
    purpose      text        not null,
    action       text        not null,
    -- allowed or denied
    verdict      text        not null,
    referral_id  uuid,
    -- what was asked for when nothing was found under it
    target       text
);
create index audit_of_referral on audit (referral_id, id) where referral_id is not null;

-- one number per day and alliance region; gaps are harmless, repetitions impossible
create sequence referral_number;

-- the guard of the one write: raised when the version that was read no longer stands, it undoes the whole batch
create function lost_race() returns int language plpgsql as $$
begin
    raise exception 'the row was moved by somebody else' using errcode = 'RF001';
end
$$;
