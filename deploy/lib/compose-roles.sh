#!/bin/bash
# Runs once inside the postgres container, when its data folder is new: two roles and a database for each service.
set -euo pipefail

for service in referral scheduling notification; do
  owner=${service^^}_OWNER_PASSWORD
  app=${service^^}_APP_PASSWORD
  psql -X -q -v ON_ERROR_STOP=1 -U postgres -d postgres -v service="$service" \
    -v owner="${service}_owner" -v app="${service}_app" -v owner_password="${!owner}" -v app_password="${!app}" <<'SQL'
create role :"owner" login password :'owner_password';
create role :"app" login password :'app_password';
create database :"service" owner :"owner";
revoke all on database :"service" from public;
grant connect on database :"service" to :"app";
SQL
done

# What the referral service reads as, behind row-level security; nobody logs in as it.
psql -X -q -v ON_ERROR_STOP=1 -U postgres -d postgres -c 'create role referral_reader nologin' -c 'grant referral_reader to referral_app'
