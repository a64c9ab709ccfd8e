-- Machine clients: the software of an institution, that gets its tokens from this service.

create table client (
    id                text primary key check (id ~ '^mc-[0-9a-f]{24}$'),
    institution       text        not null references institution,
    name              text        not null,
    scopes            text[]      not null check (cardinality(scopes) > 0),
    -- requests in any minute, at each service
    per_minute        int         not null check (per_minute > 0),
    -- of a sandbox institution: no token any more once the institution is a real one, or the other way round
    synthetic         boolean     not null,
    version           int         not null,
    created_by        text        not null,
    created_at        timestamptz not null,
    secret_changed_at timestamptz not null,
    last_token_at     timestamptz,
    revoked_at        timestamptz
);
create index client_of_institution on client (institution, id);

-- SHA-256 of 32 random bytes: nothing to guess, nothing to look up in a table
create table client_secret (
    client_id   text        not null references client,
    hash        bytea       not null check (octet_length(hash) = 32),
    created_at  timestamptz not null,
    -- set when another one follows it; null for the newest
    expires_at  timestamptz,
    primary key (client_id, hash)
);
create unique index newest_secret on client_secret (client_id) where expires_at is null;

-- keys that sign the tokens of machine clients, and nothing else; as certificate_key
create table token_key (
    generation      int primary key,
    kid             text        not null unique,
    x               bytea       not null,
    y               bytea       not null,
    private_key     bytea       not null,
    created_at      timestamptz not null,
    signs_from      timestamptz not null,
    published_until timestamptz
);

grant select, insert, update on client, token_key to referral_app;
grant select, insert, update, delete on client_secret to referral_app;
