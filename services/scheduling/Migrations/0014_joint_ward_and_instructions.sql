-- A ward of a primary institution that a hospital runs with it (康复联合病房): who leads it, whom it takes, its rounds.
alter table ward
    -- unified social credit code of the hospital; null: a ward like any other
    add column hospital   text,
    add column director   text,
    add column head_nurse text,
    -- first characters of the diagnosis codes it takes, e.g. I63, S14.0: for those who refer, nobody is judged by it here
    add column diagnoses  text[] not null default '{}',
    add column place      text,
    add column version    int not null default 1,
    add check ((hospital is null) = (director is null) and (hospital is null) = (head_nurse is null));

-- Rounds as they are planned each week; minutes count from midnight in China.
create table ward_round (
    ward_id   uuid not null references ward,
    weekday   int not null check (weekday between 1 and 7),
    at_minute int not null check (at_minute between 0 and 1439),
    clinician text not null,
    primary key (ward_id, weekday, at_minute)
);

-- Rounds that were made; one that was not planned stands under its own hour.
create table ward_round_made (
    ward_id    uuid not null references ward,
    planned_at timestamptz not null,
    made_at    timestamptz not null,
    clinician  text not null,
    primary key (ward_id, planned_at)
);

-- What a patient is told beside day and hour; department '' speaks for every department without a line of its own.
create table instruction (
    institution text not null,
    department  text not null,
    resource    text not null,
    place       text,
    bring       text[] not null,
    primary key (institution, department, resource)
);

grant select, insert, update, delete on ward_round to scheduling_app;
grant select, insert, update on ward_round_made, instruction to scheduling_app;
