-- What scheduling last said is free, by department and kind of place: matching ranks by it, nothing is promised by it.

create table capacity (
    institution  text        not null,
    department   text        not null,
    resource     text        not null,
    -- days with free places, and how many: a day that is not named has none
    days         date[]      not null,
    counts       int[]       not null,
    -- time of the event that said so; of two the later one is the truth
    as_of        timestamptz not null,
    primary key (institution, department, resource),
    check (cardinality(days) = cardinality(counts))
);

grant select, insert, update on capacity to referral_app;
