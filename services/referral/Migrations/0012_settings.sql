-- Settings that members inherit from their alliance, timers as data, and working time. Rows are added and never
-- changed: what held at a moment can always be said.

create table profile_switch (
    alliance     text        not null references alliance,
    profile      text        not null check (profile in ('PEACETIME', 'SURGE')),
    since        timestamptz not null,
    reason       text        not null,
    written_by   text        not null,
    written_at   timestamptz not null default now(),
    primary key (alliance, since)
);

create table alliance_setting (
    id           uuid primary key,
    alliance     text        not null references alliance,
    -- null: every member; otherwise this one differs
    institution  text        references institution,
    -- null: in both profiles
    profile      text        check (profile in ('PEACETIME', 'SURGE')),
    since        timestamptz not null,
    internal_review boolean,
    lead_signs_out_of_region boolean,
    village_clinics_submit boolean,
    written_by   text        not null,
    written_at   timestamptz not null default now(),
    constraint alliance_setting_once_a_moment unique nulls not distinct (alliance, institution, profile, since)
);

-- what differs from the defaults of the service (Deadlines/TimerDefaults.cs); null matches everything
create table timer_setting (
    id           uuid primary key,
    alliance     text        references alliance,
    timer        text        not null,
    priority     text        check (priority in ('Routine', 'Urgent', 'Emergency')),
    kind         text,
    profile      text        check (profile in ('PEACETIME', 'SURGE')),
    since        timestamptz not null,
    ladder       jsonb       not null,
    written_by   text        not null,
    written_at   timestamptz not null default now(),
    constraint timer_setting_once_a_moment unique nulls not distinct (alliance, timer, priority, kind, profile, since)
);

-- working time: the hours of a week, and the days that differ (holidays, and weekends worked instead: 调休)
create table calendar (
    id           text primary key,
    name         text   not null,
    weekdays     text[] not null,
    opens        text   not null,
    closes       text   not null,
    rest_from    text,
    rest_until   text,
    version      bigint not null default 1
);

create table calendar_day (
    calendar     text    not null references calendar on delete cascade,
    day          date    not null,
    working      boolean not null,
    name         text,
    version      bigint  not null default 1,
    primary key (calendar, day)
);

grant select, insert on profile_switch, alliance_setting, timer_setting to referral_app;
grant select, insert, update, delete on calendar, calendar_day to referral_app;
