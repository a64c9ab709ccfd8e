-- The alliance's rules as data. A pack is never changed: its next version says from when it holds.

create table rule_pack (
    id           text        not null check (id ~ '^[a-z][a-z0-9-]{1,39}$'),
    version      int         not null check (version > 0),
    since        date        not null,
    -- names, codes, criteria as they were published
    content      jsonb       not null,
    published_by text        not null,
    published_at timestamptz not null,
    primary key (id, version),
    -- the version that holds on a day is the one that began last: two cannot begin together
    unique (id, since)
);

-- sets of diagnoses that something depends on: ranges by leading characters, as A00-B99
create table diagnosis_set (
    name         text not null,
    codes        text not null,
    since        date not null default '2000-01-01',
    until        date,
    primary key (name, codes, since)
);

-- the start sets of the source documents; an installation extends them as data
insert into diagnosis_set (name, codes)
select 'Sensitive', unnest(array['A00-B99', 'Z21', 'Z22', 'F00-F99'])
union all
select 'RehabJointWard', unnest(array['I61', 'I63', 'I69', 'S06', 'T90.5', 'S14.0-S14.1', 'S24.0-S24.1', 'S34.0-S34.1', 'T91.3']);

-- which department (诊疗科目) usually treats what; the narrowest range wins
create table specialty (
    codes        text not null,
    department   text not null,
    since        date not null default '2000-01-01',
    until        date,
    primary key (codes, department, since)
);

insert into specialty (codes, department)
values ('A15-A19', '17'), ('A15-A19', '16'), ('A00-B99', '16'), ('C00-C97', '19'), ('C33-C34', '19'), ('C33-C34', '04.05'),
       ('D10-D48', '04.01'), ('D50-D89', '03.05'), ('E00-E90', '03.07'), ('F00-F99', '15'), ('G00-G99', '03.03'),
       ('H00-H59', '10'), ('H60-H95', '11'), ('I00-I99', '03.04'), ('I60-I69', '03.03'), ('I60-I62', '04.02'),
       ('I80-I89', '04.01'), ('J00-J99', '03.01'), ('J30-J39', '11'), ('K00-K93', '03.02'), ('K00-K14', '12'),
       ('K35-K46', '04.01'), ('K80-K83', '04.01'), ('L00-L99', '13'), ('M00-M99', '04.03'), ('M05-M06', '03.08'),
       ('M30-M36', '03.08'), ('N00-N39', '03.06'), ('N20-N23', '04.04'), ('N40-N51', '04.04'), ('N60-N98', '05.01'),
       ('O00-O99', '05.02'), ('P00-P96', '07'), ('R00-R01', '03.04'), ('R07', '03.04'), ('R51', '03.03'), ('S00-T14', '04.03'), ('S06', '04.02'),
       ('S14', '04.03'), ('S20-S29', '04.05'), ('S30-S39', '04.01'), ('T15-T19', '20'), ('T20-T32', '04.07'),
       ('T36-T65', '20'), ('T90', '21'), ('T91', '21'), ('Z50', '21'), ('Z51.5', '24');

grant select, insert on rule_pack to referral_app;
grant select, insert, update, delete on diagnosis_set, specialty to referral_app;
