-- What an endpoint wants beyond event types; empty or null: everything.
alter table endpoint
    add column direction     text check (direction in ('Up', 'Down')),
    add column priorities    text[] not null default '{}',
    add column departments   text[] not null default '{}',
    -- only what one of these institutions is a party of, too
    add column partners      text[] not null default '{}',
    add column disabled_at   timestamptz,
    -- the end of the log when it was disabled: what came after it is sent when the endpoint is resumed
    add column disabled_from bigint;

-- What an endpoint is to be sent (again), worked off in steps.
create table replay (
    id            bigint generated always as identity primary key,
    endpoint_id   uuid not null references endpoint,
    -- positions of the log that are still to be looked at: above this one, up to that one
    after         bigint not null,
    until         bigint not null,
    -- one referral only, from this sequence number on
    referral_id   uuid,
    from_sequence bigint,
    -- false: only what was never on its way to the endpoint
    again         boolean not null,
    created_at    timestamptz not null,
    check ((referral_id is null) = (from_sequence is null))
);
create index replay_of_endpoint on replay (endpoint_id);

-- The log is kept for a time only; how far it was taken away.
create table log_start (
    one    boolean primary key default true check (one),
    pruned bigint not null
);
insert into log_start (pruned) values (0);

-- Rows of the log go in the order of their age, after what hangs on them: these would be looked up without an index.
alter table event_party drop constraint event_party_position_fkey;
alter table message drop constraint message_position_fkey;

drop index message_ended;
create index message_ended on message (state, ended_at) where state <> 'Waiting';
create index inbox_age on inbox (heard_at);

grant update on endpoint_secret to notification_app;
grant select, insert, update, delete on replay to notification_app;
grant select, update on log_start to notification_app;
grant delete on inbox, event, event_party, progress to notification_app;
