-- What somebody judged of an opened referral, and a person's rights.

-- One judgement an opening, by somebody of an institution whose referral it was.
create table opening_review (
    opening_id   uuid        primary key references opening,
    verdict      text        not null check (verdict in ('Justified', 'NotJustified')),
    words        bytea,
    subject      text        not null,
    institution  text        not null,
    role         text        not null,
    at           timestamptz not null
);
grant select, insert on opening_review to referral_app;

alter table patient
    -- nobody works with what is restricted once the care has ended
    add column restricted_at timestamptz,
    add column restriction_lifted_at timestamptz,
    add column erased_at timestamptz,
    -- the masked name after a correction or an erasure: it wins over what a move that began earlier still carries
    add column masked text;

-- What was said about a person before it was corrected, under their key.
create table identity_version (
    patient_id   uuid        not null references patient,
    version      int         not null,
    identity     bytea       not null,
    replaced_by  text        not null,
    institution  text        not null,
    replaced_at  timestamptz not null,
    primary key (patient_id, version)
);
grant select, insert on identity_version to referral_app;

create function keep_correction() returns trigger language plpgsql as $$
begin
    new.patient_masked := coalesce((select masked from patient where id = new.patient_id), new.patient_masked);
    return new;
end
$$;
create trigger referral_keeps_correction before update of patient_masked on referral
    for each row when (old.patient_masked is distinct from new.patient_masked) execute function keep_correction();
-- the next referral of the same person carries what was corrected, too
create trigger referral_begins_corrected before insert on referral
    for each row when (new.parent_id is not null) execute function keep_correction();

create function is_restricted(person uuid) returns boolean
    language sql stable security definer set search_path = public, pg_temp as $$
    select coalesce((select restricted_at is not null and restriction_lifted_at is null from patient where id = person), false)
$$;

-- what was shown for a bill or a call ends with the answer; for treatment it stays open, as a broken glass does
create or replace function opened_by(about uuid, me text, who text, moment timestamptz) returns text
    language sql stable security definer set search_path = public, pg_temp as $$
    select kind from opening
    where referral_id = about and institution = me and subject = who and until > moment and (kind = 'BreakGlass' or purpose = 'Treatment')
    order by kind limit 1
$$;
