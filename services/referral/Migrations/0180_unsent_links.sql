-- A draft is nobody's but its sender's, for whatever it is linked with, too: these say whose it is and whether it is to
-- come at all to who may not read it. Nothing once it was sent.
create function drafted_by(linked uuid) returns text
    language sql stable strict security definer set search_path = public, pg_temp as $$
    select sender from referral where id = linked and submitted_at is null
$$;

create function was_discarded(linked uuid) returns boolean
    language sql stable strict security definer set search_path = public, pg_temp as $$
    select exists (select from referral where id = linked and submitted_at is null and ended_at is not null)
$$;
