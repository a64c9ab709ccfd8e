-- Users of the broker that institutions read their own exchange with. The password is the broker's alone.
create table broker_user (
    id          uuid primary key,
    institution text not null,
    name        text not null unique,
    description text check (length(description) <= 200),
    created_by  text not null,
    created_at  timestamptz not null,
    rotated_at  timestamptz,
    revoked_at  timestamptz
);
create index broker_user_of_institution on broker_user (institution, id) where revoked_at is null;

-- How far the log was copied to the exchanges of the institutions.
create table exchange_progress (
    one      boolean primary key default true check (one),
    position bigint not null
);
insert into exchange_progress (position) values (0);

grant select, insert, update on broker_user to notification_app;
grant select, update on exchange_progress to notification_app;
