-- What a next version may do while this one serves: add what may be empty, and what nobody asks for yet.
alter table referral add column next_note text;
alter table history add column next_note text;
create table next_thing (id uuid primary key, note text);
