-- A timetable (坐诊安排) that makes slots by itself: of a clinic, a device, readers, or a round of home visits.
-- Minutes count from midnight in China.
create table session (
    id            uuid primary key,
    institution   text not null,
    department    text not null,
    resource      text not null check (resource in ('Slot', 'Equipment', 'Reading', 'Session', 'Visit')),
    clinician     text,
    -- 1 Monday … 7 Sunday
    weekdays      int[] not null check (weekdays <@ array[1, 2, 3, 4, 5, 6, 7] and cardinality(weekdays) > 0),
    from_minute   int not null check (from_minute between 0 and 1439),
    until_minute  int not null check (until_minute between 1 and 1440),
    -- length of one slot; null: the whole session is one slot
    slot_minutes  int check (slot_minutes > 0),
    capacity      int not null check (capacity > 0),
    valid_from    date not null,
    valid_until   date,
    on_holidays   boolean not null,
    place         text,
    reserved_for  text check (reserved_for = 'FamilyDoctor'),
    -- reserved slots nobody took open to all this many hours before they begin
    release_hours int check (release_hours between 0 and 720),
    -- slots were made up to and including this day
    made_until    date not null,
    version       int not null default 1,
    created_at    timestamptz not null,
    check (from_minute < until_minute),
    check ((reserved_for is null) = (release_hours is null))
);
create index session_listed on session (institution, department, id);
create index session_made on session (made_until);

-- A day that is not as the pattern says: without minutes there is no session.
create table session_exception (
    session_id   uuid not null references session,
    on_day       date not null,
    from_minute  int check (from_minute between 0 and 1439),
    until_minute int check (until_minute between 1 and 1440),
    primary key (session_id, on_day),
    check ((from_minute is null) = (until_minute is null)),
    check (from_minute < until_minute)
);

-- Days off and swapped working days (调休); institution '' speaks for everybody, an institution's own line comes before it.
create table calendar_day (
    institution  text not null,
    on_day       date not null,
    works        boolean not null,
    -- a working Saturday that replaces a Friday works like weekday 5
    like_weekday int check (like_weekday between 1 and 7),
    primary key (institution, on_day),
    check (works or like_weekday is null)
);

alter table slot
    add column session_id       uuid references session,
    add column place            text,
    -- only patients with a family-doctor contract, until it opens to all
    add column reserved_for     text check (reserved_for = 'FamilyDoctor'),
    add column opens_at         timestamptz,
    add column opened_at        timestamptz,
    -- patients beyond the capacity that somebody may add by hand; nobody gets such a place by himself
    add column overbook         int not null default 0 check (overbook between 0 and 100),
    add column withdrawn_reason text,
    add check ((reserved_for is null) = (opens_at is null)),
    drop constraint slot_is_never_overbooked,
    add constraint slot_is_never_overbooked check (taken between 0 and capacity + overbook);
create unique index slot_of_session_once on slot (session_id, starts_at) where session_id is not null and withdrawn_at is null;
-- whoever stands in a slot that is withdrawn is moved: see Slots/MoveHolders.cs
create index slot_left_over on slot (line) where withdrawn_at is not null and taken > 0;
create index slot_to_open on slot (opens_at) where reserved_for is not null and opened_at is null and withdrawn_at is null;

drop trigger slot_changed on slot;
create trigger slot_changed after update of taken, capacity, withdrawn_at, opened_at on slot
    for each row execute function mark_slot();

alter table bed add column withdrawn_at timestamptz, add column withdrawn_reason text;
create function mark_withdrawn_bed() returns trigger language plpgsql as $$
begin
    insert into capacity_change (institution, department, resource)
    select w.institution, w.department, case when w.eligibility is null then 'Bed' else 'Ward' end
    from ward w where w.id = new.ward_id;
    return null;
end $$;
create trigger bed_withdrawn after update of withdrawn_at on bed
    for each row execute function mark_withdrawn_bed();

-- How many reserved places a clinic may take in a week; sender '' speaks for every clinic without a line of its own.
create table pool_quota (
    institution text not null,
    department  text not null,
    resource    text not null,
    sender      text not null,
    per_week    int not null check (per_week between 0 and 10000),
    primary key (institution, department, resource, sender)
);

-- Monday of the week whose quota a booking in a reserved slot counts against.
alter table booking add column pool_week date;
create index booking_of_pool on booking (institution, department, resource, pool_week) where pool_week is not null;

create function pool_has_room(of_institution text, of_department text, of_resource text, from_sender text, at timestamptz)
returns boolean language sql stable as $$
    select coalesce((
        select q.per_week > (
            select count(*) from booking b join need n using (referral_id)
            where b.institution = of_institution and b.department = of_department and b.resource = of_resource
              and b.pool_week = date_trunc('week', at at time zone 'Asia/Shanghai')::date
              and n.sender = from_sender and b.state in ('Held', 'Booked', 'Used', 'NoShow'))
        from pool_quota q
        where q.institution = of_institution and q.department = of_department and q.resource = of_resource
          and q.sender in (from_sender, '')
        order by q.sender desc
        limit 1), true)
$$;

grant select, insert, update on session, session_exception, calendar_day, pool_quota to scheduling_app;
grant update (overbook, place, clinician, opened_at, withdrawn_reason) on slot to scheduling_app;
grant insert (session_id, place, reserved_for, opens_at, overbook) on slot to scheduling_app;
