-- What a patient is told of an appointment beside its time: where in the institution, and what to bring.
create table appointment_advice (
    booking_id  uuid primary key,
    referral_id uuid   not null references referral,
    place       text,
    bring       text[] not null
);
grant select, insert, update on appointment_advice to referral_app;
