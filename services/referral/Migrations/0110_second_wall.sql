-- Row-level security is the second wall: what is read for a caller is read as referral_reader, which sees what the
-- caller is a party of and nothing else, whatever the query forgot. The settings live for one transaction
-- (Workflow/Wall.cs). The service's own role decides and writes; its statements carry their guards.

-- Somebody looked at what is masked (Reveal), or at what is not theirs (BreakGlass), for some time and with a reason.
create table opening (
    id           uuid        primary key,
    referral_id  uuid        not null references referral,
    kind         text        not null check (kind in ('Reveal', 'BreakGlass')),
    subject      text        not null,
    institution  text        not null,
    role         text        not null,
    department   text,
    -- what for, as a code
    purpose      text        not null,
    -- why, in words, under the person's key
    words        bytea       not null,
    at           timestamptz not null,
    until        timestamptz not null check (until > at)
);
create index opening_of_referral on opening (referral_id, institution, subject, until);
-- the report: what our people opened elsewhere; and how often one person did lately
create index opening_of_institution on opening (institution, kind, id);
grant select, insert on opening to referral_app;

-- These read tables that the reader may not.
create function in_alliance_with(me text, one text, other text, day date) returns boolean
    language sql stable security definer set search_path = public, pg_temp as $$
    select exists (
        select from membership mine join membership theirs using (alliance)
        where mine.institution = me and theirs.institution in (one, other)
          and mine.since <= day and (mine.until is null or mine.until >= day)
          and theirs.since <= day and (theirs.until is null or theirs.until >= day))
$$;

-- as what somebody opened it who may still look: BreakGlass before Reveal
create function opened_by(about uuid, me text, who text, moment timestamptz) returns text
    language sql stable security definer set search_path = public, pg_temp as $$
    select kind from opening
    where referral_id = about and institution = me and subject = who and until > moment
    order by kind limit 1
$$;

-- the lead of the alliance a sender belongs to first: the tight one before all others, then by id
create function leads(me text, sender text, day date) returns boolean
    language sql stable security definer set search_path = public, pg_temp as $$
    select coalesce((
        select a.lead
        from membership m join alliance a on a.id = m.alliance
        where m.institution = sender and m.since <= day and (m.until is null or m.until >= day)
        order by case a.tightness when 'Tight' then 0 when 'SemiTight' then 1 when 'Mixed' then 2 else 3 end, a.id collate "C"
        limit 1), sender) = me
$$;

alter table patient enable row level security;
alter table referral enable row level security;
alter table slip enable row level security;
alter table history enable row level security;
alter table attachment enable row level security;
create policy service on patient to referral_app using (true) with check (true);
create policy service on referral to referral_app using (true) with check (true);
create policy service on slip to referral_app using (true) with check (true);
create policy service on history to referral_app using (true) with check (true);
create policy service on attachment to referral_app using (true) with check (true);

-- The same as Workflow/Access.cs, arm by arm; the dear ones stand last. Settings are read where they are compared: that
-- costs less than a subquery for each as long as few rows come here, and a query with a condition brings few.
create policy parties on referral for select to referral_reader using (
    current_setting('referral.role', true) <> 'AllianceOffice' and (
        sender = current_setting('referral.institution', true)
        or submitted_at is not null and receiver = current_setting('referral.institution', true))
    or submitted_at is not null and current_setting('referral.institution', true) = any(tried)
    or origin = current_setting('referral.institution', true)
    or submitted_at is not null
        and family_clinic = current_setting('referral.institution', true)
        and family_doctor = current_setting('referral.subject', true)
    or current_setting('referral.role', true) = 'AllianceOffice'
        and (submitted_at is not null or sender = current_setting('referral.on_behalf_of', true))
        and (current_setting('referral.institution', true) in (sender, receiver)
             or in_alliance_with(current_setting('referral.institution', true), sender, receiver,
                                 nullif(current_setting('referral.day', true), '')::date))
    -- what leaves the region is signed by the lead hospital
    or state = 'InternalReview' and 'OUT_OF_REGION' = any(flags)
        and current_setting('referral.role', true) = 'Head'
        and leads(current_setting('referral.institution', true), sender, nullif(current_setting('referral.day', true), '')::date)
    or submitted_at is not null
        and opened_by(id, current_setting('referral.institution', true), current_setting('referral.subject', true),
                      nullif(current_setting('referral.now', true), '')::timestamptz) = 'BreakGlass');
create policy parties on slip for select to referral_reader using (exists (select from referral r where r.id = referral_id));
create policy parties on history for select to referral_reader using (exists (select from referral r where r.id = referral_id));
create policy parties on attachment for select to referral_reader using (exists (select from referral r where r.id = referral_id));
create policy parties on patient for select to referral_reader using (exists (select from referral r where r.patient_id = patient.id));

grant usage on schema public to referral_reader;
grant select on patient, referral, slip, history, attachment to referral_reader;
-- a reading writes its own row
grant insert on audit to referral_reader;
