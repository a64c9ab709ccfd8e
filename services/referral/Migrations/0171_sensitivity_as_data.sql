-- What was written before an illness became sensitive is marked when it does (Referrals/MarkSensitive.cs, which also marks
-- the rows of a time before departments were looked at), and not by any way unmarked once it was sent.
create function stay_sensitive() returns trigger language plpgsql as $$
begin
    new.sensitive := true;
    return new;
end
$$;
-- a move that began before the marking still carries what it read
create trigger referral_stays_sensitive before update of sensitive on referral
    for each row when (old.sensitive and not new.sensitive and old.submitted_at is not null) execute function stay_sensitive();
