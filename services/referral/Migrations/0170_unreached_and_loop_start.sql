-- A follow-up at which nobody was reached is no follow-up; the third in a row is told to the next of the ladder.
alter table referral add column follow_ups_unreached int not null default 0;

-- From where the 48 hours of the closed loop count, as the timer of that referral did: Accepted or Arrived. Empty for
-- what was treated before the event said so.
alter table measure add column loop_from text;
