-- What medicines an institution has: a prescription of the hospital is compared with it before the patient comes back.

create table formulary (
    institution  text    not null references institution on delete cascade,
    drug         text    not null check (length(drug) between 1 and 200),
    -- false: it had it and has it no longer
    available    boolean not null default true,
    version      bigint  not null default 1,
    primary key (institution, drug)
);

grant select, insert, update, delete on formulary to referral_app;
