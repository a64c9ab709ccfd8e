-- What is old is found without an index that every message would have to keep: rows come in the order of their time.
create index inbox_heard on inbox using brin (heard_at);
create index idempotency_key_kept on idempotency_key using brin (created_at);
create index booking_code_over on booking (ends_at) where code_lookup is not null and state in ('Used', 'NoShow');
