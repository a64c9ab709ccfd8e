-- Family-doctor contracts (家庭医生签约) in both meanings of 1+1+1, and what a referral keeps of the one that held.

alter table contract add version bigint not null default 1;
alter table contract add specialist text;
alter table contract add health_manager text;
-- as a list may show it; the number itself is not kept
alter table contract add patient_masked text;
alter table contract add constraint contract_ends_after_it_began check (until >= since);
alter table contract add constraint contract_team_has_a_doctor check (type <> 'TEAM_1_1_1' or doctor is not null);
alter table contract add constraint contract_has_three_institutions
    check (type <> 'INSTITUTION_1_1_1' or district is not null and municipal is not null);
-- a resident has one contract of a kind at a time
alter table contract add constraint contract_one_of_a_kind
    exclude using gist (patient_index with =, type with =, daterange(since, until, '[]') with &&);
create index contract_of_clinic on contract (clinic, id);

-- a village clinic drafted it for the township that sends it
alter table referral add origin text;
alter table referral add contract_id text;
alter table referral add family_clinic text;
alter table referral add family_doctor text;
-- clinician ids of a team contract: general practitioner, specialist, health manager
alter table referral add participants text[] not null default '{}';
create index referral_of_family_doctor on referral (family_clinic, family_doctor, listed_at desc, id desc) where family_doctor is not null;
create index referral_of_origin on referral (origin, listed_at desc, id desc) where origin is not null;
