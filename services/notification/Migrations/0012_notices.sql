-- What people are told. Who is told stands in a sealed box, and only until it was sent.
create table notice (
    id          uuid primary key,
    template    text not null,
    referral_no text not null,
    urgent      boolean not null,
    place       text not null,
    starts_at   timestamptz,
    recipient   bytea,
    state       text not null check (state in ('Waiting', 'Sent', 'Failed', 'Expired')),
    attempts    int not null default 0,
    due_at      timestamptz not null,
    expires_at  timestamptz not null,
    created_at  timestamptz not null,
    ended_at    timestamptz,
    -- sms or email; why it failed
    channel     text,
    failure     text,
    constraint erased_when_it_ends check ((recipient is null) = (state <> 'Waiting')),
    check ((ended_at is null) = (state = 'Waiting'))
);
create index notice_due on notice (due_at) where state = 'Waiting';
create index notice_ended on notice (ended_at) where state <> 'Waiting';

-- What the staff of an institution has not seen yet: one line per referral, the newest.
create table inbox_item (
    institution     text not null,
    -- the referral, or the endpoint
    thing           uuid not null,
    position        bigint not null,
    type            text not null,
    subject         text,
    direction       text,
    priority        text,
    department      text,
    -- true: the institution must act; false: it should know
    must_act        boolean not null,
    occurred_at     timestamptz not null,
    -- until somebody acknowledges it or acts
    open            boolean not null,
    acknowledged_at timestamptz,
    acknowledged_by text,
    primary key (institution, thing)
);
create index inbox_item_open on inbox_item (institution, position desc) where open;
create index inbox_item_age on inbox_item (occurred_at);

-- How far the log was read into the inboxes.
create table inbox_progress (
    one      boolean primary key default true check (one),
    position bigint not null
);
insert into inbox_progress (position) select coalesce(max(position), 0) from event;

grant select, insert, update, delete on notice, inbox_item to notification_app;
grant select, update on inbox_progress to notification_app;
