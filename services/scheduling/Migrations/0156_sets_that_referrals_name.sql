-- Names of the sets of diagnoses that referrals are eligible by, as far as one was heard. A joint ward of another name
-- would take nobody: it is refused, and one that stands so is marked on the lists until it is bound with the right one.
create table eligibility_set (
    name text primary key
);
-- the one that is named from the first day on, and what was heard before this table stood
insert into eligibility_set (name)
select 'RehabJointWard' union select distinct unnest(eligibility) from need;

grant select, insert on eligibility_set to scheduling_app;

-- What is told of free beds changes with the set: by a trigger like every change of a place.
create function mark_ward() returns trigger language plpgsql as $$
begin
    insert into capacity_change (institution, department, resource)
    select new.institution, new.department, kind from unnest(array['Bed', 'Ward']) kind;
    return null;
end $$;
create trigger ward_changed after update of eligibility on ward
    for each row when (old.eligibility is distinct from new.eligibility) execute function mark_ward();
