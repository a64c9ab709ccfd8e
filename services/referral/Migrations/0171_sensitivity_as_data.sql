-- What was written before an illness became sensitive is marked when it does (Referrals/MarkSensitive.cs), and not by any
-- way unmarked once it was sent.

-- the codes that are still open to the colleagues, one by one without a look at every row
create index referral_not_sensitive on referral (diagnosis_code) where not sensitive;

create function stay_sensitive() returns trigger language plpgsql as $$
begin
    new.sensitive := true;
    return new;
end
$$;
-- a move that began before the marking still carries what it read
create trigger referral_stays_sensitive before update of sensitive on referral
    for each row when (old.sensitive and not new.sensitive and old.submitted_at is not null) execute function stay_sensitive();

-- departments that tell the illness, and hospice care: rows of a time before these were looked at
update referral set sensitive = true
where not sensitive and (left(department, 2) in ('15', '16', '17', '24') or patient_class = 'Palliative');
