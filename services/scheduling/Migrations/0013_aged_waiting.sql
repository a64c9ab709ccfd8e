-- Who has waited too long moves up beside those with a contract, and the hospital sees it.
alter table waiting add column aged_at timestamptz;
create index waiting_to_age on waiting (since) where aged_at is null;
