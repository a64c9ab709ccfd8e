-- Keys that sign referral certificates. The certificate itself is no table: it is read from the referral, so that the
-- two can never disagree.

create table certificate_key (
    generation      int primary key,
    -- thumbprint of the public key, RFC 7638
    kid             text        not null unique,
    -- P-256 point, and the private scalar sealed under the service's key
    x               bytea       not null,
    y               bytea       not null,
    private_key     bytea       not null,
    created_at      timestamptz not null,
    -- published before it signs: a verifier that keeps the key set for a while knows it by then
    signs_from      timestamptz not null,
    -- published for as long as something it signed may be valid; null for the newest
    published_until timestamptz
);

grant select, insert, update on certificate_key to referral_app;
