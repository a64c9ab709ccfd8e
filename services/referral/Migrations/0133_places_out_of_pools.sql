-- The sixteenth indicator counts places that were reserved for contracted patients, as scheduling says it of a booking.
-- What was booked before says nothing of it.

alter table measure add pooled boolean not null default false;
