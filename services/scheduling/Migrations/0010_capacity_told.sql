-- What the free places of an institution became is told as scheduling.capacity-changed, many changes at once.
-- Every change leaves a mark; TellCapacity.cs takes the marks away and tells what stands then.
create table capacity_change (
    id          bigint generated always as identity primary key,
    institution text not null,
    department  text not null,
    resource    text not null
);

-- The last thing said, so that nothing is said twice and each event is later than the one before.
create table capacity_told (
    institution text not null,
    department  text not null,
    resource    text not null,
    told_at     timestamptz not null,
    looked_at   timestamptz not null,
    free        text not null,
    primary key (institution, department, resource)
);
create index capacity_looked on capacity_told (looked_at);

-- A mark of its own for each change instead of one flag per department: who books never waits for who tells.
-- Triggers, so that no way of changing a place can forget it.
create function mark_published_slots() returns trigger language plpgsql as $$
begin
    insert into capacity_change (institution, department, resource)
    select distinct institution, department, resource from published;
    return null;
end $$;
create trigger slots_published after insert on slot
    referencing new table as published for each statement execute function mark_published_slots();

create function mark_slot() returns trigger language plpgsql as $$
begin
    insert into capacity_change (institution, department, resource) values (new.institution, new.department, new.resource);
    return null;
end $$;
create trigger slot_changed after update of taken, capacity, withdrawn_at on slot
    for each row execute function mark_slot();

create function mark_bed() returns trigger language plpgsql as $$
begin
    insert into capacity_change (institution, department, resource)
    select w.institution, w.department, case when w.eligibility is null then 'Bed' else 'Ward' end
    from bed b join ward w on w.id = b.ward_id
    where b.id = new.bed_id;
    return null;
end $$;
create trigger bed_booked after insert or update of state on booking
    for each row when (new.bed_id is not null) execute function mark_bed();

create function mark_new_beds() returns trigger language plpgsql as $$
begin
    insert into capacity_change (institution, department, resource)
    select distinct w.institution, w.department, case when w.eligibility is null then 'Bed' else 'Ward' end
    from added b join ward w on w.id = b.ward_id;
    return null;
end $$;
create trigger beds_added after insert on bed
    referencing new table as added for each statement execute function mark_new_beds();

grant select, insert, delete on capacity_change to scheduling_app;
grant select, insert, update on capacity_told to scheduling_app;
