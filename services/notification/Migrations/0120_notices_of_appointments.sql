-- Notices of appointments say where in the institution and what to bring, and newer news takes the place of older.
alter table notice add column whereabouts text;
alter table notice add column bring text[];
-- of the event it tells of
alter table notice add column sequence bigint;
create index notice_of_referral on notice (referral_no) where sequence is not null;
