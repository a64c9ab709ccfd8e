-- What the notification service keeps. The tables belong to notification_owner; the service works as
-- notification_app, whose rights stand at the end.

-- Ids of the events that were heard: a repetition finds its id here and changes nothing.
create table inbox (
    message_id uuid primary key,
    heard_at   timestamptz not null default now()
);

-- Heard, but not in the log yet: an event waits here until its turn within its referral comes.
create table arrival (
    id                bigint generated always as identity primary key,
    event_id          uuid not null unique,
    type              text not null,
    subject           text,
    occurred_at       timestamptz not null,
    referral_id       uuid,
    sequence          bigint check (sequence > 0),
    sender            text,
    receiver          text,
    previous_receiver text,
    institution       text,
    on_behalf_of      text,
    direction         text,
    priority          text,
    department        text,
    sensitive         boolean not null,
    body              text not null,
    heard_at          timestamptz not null default now(),
    -- set when an earlier event of the referral is missing: until then it is waited for
    hold_until        timestamptz,
    check ((referral_id is null) = (sequence is null))
);
create index arrival_fresh on arrival (id) where hold_until is null;
create index arrival_held on arrival (hold_until) where hold_until is not null;
create index arrival_of_referral on arrival (referral_id, sequence) where referral_id is not null;

-- How far each referral has been told.
create table progress (
    referral_id uuid primary key,
    sequence    bigint not null
);

-- The log for the outside. Positions are given by one sequencer at a time, each below every later commit, so a
-- reader that has seen position n has seen everything up to n.
create table event (
    position          bigint primary key,
    event_id          uuid not null unique,
    type              text not null,
    subject           text,
    occurred_at       timestamptz not null,
    referral_id       uuid,
    sequence          bigint,
    sender            text,
    receiver          text,
    previous_receiver text,
    institution       text,
    on_behalf_of      text,
    direction         text,
    priority          text,
    department        text,
    sensitive         boolean not null,
    -- Gap: let through although an earlier one is missing. Late: came after a later one was let through.
    irregular         text check (irregular in ('Gap', 'Late')),
    body              text not null,
    logged_at         timestamptz not null default now()
);
create index event_of_referral on event (referral_id, sequence) where referral_id is not null;

-- Who may read which event: the feed of an institution is a range of this key.
create table event_party (
    institution text not null,
    position    bigint not null references event,
    -- acted, but is no party: what gives a sensitive illness away is left out
    masked      boolean not null,
    primary key (institution, position)
);

create table endpoint (
    id              uuid primary key,
    institution     text not null,
    url             text not null check (length(url) <= 2000),
    description     text check (length(description) <= 200),
    -- event types or prefixes ending in .*; empty: everything
    types           text[] not null,
    in_order        boolean not null,
    state           text not null check (state in ('Active', 'Paused', 'Disabled')),
    disabled_reason text check ((disabled_reason is not null) = (state = 'Disabled')),
    -- failures in a row, since when, and until when the receiver asked to be left alone
    failures        int not null default 0,
    failing_since   timestamptz,
    not_before      timestamptz,
    -- a success ended a row of failures: what waits is made due at once
    recovered       boolean not null default false,
    created_by      text not null,
    created_at      timestamptz not null,
    deleted_at      timestamptz,
    version         bigint not null default 1,
    check ((failing_since is null) = (failures = 0))
);
create index endpoint_of_institution on endpoint (institution, id) where deleted_at is null;
create index endpoint_recovered on endpoint (id) where recovered;

-- Signing secrets, encrypted with a key the database does not know. Several while one is being replaced.
create table endpoint_secret (
    id          bigint generated always as identity primary key,
    endpoint_id uuid not null references endpoint,
    sealed      bytea not null,
    expires_at  timestamptz
);
create index endpoint_secret_of_endpoint on endpoint_secret (endpoint_id);

-- One event on its way to one endpoint; the id is the webhook-id of every attempt.
create table message (
    id           uuid primary key,
    ordinal      bigint generated always as identity,
    endpoint_id  uuid not null references endpoint,
    type         text not null,
    referral_id  uuid,
    position     bigint references event,
    masked       boolean not null default false,
    -- only of messages that stand in no log: test pings
    body         text,
    state        text not null check (state in ('Waiting', 'Delivered', 'Exhausted')),
    -- attempts made, and how far the retry schedule has run: a hurried attempt uses up no step
    attempts     int not null default 0,
    step         int not null default 0 check (step >= 0),
    due_at       timestamptz not null,
    leased_until timestamptz,
    hurried_at   timestamptz,
    created_at   timestamptz not null,
    ended_at     timestamptz,
    check ((position is null) = (body is not null)),
    check ((ended_at is null) = (state = 'Waiting'))
);
-- what is delivered costs the workers nothing, however much of it there is
create index message_due on message (endpoint_id, due_at, ordinal) where state = 'Waiting';
create index message_waiting_of_referral on message (endpoint_id, referral_id, ordinal) where state = 'Waiting';
create index message_ended on message (ended_at) where state = 'Delivered';

-- One HTTP request and what came of it.
create table attempt (
    id          bigint generated always as identity primary key,
    endpoint_id uuid not null references endpoint,
    message_id  uuid not null references message on delete cascade,
    started_at  timestamptz not null,
    duration_ms int not null,
    status      int,
    -- why there is no status, or why the status is a failure
    failure     text,
    -- the first 1024 bytes
    answer      text
);
create index attempt_of_endpoint on attempt (endpoint_id, id desc);
create index attempt_of_message on attempt (message_id);

-- Answers to POSTs, for their repetition.
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
create index idempotency_key_age on idempotency_key (created_at);

create table outbox (
    id          bigint generated always as identity primary key,
    message_id  uuid not null,
    exchange    text not null,
    routing_key text not null,
    body        text not null,
    created_at  timestamptz not null default now()
);

-- Who did what, and who was refused. Ids only.
create table audit (
    id          bigint generated always as identity primary key,
    at          timestamptz not null default now(),
    subject     text not null,
    institution text not null,
    role        text not null,
    purpose     text not null,
    action      text not null,
    target      text not null,
    denied      boolean not null
);

-- audit and event only grow
grant select, insert on inbox, event, event_party, audit to notification_app;
grant select, insert, delete on endpoint_secret, attempt, idempotency_key to notification_app;
grant select, insert, update on progress, endpoint to notification_app;
grant select, insert, update, delete on arrival, message, outbox to notification_app;
