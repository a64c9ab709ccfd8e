-- Who signs what leaves the region is no longer read from a flag of the row, but from directory and target as they are
-- now: the second wall asks the same. Whether an alliance has its lead sign at all is decided by the service.
create function lead_signs(me text, one text, other text, day date) returns boolean
    language sql stable security definer set search_path = public, pg_temp as $$
    select exists (select from institution f, institution t where f.code = one and t.code = other and f.region <> t.region)
        and not in_alliance_with(one, other, other, day)
        and leads(me, one, day)
$$;

alter policy parties on referral using (
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
    or state = 'InternalReview' and direction = 'Up'
        and current_setting('referral.role', true) = 'Head'
        and lead_signs(current_setting('referral.institution', true), sender, receiver, nullif(current_setting('referral.day', true), '')::date)
    or submitted_at is not null
        and opened_by(id, current_setting('referral.institution', true), current_setting('referral.subject', true),
                      nullif(current_setting('referral.now', true), '')::timestamptz) = 'BreakGlass');
