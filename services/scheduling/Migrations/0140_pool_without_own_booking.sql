-- Who moves from one reserved place to another takes no more of his clinic's quota than before: what the referral itself
-- holds or has booked is left out. The function without the referral is what the version before this one calls.
create function pool_has_room(of_institution text, of_department text, of_resource text, from_sender text, at timestamptz, for_referral uuid)
returns boolean language sql stable as $$
    select coalesce((
        select q.per_week > (
            select count(*) from booking b join need n using (referral_id)
            where b.institution = of_institution and b.department = of_department and b.resource = of_resource
              and b.pool_week = date_trunc('week', at at time zone 'Asia/Shanghai')::date
              and n.sender = from_sender and b.state in ('Held', 'Booked', 'Used', 'NoShow')
              and not (b.referral_id = for_referral and b.state in ('Held', 'Booked')))
        from pool_quota q
        where q.institution = of_institution and q.department = of_department and q.resource = of_resource
          and q.sender in (from_sender, '')
        order by q.sender desc
        limit 1), true)
$$;
