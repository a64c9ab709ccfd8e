-- What is shared and who is of the sandbox are looked at by two triggers, each on what the other changes: they look one
-- after the other, and the later one sees what the earlier one committed. Sharing waits for no other sharing.
create or replace function sandbox_stays_apart() returns trigger language plpgsql as $$
declare
    -- the columns named by the trigger: codes of institutions and ids of clinicians
    named text[] := (select array_agg(to_jsonb(new) ->> c) from unnest(tg_argv) c);
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('sandbox', 0));
    if (select count(distinct i.synthetic) from institution i
        where i.code = any (named) or i.code in (select c.institution from clinician c where c.id = any (named))) > 1 then
        raise exception 'sandbox and real' using errcode = '23514', constraint = tg_table_name || '_not_mixed';
    end if;
    return null;
end
$$;

create or replace function institution_shares_nothing() returns trigger language plpgsql as $$
declare
    today date := (now() at time zone 'Asia/Shanghai')::date;
begin
    perform pg_advisory_xact_lock(hashtextextended('sandbox', 0));
    if exists (select from membership where (institution = new.code or lead = new.code) and coalesce(until, 'infinity') >= today)
        or exists (select from contract
                   where coalesce(until, 'infinity') >= today
                     and (new.code in (clinic, district, municipal)
                          or exists (select from clinician c where c.institution = new.code and c.id in (doctor, specialist, health_manager))))
        or exists (select from standing_agreement where new.code in (sender, receiver) and coalesce(until, 'infinity') >= today) then
        raise exception 'sandbox and real' using errcode = '23514', constraint = 'institution_keeps_its_kind';
    end if;
    return new;
end
$$;
