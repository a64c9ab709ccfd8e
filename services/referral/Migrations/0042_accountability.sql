-- Complaints (投诉) about a referral, and the ledger of patients sent down.

create sequence complaint_number;

create table complaint (
    no              text primary key,
    referral_id     uuid        not null references referral,
    referral_no     text        not null,
    about           text        not null check (about in ('Refusal', 'Delay', 'Attitude', 'IllegalReferral', 'Charges', 'Other')),
    -- who complains, for itself or for its patient, and whom about
    filed_by        text        not null,
    against         text        not null check (against <> filed_by),
    state           text        not null check (state in ('Filed', 'Answered', 'Escalated', 'Decided', 'Closed', 'Withdrawn')),
    version         int         not null,
    filed_at        timestamptz not null,
    due_at          timestamptz,
    answered_at     timestamptz,
    escalated_at    timestamptz,
    decision        text        check (decision in ('Upheld', 'Rejected')),
    ended_at        timestamptz,
    check ((state in ('Decided', 'Closed', 'Withdrawn')) = (ended_at is not null)),
    check ((state in ('Filed', 'Escalated')) = (due_at is not null)),
    check ((state = 'Decided') = (decision is not null))
);
create index complaint_of_referral on complaint (referral_id);
create index complaint_filed_by on complaint (filed_by, filed_at desc, no desc);
create index complaint_against on complaint (against, filed_at desc, no desc);

-- what was said, step by step; the words under the patient's key
create table complaint_step (
    no              text        not null references complaint,
    version         int         not null,
    verb            text        not null,
    to_state        text        not null,
    at              timestamptz not null,
    subject         text        not null,
    institution     text        not null,
    role            text        not null,
    words           bytea,
    primary key (no, version)
);

-- One entry for each patient who arrived below, one more when it turns out to be an error. Nothing is ever changed:
-- each entry seals the one before.
create table down_ledger (
    entry           bigint primary key,
    kind            text        not null check (kind in ('Counted', 'Reversed')),
    referral_id     uuid        not null references referral,
    referral_no     text        not null,
    hospital        text        not null,
    receiver        text        not null,
    arrived_on      date        not null,
    in_alliance     boolean     not null,
    entered_at      timestamptz not null,
    seal            text        not null,
    unique (referral_id, kind)
);
create index down_ledger_by_day on down_ledger (arrived_on);

grant usage on sequence complaint_number to referral_app;
grant select, insert, update on complaint to referral_app;
grant select, insert on complaint_step, down_ledger to referral_app;
