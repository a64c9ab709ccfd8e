# shellcheck shell=bash
# The three services as processes: their secrets, environment, programs, start and stop.
# Read after basics.sh and servers.sh, whose names it uses.
# shellcheck disable=SC2154

service_user=nobody
# What this process started itself, for deploy/run to take back after a failure.
services_started=()
# Where each log stood when its service was started: a failure shows what came after.
declare -A log_began=()

open_state() {
  state=$(state_folder)
  secrets=$state/secrets
  open_servers "$state/servers"
}

service_assembly() {
  case $1 in
  referral) printf 'ReferralService\n' ;;
  scheduling) printf 'SchedulingService\n' ;;
  notification) printf 'NotificationService\n' ;;
  esac
}

service_port() {
  case $1 in
  referral) printf '%s\n' "${REFERRAL_PORT:-7101}" ;;
  scheduling) printf '%s\n' "${SCHEDULING_PORT:-7102}" ;;
  notification) printf '%s\n' "${NOTIFICATION_PORT:-7103}" ;;
  esac
}

service_address() { printf 'http://127.0.0.1:%s\n' "$(service_port "$1")"; }

# The services read what they need through the group of their user; the issuer's private key stays with whoever runs this.
make_secrets() {
  local file
  mkdir -p -- "$secrets"
  if is_root; then chown "root:$(id -g -- "$service_user")" "$secrets"; fi
  chmod 750 "$secrets"
  if [[ ! -s $secrets/issuer.pem ]]; then
    (umask 077 && openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$secrets/issuer.pem.new" 2>/dev/null) ||
      die "openssl could not make the key of the development issuer in $secrets."
    mv -- "$secrets/issuer.pem.new" "$secrets/issuer.pem"
    rm -f -- "$secrets/issuer.pub.pem"
  fi
  [[ -s $secrets/issuer.pub.pem ]] || openssl pkey -in "$secrets/issuer.pem" -pubout -out "$secrets/issuer.pub.pem"
  for file in patient.key code.key; do
    [[ -s $secrets/$file ]] || (umask 077 && openssl rand -base64 32 >"$secrets/$file")
  done
  # The referral service seals with the public half whom to tell; the notification service opens it.
  [[ -s $secrets/notice.key ]] || (umask 077 && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$secrets/notice.key" 2>/dev/null) ||
    die "openssl could not make the key of the notices in $secrets."
  [[ -s $secrets/notice.pub.pem ]] || openssl pkey -in "$secrets/notice.key" -pubout -out "$secrets/notice.pub.pem"
  chmod 600 "$secrets/issuer.pem"
  chmod 640 "$secrets"/{issuer.pub.pem,patient.key,code.key,notice.key,notice.pub.pem}
  if is_root; then chown "root:$(id -g -- "$service_user")" "$secrets"/{issuer.pub.pem,patient.key,code.key,notice.key,notice.pub.pem}; fi
}

# One figure for everything a program is built from: it is built again only when this changes.
sources_hash() (
  cd "$root_folder" || exit
  shopt -s nullglob
  {
    dotnet --version
    find "$@" global.json [Nn]u[Gg]et.config Directory.*.props Directory.*.targets \
      -type d \( -name bin -o -name obj \) -prune -o -type f -print0 2>/dev/null | sort -z | xargs -0 sha256sum
  } | sha256sum | cut -c1-64
)

# Builds beside the old program and swaps: a running service never sees half of a new one.
publish_program() {
  local name=$1 project=$2 hash=$3 app=$state/app/$1 log=$state/log/build.log
  [[ -f $root_folder/$project ]] || die "The program $project is missing in this checkout."
  if [[ $(cat "$app/.built-from" 2>/dev/null || true) == "$hash" ]]; then
    say "      $name is up to date"
    return
  fi
  say "      building $name"
  rm -rf -- "$app.new"
  mkdir -p -- "$state/app"
  if ! (cd "$root_folder" && dotnet publish "$project" -c Release -o "$app.new" -nologo -v quiet) >"$log" 2>&1 9>&- </dev/null; then
    rm -rf -- "$app.new"
    show_log "$log" 30
    die "Building $project failed."
  fi
  printf '%s\n' "$hash" >"$app.new/.built-from"
  chmod -R u=rwX,go=rX "$app.new"
  rm -rf -- "$app"
  mv -- "$app.new" "$app"
}

# By its pid file, or by its mark when the file was lost.
service_pid() {
  local -a pids
  marked_pid "$state/run/$1.pid" "$state:$1" && return
  mapfile -t pids < <(pids_with_marks "$state:$1")
  ((${#pids[@]})) && printf '%s\n' "${pids[0]}"
}

# Sets service_words: the whole environment of a service as KEY=VALUE words.
service_environment() {
  local service=$1 name
  service_words=("PATH=/usr/local/bin:/usr/bin:/bin" "HOME=$state/home" "LANG=C.UTF-8")
  for name in $(compgen -e); do
    case $name in
    OTEL_* | Logging__* | DOTNET_ROOT* | TZ) service_words+=("$name=${!name}") ;;
    Notices__*) if [[ $service == notification ]]; then service_words+=("$name=${!name}"); fi ;;
    esac
  done
  # Patients are told something only where there is a way to them: a gateway for text messages, or a mail server.
  if [[ -n ${Notices__Sms__Url:-}${Notices__Smtp__Host:-} ]]; then
    case $service in
    referral) service_words+=("Notices__PublicKeyFile=$secrets/notice.pub.pem") ;;
    notification) service_words+=("Notices__PrivateKeyFile=$secrets/notice.key") ;;
    esac
  fi
  service_words+=(
    "REFERRAL_PART=$state:$service"
    "ASPNETCORE_ENVIRONMENT=Development"
    "ASPNETCORE_URLS=$(service_address "$service")"
    "ConnectionStrings__Database=$(postgres_string "${service}_app" "$(role_secret "${service}_app")" "$service")"
    "ConnectionStrings__Owner=$(postgres_string "${service}_owner" "$(role_secret "${service}_owner")" "$service")"
    "RabbitMq__Uri=$(broker_uri "$service")"
    "Auth__Issuer=https://issuer.referral.local"
    "Auth__Audience=referral"
    "Auth__DevelopmentKeyFile=$secrets/issuer.pub.pem"
    "Auth__Clients__Issuer=$(service_address referral)"
    "Patients__KeyFile=$secrets/patient.key"
    "Codes__KeyFile=$secrets/code.key"
    "DOTNET_TieredPGO=0"
    "DOTNET_gcServer=0"
  )
  # The demo's subscriber listens here; without this line no webhook may go to a loopback address.
  if [[ $service == notification ]]; then
    service_words+=("Webhooks__AllowedAddresses__0=127.0.0.1/32" "RabbitMq__Management=$(management_uri)")
  fi
}

# Becomes the service's program with nothing but its own environment. Passwords never stand in an argument list.
become_service() {
  local service=$1 word name dotnet
  local -a service_words run_as
  shift
  dotnet=$(realpath -- "$(command -v dotnet)")
  service_environment "$service"
  run_as_user "$service_user"
  if (($#)); then
    # A job is not to be taken for the service itself.
    service_words+=("REFERRAL_PART=$state:$service-$1")
  else
    # A Ctrl-C in the terminal that started it is not meant for it.
    run_as=(setsid "${run_as[@]}")
  fi
  for name in $(compgen -e); do export -n "${name?}"; done
  for word in "${service_words[@]}"; do export "${word?}"; done
  cd "$state/app/$service" || exit
  exec "${run_as[@]}" "$dotnet" "$(service_assembly "$service").dll" "$@"
}

# What a running service must have been started with; anything else means it is started anew.
service_stamp() {
  local -a service_words
  service_environment "$1"
  { cat "$state/app/$1/.built-from"; printf '%s\n' "${service_words[@]}"; } | sha256sum | cut -c1-64
}

make_home() {
  mkdir -p -- "$state/home"
  chmod 700 "$state/home"
  own_to "$service_user" "$state/home"
  if is_root && ! as_user "$service_user" test -x "$state/app"; then
    die "The user $service_user may not enter $state: choose a folder outside of closed ones such as /root."
  fi
  if is_root && ! as_user "$service_user" test -x "$(realpath -- "$(command -v dotnet)")"; then
    die "The user $service_user may not run $(command -v dotnet): install the .NET SDK for all users."
  fi
}

migrate_service() {
  local service=$1 log=$state/log/$1-migrate.log
  if ! (become_service "$service" migrate) >"$log" 2>&1 9>&- </dev/null; then
    show_log "$log"
    die "Migrating the database of $service failed."
  fi
}

start_service() {
  local service=$1 pid stamp log=$state/log/$1.log
  stamp=$(service_stamp "$service")
  if pid=$(service_pid "$service"); then
    if [[ $(cat "$state/run/$service.stamp" 2>/dev/null || true) == "$stamp" ]]; then
      say "      $service is already running (process $pid)"
      printf '%s\n' "$pid" >"$state/run/$service.pid"
      return
    fi
    say "      $service was started from something older: starting it anew"
    end_services "$service"
  fi
  turn_log "$log"
  log_began[$service]=$(stat -c %s -- "$log" 2>/dev/null || printf 0)
  (become_service "$service") >>"$log" 2>&1 9>&- </dev/null &
  disown "$!"
  printf '%s\n' "$!" >"$state/run/$service.pid"
  printf '%s\n' "$stamp" >"$state/run/$service.stamp"
  service_port "$service" >"$state/run/$service.port"
  services_started+=("$service")
}

service_answers() { curl -fs --noproxy '*' -m 3 -o /dev/null "http://127.0.0.1:$1/health/$2"; }

await_service() {
  local service=$1 tries
  for ((tries = 0; tries < 300; tries++)); do
    if service_answers "$(service_port "$service")" ready; then return; fi
    if ! service_pid "$service" >/dev/null; then
      show_log "$state/log/$service.log" 20 "${log_began[$service]:-0}"
      die "The $service service ended while it started."
    fi
    sleep 0.2
  done
  show_log "$state/log/$service.log" 20 "${log_began[$service]:-0}"
  die "The $service service did not become ready within 60 s."
}

# Tells all of them to end, then waits for each.
end_services() {
  local service pid
  for service in "$@"; do
    if pid=$(service_pid "$service"); then kill -TERM "$pid" 2>/dev/null || true; fi
  done
  for service in "$@"; do
    if pid=$(service_pid "$service"); then
      wait_gone "$pid" 20 || kill -KILL "$pid" 2>/dev/null || true
      wait_gone "$pid" 5 || die "The $service service (process $pid) does not end."
    fi
    rm -f -- "$state/run/$service".{pid,stamp,port}
  done
}

running_port() { cat "$state/run/$1.port" 2>/dev/null || service_port "$1"; }
