-- What a redirect may be offered: nobody is sent where he was already, nor between the sandbox and the real institutions.
alter table need
    add column synthetic boolean not null default false,
    -- institutions that have had this referral, as far as was heard
    add column tried     text[] not null default '{}';

-- Institutions that a referral was heard of. One that was ever heard of with a real patient is real.
create table institution (
    code      text primary key,
    synthetic boolean not null
);
grant select, insert, update on institution to scheduling_app;
