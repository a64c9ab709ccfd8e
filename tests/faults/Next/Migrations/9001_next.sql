-- What a next version may do while this one serves: add what may be empty, and what nobody asks for yet.
alter table outbox add column next_note text;
alter table idempotency_key add column next_note text;
create table next_thing (id uuid primary key, note text);
create index next_by_age on outbox (created_at);
