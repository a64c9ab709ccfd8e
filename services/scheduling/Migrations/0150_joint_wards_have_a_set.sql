-- A joint ward is for the patients of a set. One that was bound without a set took anyone: from now on it is what it is
-- called, and what is told of its free beds is told again. Who has a bed there keeps it.
insert into capacity_change (institution, department, resource)
select distinct w.institution, w.department, kind
from ward w, unnest(array['Bed', 'Ward']) kind
where w.hospital is not null and w.eligibility is null;
update ward set eligibility = 'RehabJointWard' where hospital is not null and eligibility is null;

-- Which diagnoses belong to a set is the referral service's to say, and no event carries a diagnosis.
comment on column ward.diagnoses is 'neither read nor written any more; the version before does';
