-- A sandbox institution never meets real ones: not in an alliance, not in a contract, not in an agreement. What stood
-- before stays and can be ended.
create function sandbox_stays_apart() returns trigger language plpgsql as $$
declare
    -- the columns named by the trigger: codes of institutions and ids of clinicians
    named text[] := (select array_agg(to_jsonb(new) ->> c) from unnest(tg_argv) c);
begin
    if (select count(distinct i.synthetic) from institution i
        where i.code = any (named) or i.code in (select c.institution from clinician c where c.id = any (named))) > 1 then
        raise exception 'sandbox and real' using errcode = '23514', constraint = tg_table_name || '_not_mixed';
    end if;
    return null;
end
$$;

-- after the row was written: what is only ended keeps its institutions and is not judged again
create trigger membership_apart after insert on membership
    for each row execute function sandbox_stays_apart('institution', 'lead');
create trigger membership_stays_apart after update of institution, lead on membership
    for each row when ((old.institution, old.lead) is distinct from (new.institution, new.lead))
    execute function sandbox_stays_apart('institution', 'lead');
create trigger contract_apart after insert on contract
    for each row execute function sandbox_stays_apart('clinic', 'district', 'municipal', 'doctor', 'specialist', 'health_manager');
create trigger contract_stays_apart after update on contract
    for each row when ((old.clinic, old.district, old.municipal, old.doctor, old.specialist, old.health_manager)
        is distinct from (new.clinic, new.district, new.municipal, new.doctor, new.specialist, new.health_manager))
    execute function sandbox_stays_apart('clinic', 'district', 'municipal', 'doctor', 'specialist', 'health_manager');
create trigger standing_agreement_apart after insert on standing_agreement
    for each row execute function sandbox_stays_apart('sender', 'receiver');
create trigger standing_agreement_stays_apart after update on standing_agreement
    for each row when ((old.sender, old.receiver) is distinct from (new.sender, new.receiver))
    execute function sandbox_stays_apart('sender', 'receiver');
