-- Sets of diagnoses and specialties as entries of the directory: a version for If-Match, one entry of a kind at a time.

alter table diagnosis_set add version bigint not null default 1;
-- contract: the version before only reads this table
alter table diagnosis_set add constraint diagnosis_set_ends_after_it_began check (until >= since);
-- contract: the version before only reads this table
alter table diagnosis_set add constraint diagnosis_set_once_at_a_time
    exclude using gist (name with =, codes with =, daterange(since, until, '[]') with &&);

alter table specialty add version bigint not null default 1;
-- contract: the version before only reads this table
alter table specialty add constraint specialty_ends_after_it_began check (until >= since);
-- contract: the version before only reads this table
alter table specialty add constraint specialty_once_at_a_time
    exclude using gist (codes with =, department with =, daterange(since, until, '[]') with &&);
