-- The open ones of an institution in the order of its worklist: with the state in between PostgreSQL gathered and sorted all
-- of them for each page, a hospital with thousands open waited for it.
create index referral_worklist_of_receiver on referral (receiver, listed_at desc, id desc) where ended_at is null and submitted_at is not null;
create index referral_worklist_of_sender on referral (sender, listed_at desc, id desc) where ended_at is null;
drop index referral_open_of_receiver;
drop index referral_open_of_sender;
