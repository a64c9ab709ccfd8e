-- Beds of a ward for a set that no referral names are not told as free. They are from the moment one names it.
create function mark_wards_of_set() returns trigger language plpgsql as $$
begin
    insert into capacity_change (institution, department, resource)
    select distinct w.institution, w.department, 'Ward' from ward w where w.eligibility = new.name;
    return null;
end $$;
create trigger set_named after insert on eligibility_set for each row execute function mark_wards_of_set();

-- what was told of them before is told anew
insert into capacity_change (institution, department, resource)
select distinct institution, department, 'Ward' from ward
where eligibility is not null and not exists (select from eligibility_set where name = ward.eligibility);
