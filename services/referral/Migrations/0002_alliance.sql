-- Who is in the alliance, and its rules as data.

create table institution (
    code         text primary key,
    name         text not null,
    level        text not null check (level in ('VillageClinic', 'TownshipHealthCentre', 'CommunityHealthCentre',
                     'SecondaryHospital', 'TertiaryHospital', 'RehabInstitution', 'NursingHome', 'DiagnosticCentre',
                     'PublicHealthInstitution', 'InternetHospital')),
    type         text not null,
    ownership    text not null check (ownership in ('Public', 'Private')),
    region       text not null,
    grid         text,
    latitude     double precision,
    longitude    double precision,
    parent       text references institution deferrable initially deferred,
    services     text[] not null,
    phone        text,
    synthetic    boolean not null,
    check (code ~ '^[0-9A-HJ-NP-RT-UW-Y]{18}$')
);

create table department (
    institution  text not null references institution on delete cascade,
    code         text not null,
    name         text not null,
    bookable     boolean not null,
    primary key (institution, code)
);

create table clinician (
    id           text primary key,
    institution  text not null references institution on delete cascade,
    department   text,
    name         text not null,
    title        text,
    phone        text
);

create table alliance (
    id           text primary key,
    name         text not null,
    form         text not null check (form in ('UrbanMedicalGroup', 'CountyMedicalCommunity', 'CrossRegionSpecialistAlliance', 'TelemedicineNetwork')),
    tightness    text not null check (tightness in ('Tight', 'SemiTight', 'Loose', 'Mixed')),
    lead         text not null references institution
);

create table membership (
    alliance     text not null references alliance on delete cascade,
    institution  text not null references institution,
    since        date not null,
    until        date,
    primary key (alliance, institution, since)
);

create table contract (
    id           text primary key,
    -- keyed hash of the patient's identity number
    patient_index bytea not null,
    type         text not null check (type in ('TEAM_1_1_1', 'INSTITUTION_1_1_1')),
    clinic       text not null references institution,
    doctor       text,
    district     text references institution,
    municipal    text references institution,
    since        date not null,
    until        date
);
create index contract_of_patient on contract (patient_index);

create table standing_agreement (
    id           text primary key,
    -- null: any institution that shares an alliance with the receiver
    sender       text references institution,
    receiver     text not null references institution,
    -- null: any emergency
    green_channel text,
    since        date not null,
    until        date
);

create table reason_code (
    list         text not null,
    code         text not null,
    side         text not null check (side in ('Sender', 'Receiver', 'Either')),
    text_required boolean not null,
    name_zh      text not null,
    name_en      text not null,
    since        date not null default '2000-01-01',
    until        date,
    primary key (list, code)
);

create table diagnosis (
    system       text not null,
    version      text not null,
    code         text not null,
    text_zh      text not null,
    diagnosis_group text not null,
    sensitive    boolean not null,
    primary key (system, version, code)
);

-- bumped by every change of the tables above: each instance reloads its copy when it sees a new number
create table directory_version (
    only_row     boolean primary key default true check (only_row),
    number       bigint not null
);
insert into directory_version (number) values (1);

grant usage on schema public to referral_app;
grant select, insert, update on patient, referral to referral_app;
grant select, insert on slip, history, audit to referral_app;
-- to PostgreSQL the relay's "for update" is an update
grant select, insert, update, delete on outbox to referral_app;
grant select, insert, delete on inbox, idempotency_key to referral_app;
grant select, insert, update, delete on institution, department, clinician, alliance, membership, contract,
    standing_agreement, reason_code, diagnosis to referral_app;
grant select, update on directory_version to referral_app;
grant select on schema_version to referral_app;
grant usage on all sequences in schema public to referral_app;
