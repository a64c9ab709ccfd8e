-- An institution does not go from the sandbox into service, or back, with what it shares with others: that is ended first.
create function institution_shares_nothing() returns trigger language plpgsql as $$
declare
    today date := (now() at time zone 'Asia/Shanghai')::date;
begin
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
create trigger institution_keeps_its_kind before update of synthetic on institution
    for each row when (old.synthetic <> new.synthetic) execute function institution_shares_nothing();
