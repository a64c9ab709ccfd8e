-- Files that belong to referrals, apart from the workflow: at most 5 MB each, sealed under the patient's key.

create table attachment (
    id           uuid        primary key,
    referral_id  uuid        not null references referral,
    institution  text        not null,
    subject      text        not null,
    media_type   text        not null check (media_type in ('application/pdf', 'image/jpeg', 'image/png', 'application/dicom')),
    size         int         not null check (size between 1 and 5242880),
    -- of what was sent, before it was sealed
    sha256       bytea       not null,
    scan         text        not null check (scan in ('NotScanned', 'Pending', 'Clean', 'Infected')),
    content      bytea       not null,
    created_at   timestamptz not null
);
-- sealed bytes do not get smaller
alter table attachment alter column content set storage external;
create index attachment_of_referral on attachment (referral_id);
create index attachment_to_scan on attachment (created_at) where scan = 'Pending';

-- a result with a mark of mutual recognition is looked for when the same examination is done again
create index history_recognised on history ((detail ->> 'itemCode')) where verb = 'attach' and detail ->> 'recognised' = 'true';

grant select, insert, delete on attachment to referral_app;
grant update (scan) on attachment to referral_app;
-- which uploads were attached
create index history_attached on history ((detail ->> 'attachment')) where verb = 'attach' and detail ? 'attachment';

-- what an emergency's times are told by, beside departure and arrival
alter table referral add first_contact_at timestamptz;
alter table referral add called_at timestamptz;
alter table referral add door_at timestamptz;
