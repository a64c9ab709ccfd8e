-- The directory as people change it: versions for If-Match, one tight parent per lower institution, a tree without
-- circles, grids of residence, and who may use a reason.

create extension if not exists btree_gist;

alter table institution add version bigint not null default 1;
alter table department add version bigint not null default 1;
alter table clinician add version bigint not null default 1;
alter table alliance add version bigint not null default 1;
alter table standing_agreement add version bigint not null default 1;
alter table reason_code add version bigint not null default 1;
-- null: every role of the side that the code belongs to
alter table reason_code add roles text[];

alter table membership add version bigint not null default 1;
-- both follow the alliance by the foreign key, so that the constraint below can see them
alter table membership add tightness text;
alter table membership add lead text;
update membership m set tightness = a.tightness, lead = a.lead from alliance a where a.id = m.alliance;
alter table membership alter tightness set not null;
alter table membership alter lead set not null;
-- an authority's exception from the one tight parent, with its reason
alter table membership add override_reason text;
alter table membership add override_by text;
alter table membership add constraint membership_override_is_signed check ((override_reason is null) = (override_by is null));
alter table alliance add constraint alliance_with_its_kind unique (id, tightness, lead);
alter table membership drop constraint membership_alliance_fkey;
alter table membership add constraint membership_alliance_fkey foreign key (alliance, tightness, lead)
    references alliance (id, tightness, lead) on update cascade on delete cascade;
alter table membership add constraint membership_ends_after_it_began check (until >= since);
-- "until" is the last day
alter table membership add constraint membership_once_at_a_time
    exclude using gist (alliance with =, institution with =, daterange(since, until, '[]') with &&);
-- a lower institution has one tight parent (原则上只加入一个紧密型医联体); the lead is nobody's lower institution at home
alter table membership add constraint membership_one_tight_parent
    exclude using gist (institution with =, lead with <>, daterange(since, until, '[]') with &&)
    where (tightness = 'Tight' and institution <> lead and override_reason is null);

create function institution_tier(level text) returns int language sql immutable as $$
    select case level
        when 'VillageClinic' then 0
        when 'TownshipHealthCentre' then 1 when 'CommunityHealthCentre' then 1 when 'NursingHome' then 1 when 'RehabInstitution' then 1
        when 'TertiaryHospital' then 3 when 'InternetHospital' then 3
        else 2 end
$$;

create function institution_stands_in_the_tree() returns trigger language plpgsql as $$
begin
    if new.parent is null then
        return new;
    end if;
    if exists (
        with recursive above as (
            select new.parent as code
            union
            select i.parent from above join institution i using (code) where i.parent is not null)
        select 1 from above where code = new.code) then
        raise exception 'a circle' using errcode = '23514', constraint = 'institution_no_circle';
    end if;
    if institution_tier((select level from institution where code = new.parent)) < institution_tier(new.level) then
        raise exception 'a parent below' using errcode = '23514', constraint = 'institution_parent_is_above';
    end if;
    return new;
end
$$;
create trigger institution_tree before insert or update of parent, level on institution
    for each row execute function institution_stands_in_the_tree();

-- residence grid (网格): who is responsible for those who live there, and where they go up by default
create table grid (
    code         text primary key,
    name         text not null,
    region       text not null,
    alliance     text references alliance,
    institution  text references institution,
    target       text references institution,
    version      bigint not null default 1
);

grant select, insert, update, delete on grid to referral_app;
