# shellcheck shell=bash
# The same system from deploy/compose.yaml.
# Read after basics.sh, servers.sh and services.sh, whose names it uses.
# shellcheck disable=SC2154

compose() { docker compose -f "$root_folder/deploy/compose.yaml" "$@"; }

need_docker() {
  local command
  for command in curl openssl; do
    command -v "$command" >/dev/null || die "The command $command is missing: install the package $command."
  done
  command -v docker >/dev/null || die "deploy/run --containers needs docker, which is not installed: install it, or use deploy/run without --containers."
  docker compose version >/dev/null 2>&1 || die "deploy/run --containers needs the compose plugin of docker, which is not installed: install docker-compose-plugin, or use deploy/run without --containers."
  docker info >/dev/null 2>&1 || die "Docker is installed, but its engine does not answer: start it, or use deploy/run without --containers."
}

# Passwords once, in deploy/.env; keys and the broker's users in files that only this account can reach by path.
make_container_settings() {
  local settings=$root_folder/deploy/.env folder=$state/containers service file
  make_secrets
  if [[ ! -s $settings ]]; then
    (
      umask 077
      {
        printf 'REFERRAL_SECRETS=%s\n' "$folder"
        printf 'POSTGRES_PASSWORD=%s\n' "$(random_hex 20)"
        for service in "${service_names[@]}"; do
          printf '%s_OWNER_PASSWORD=%s\n%s_APP_PASSWORD=%s\n%s_BROKER_PASSWORD=%s\n' \
            "${service^^}" "$(random_hex 20)" "${service^^}" "$(random_hex 20)" "${service^^}" "$(random_hex 20)"
        done
        printf 'MANAGEMENT_BROKER_PASSWORD=%s\n' "$(random_hex 20)"
      } >"$settings"
    )
  fi
  sed -i "s|^REFERRAL_SECRETS=.*|REFERRAL_SECRETS=$folder|" "$settings"
  mkdir -p -- "$folder"
  chmod 700 "$folder"
  # Readable inside a container whatever user it has; the folder above closes them to everybody else here.
  for file in issuer.pub.pem patient.key code.key; do install -m 644 -- "$secrets/$file" "$folder/$file"; done
  install -m 600 -- "$secrets/issuer.pem" "$folder/issuer.pem"
  grep -q '^MANAGEMENT_BROKER_PASSWORD=' "$settings" || printf 'MANAGEMENT_BROKER_PASSWORD=%s\n' "$(random_hex 20)" >>"$settings"
  {
    for service in "${service_names[@]}"; do
      printf '%s - %s\n' "$service" "$(sed -n "s/^${service^^}_BROKER_PASSWORD=//p" "$settings")"
    done
    printf '%s administrator %s\n' "$management_user" "$(sed -n 's/^MANAGEMENT_BROKER_PASSWORD=//p' "$settings")"
  } | broker_definitions >"$folder/definitions.json"
  cat >"$folder/rabbitmq.conf" <<'CONF'
load_definitions = /etc/rabbitmq/definitions.json
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 200MB
CONF
  chmod 644 "$folder"/{definitions.json,rabbitmq.conf}
}

run_containers() {
  local service tries ready
  need_docker
  make_container_settings
  say '[1/4] Building the images and starting the containers'
  compose up -d --build 9>&- || die "The containers did not start: the lines above say why."
  say '[2/4] Waiting until the services are ready'
  for service in "${service_names[@]}"; do
    ready=false
    for ((tries = 0; tries < 120; tries++)); do
      if service_answers "$(service_port "$service")" ready; then ready=true && break; fi
      sleep 1
    done
    if [[ $ready == false ]]; then
      compose logs --tail 20 "$service" >&2 || true
      die "The $service service did not become ready within 120 s: see docker compose -f deploy/compose.yaml logs."
    fi
  done
  say '[3/4] Loading the demo alliance'
  compose run --rm import 9>&- || die "Loading the demo alliance failed: the lines above say why."
  if [[ $1 == true ]]; then
    say '[4/4] Walking a referral up and back'
    compose run --rm --build walk 9>&- || die "The walk-through ended with an error: its last lines above say where."
  else
    say '[4/4] Leaving the walk-through out'
  fi
}

stop_containers() {
  need_docker
  [[ -s $root_folder/deploy/.env ]] || die "Nothing to stop: deploy/run --containers has not run yet."
  compose --profile demo down
}

status_containers() {
  need_docker
  [[ -s $root_folder/deploy/.env ]] || die "There are no containers yet: run deploy/run --containers."
  compose ps --all
}

reset_containers() {
  need_docker
  [[ -s $root_folder/deploy/.env ]] || die "Nothing to delete: deploy/run --containers has not run yet."
  compose --profile demo down --volumes
  rm -f -- "$root_folder/deploy/.env"
  rm -rf -- "$state/containers"
}
