-- Keys of the service itself, wrapped by the key from its settings: they stay when that one is turned.
create table service_key (
    purpose  text  primary key,
    wrapped  bytea not null,
    key_id   text  not null
);
grant select, insert, update on service_key to referral_app;
