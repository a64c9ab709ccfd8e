-- The audit is sealed into a hash chain. A row says which transaction wrote it, because rows become visible in the
-- order of commits and not of ids; the sealer takes those that no older transaction can come before any more.

alter table audit
    add column on_behalf_of text,
    add column tx bigint not null default (pg_current_xact_id()::text::bigint);
create index audit_by_tx on audit (tx, id);

create table audit_seal (
    number     bigint      primary key,
    sealed_at  timestamptz not null,
    -- the rows it covers, in order, and 32 bytes for each
    ids        bigint[]    not null check (cardinality(ids) > 0),
    digests    bytea       not null check (octet_length(digests) = 32 * cardinality(ids)),
    previous   bytea       not null,
    hash       bytea       not null unique,
    mac        bytea       not null,
    key_id     text        not null,
    upto       bigint      not null,
    after_id   bigint      not null
);
create index audit_seal_upto on audit_seal (upto);

-- links, like rows, are only ever added
grant select, insert on audit_seal to referral_app;
