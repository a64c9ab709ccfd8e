-- What an alliance weighs differently when candidates are ranked (the defaults stand in Matching/MatchWeights.cs).
-- Rows are added and never changed.

create table match_setting (
    id           uuid primary key,
    alliance     text        not null references alliance,
    since        timestamptz not null,
    weights      jsonb       not null,
    written_by   text        not null,
    written_at   timestamptz not null default now(),
    constraint match_setting_once_a_moment unique (alliance, since)
);

grant select, insert on match_setting to referral_app;
