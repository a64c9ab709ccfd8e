#!/bin/bash
# servers.sh VERB [FOLDER] - a private PostgreSQL and RabbitMQ that keep everything in one folder.
#
#   install [PACKAGE:PROGRAM ...]        install what is missing (root on Debian), starting no system daemon
#   start FOLDER [--tests]               start both, whatever of them is missing; --tests: one password for all roles
#   stop FOLDER                          stop both
#   status FOLDER                        part, address, pid and state
#   env FOLDER                           addresses and connection strings as KEY='VALUE' lines
#   postgres-stop FOLDER [fast|immediate]
#   postgres-start FOLDER
#   postgres-restart FOLDER [fast|immediate]
#   broker-stop FOLDER                   stop the broker inside its node (rabbitmqctl stop_app)
#   broker-start FOLDER                  start it again, also after broker-kill
#   broker-kill FOLDER                   kill -9 the node
#   broker-restart FOLDER                stop the node and start it
#   rabbitmqctl FOLDER ARGUMENTS
#
# Both listen on 127.0.0.1 only, on free ports that FOLDER/ports remembers, and run as postgres and rabbitmq
# when root starts them, as yourself otherwise.
set -euo pipefail

if ! declare -F die >/dev/null; then
  # shellcheck source=deploy/lib/basics.sh
  . "$(dirname -- "${BASH_SOURCE[0]}")/basics.sh"
fi

servers_file=$root_folder/deploy/lib/servers.sh
management_user=notification-management
# What this process started itself, for a caller that has to take it back.
servers_started=()

postgres_programs() {
  local folder best=
  for folder in /usr/lib/postgresql/*/bin; do
    [[ -x $folder/initdb && -x $folder/postgres && -x $folder/psql ]] || continue
    local version=${folder#/usr/lib/postgresql/}
    version=${version%/bin}
    if [[ $version =~ ^[0-9]+$ ]] && ((version >= 15)) && ((version > ${best:-0})); then best=$version; fi
  done
  [[ -n $best ]] || return 1
  printf '/usr/lib/postgresql/%s/bin\n' "$best"
}

# The wrappers in /usr/sbin refuse other users than root and rabbitmq; the programs they wrap do not.
broker_programs() {
  local folder best=
  for folder in /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin; do
    if [[ -x $folder/rabbitmq-server ]]; then best=$folder; fi
  done
  [[ -n $best ]] || return 1
  printf '%s\n' "$best"
}

# Also takes further ones as PACKAGE:PROGRAM.
missing_packages() {
  local pair
  for pair in "$@"; do command -v "${pair#*:}" >/dev/null || printf '%s\n' "${pair%:*}"; done
  command -v curl >/dev/null || printf 'curl\n'
  command -v openssl >/dev/null || printf 'openssl\n'
  postgres_programs >/dev/null || printf 'postgresql\n'
  broker_programs >/dev/null || printf 'rabbitmq-server\n'
}

servers_install() (
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || exit 0
  is_root || die "Not installed yet: ${missing[*]}. Type this once, then start again: sudo $servers_file install"
  command -v apt-get >/dev/null || die "Not installed: ${missing[*]}, and this system has no apt-get to install them with."

  policy=/usr/sbin/policy-rc.d
  cluster=/etc/postgresql-common/createcluster.d/no-cluster-for-referral.conf
  take_guards_away() {
    rm -f -- "$cluster"
    if grep -qs 'guard of referral' "$policy"; then rm -f -- "$policy"; fi
    if [[ -e $policy.before-referral ]]; then mv -f -- "$policy.before-referral" "$policy"; fi
  }

  mkdir -p /run/lock
  exec 7>/run/lock/referral-install
  flock 7
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || exit 0
  take_guards_away
  log=$(mktemp)
  trap 'take_guards_away; rm -f -- "$log"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  # Without these two the packages would start daemons of their own on ports 5432 and 5672.
  if [[ -e $policy ]]; then mv -- "$policy" "$policy.before-referral"; fi
  printf '#!/bin/sh\n# guard of referral: no daemon starts while it installs\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  mkdir -p "${cluster%/*}"
  printf 'create_main_cluster = false\n' >"$cluster"

  say "      installing ${missing[*]} (about 20 s)"
  epmd_was_there=$(command -v epmd || true)
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l LC_ALL=C.UTF-8
  {
    # An unreachable further source must not matter when the packages are found all the same.
    apt-get -o DPkg::Lock::Timeout=300 update || true
    apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1 7>&- 9>&- </dev/null || {
    show_log "$log"
    die "Installing ${missing[*]} failed: see the lines above."
  }
  # The package asks systemd to start its own broker at the next boot; nobody here needs that one.
  if [[ " ${missing[*]} " == *' rabbitmq-server '* ]] && command -v systemctl >/dev/null; then
    systemctl disable --quiet rabbitmq-server.service >/dev/null 2>&1 || true
    if [[ -z $epmd_was_there ]]; then systemctl disable --quiet epmd.socket epmd.service >/dev/null 2>&1 || true; fi
  fi
  if [[ " ${missing[*]} " == *' nginx-light '* ]] && command -v systemctl >/dev/null; then
    systemctl disable --quiet nginx.service >/dev/null 2>&1 || true
  fi
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} == 0)) || die "Still missing after the installation: ${missing[*]}."
)

# Sets what all verbs work on. Nothing is created here.
open_servers() {
  [[ -n ${1:-} ]] || die "Name the folder of the servers."
  servers_folder=$(realpath -m -- "$1")
  postgres_data=$servers_folder/postgres/data
  postgres_log=$servers_folder/postgres/server.log
  broker_folder=$servers_folder/broker
  broker_mark=$servers_folder:broker
  epmd_mark=$servers_folder:epmd
  ctl_mark=$servers_folder:rabbitmqctl
  POSTGRES_PORT='' BROKER_PORT='' BROKER_NODE_PORT='' EPMD_PORT='' CTL_PORT='' MANAGEMENT_PORT=''
  if [[ -r $servers_folder/ports ]]; then
    local key value
    while IFS='=' read -r key value; do
      case $key in
      POSTGRES_PORT | BROKER_PORT | BROKER_NODE_PORT | EPMD_PORT | CTL_PORT | MANAGEMENT_PORT) printf -v "$key" '%s' "$value" ;;
      esac
    done <"$servers_folder/ports"
  fi
}

need_servers() {
  open_servers "$@"
  [[ -n $POSTGRES_PORT ]] || die "There are no servers in $servers_folder yet: start them first."
}

make_servers_folder() {
  local kind=$1 user
  mkdir -p -- "$servers_folder" 2>/dev/null || die "The folder $servers_folder cannot be created."
  chmod 755 "$servers_folder"
  mkdir -p -- "$servers_folder"/{run,postgres,broker}
  mkdir -p -- "$servers_folder/secrets"
  chmod 700 "$servers_folder"/{secrets,postgres,broker}
  own_to postgres "$servers_folder/postgres"
  own_to rabbitmq "$servers_folder/broker"
  for user in postgres rabbitmq; do
    if is_root && ! as_user "$user" test -x "$servers_folder"; then
      die "The user $user may not enter $servers_folder: choose a folder outside of closed ones such as /root."
    fi
  done
  [[ -e $servers_folder/kind ]] || printf '%s\n' "$kind" >"$servers_folder/kind"
}

is_tests_kind() { [[ $(cat "$servers_folder/kind") == tests ]]; }

# Makes a password once and prints it.
secret() {
  local file=$servers_folder/secrets/$1
  if [[ ! -s $file ]]; then (umask 077 && random_hex 20 >"$file"); fi
  cat "$file"
}

# In the tests' cluster one password opens all roles, so that a test can build any connection string.
role_secret() {
  if is_tests_kind; then secret roles; else secret "$1"; fi
}

choose_ports() {
  local name old
  for name in POSTGRES_PORT BROKER_PORT BROKER_NODE_PORT EPMD_PORT CTL_PORT MANAGEMENT_PORT; do
    case $name in
    POSTGRES_PORT) if postgres_pid >/dev/null; then continue; fi ;;
    EPMD_PORT) if broker_pid >/dev/null || epmd_pid >/dev/null; then continue; fi ;;
    *) if broker_pid >/dev/null; then continue; fi ;;
    esac
    old=${!name}
    if [[ -z $old ]] || port_is_taken "$old"; then printf -v "$name" '%s' "$(free_port)"; fi
  done
  printf '%s=%s\n' POSTGRES_PORT "$POSTGRES_PORT" BROKER_PORT "$BROKER_PORT" \
    BROKER_NODE_PORT "$BROKER_NODE_PORT" EPMD_PORT "$EPMD_PORT" CTL_PORT "$CTL_PORT" \
    MANAGEMENT_PORT "$MANAGEMENT_PORT" >"$servers_folder/ports"
}

# PostgreSQL overwrites its environment, so it is known by the folder it works in.
postgres_pid() {
  local pid=
  [[ -r $postgres_data/postmaster.pid ]] || return 1
  read -r pid <"$postgres_data/postmaster.pid" || true
  [[ $pid =~ ^[0-9]+$ && $(readlink -- "/proc/$pid/cwd") == "$postgres_data" ]] || return 1
  process_lives "$pid" || return 1
  printf '%s\n' "$pid"
}

postgres_bin() {
  local version
  if [[ -r $postgres_data/PG_VERSION ]]; then
    version=$(cat "$postgres_data/PG_VERSION")
    [[ -x /usr/lib/postgresql/$version/bin/postgres ]] ||
      die "The data in $postgres_data belong to PostgreSQL $version, which is not installed."
    printf '/usr/lib/postgresql/%s/bin\n' "$version"
  else
    postgres_programs || die "PostgreSQL 15 or later is not installed: run $servers_file install first."
  fi
}

init_postgres() {
  local bin fresh=$servers_folder/postgres/data.new password=$servers_folder/postgres/password
  bin=$(postgres_bin)
  rm -rf -- "$fresh"
  secret postgres >/dev/null
  install -m 600 -- "$servers_folder/secrets/postgres" "$password"
  own_to postgres "$password"
  if ! (cd "$servers_folder/postgres" && as_user postgres env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 \
    "$bin/initdb" -D "$fresh" -U postgres -A scram-sha-256 --pwfile="$password" -E UTF8 --locale=C.UTF-8) \
    >"$servers_folder/run/initdb.log" 2>&1; then
    rm -rf -- "$fresh" "$password"
    show_log "$servers_folder/run/initdb.log"
    die "PostgreSQL could not make its data folder in $servers_folder/postgres."
  fi
  rm -f -- "$password"
  # A terse log has no DETAIL lines: those would quote whole rows, and with them patients.
  cat >>"$fresh/postgresql.conf" <<'CONF'

listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = 256MB
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
log_error_verbosity = terse
# Which statement costs what: select * from pg_stat_statements. It keeps their text without values.
shared_preload_libraries = 'pg_stat_statements'
CONF
  mv -- "$fresh" "$postgres_data"
}

# Starts PostgreSQL unless it runs; an address or a settings file of the caller's must not reach it.
start_postgres() {
  local bin tries
  [[ -s $postgres_data/PG_VERSION ]] || init_postgres
  bin=$(postgres_bin)
  if ! postgres_pid >/dev/null; then
    turn_log "$postgres_log"
    # After a kill -9 its last children may still hold the shared memory for a moment.
    for ((tries = 1; ; tries++)); do
      forget_stale_postmaster
      if (cd "$servers_folder/postgres" && as_user postgres env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 \
        "$bin/pg_ctl" -D "$postgres_data" -w -t 60 -l "$postgres_log" -o "-p $POSTGRES_PORT" start) \
        >"$servers_folder/run/pg_ctl.log" 2>&1 </dev/null 9>&-; then
        break
      fi
      if ((tries >= 4)); then
        show_log "$postgres_log"
        die "PostgreSQL did not start."
      fi
      sleep 1
    done
    servers_started+=(postgres)
  fi
  for ((tries = 0; tries < 300; tries++)); do
    if "$bin/pg_isready" -q -h 127.0.0.1 -p "$POSTGRES_PORT"; then return; fi
    sleep 0.1
  done
  show_log "$postgres_log"
  die "PostgreSQL runs but does not accept connections on port $POSTGRES_PORT."
}

# A postmaster.pid whose number meanwhile belongs to somebody else would keep PostgreSQL from starting.
# While any process still works in the data folder the file stays.
forget_stale_postmaster() {
  local link
  [[ -e $postgres_data/postmaster.pid ]] || return 0
  for link in /proc/[0-9]*/cwd; do
    if [[ $(readlink -- "$link" 2>/dev/null) == "$postgres_data" ]]; then return 0; fi
  done
  rm -f -- "$postgres_data/postmaster.pid"
}

stop_postgres() {
  local mode=${1:-fast} bin
  case $mode in
  fast | immediate) ;;
  *) die "PostgreSQL stops fast or immediate, not '$mode'." ;;
  esac
  postgres_pid >/dev/null || return 0
  bin=$(postgres_bin)
  if ! (cd "$servers_folder/postgres" && as_user postgres env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 \
    "$bin/pg_ctl" -D "$postgres_data" -w -t 60 -m "$mode" stop) >"$servers_folder/run/pg_ctl.log" 2>&1 </dev/null; then
    show_log "$servers_folder/run/pg_ctl.log"
    die "PostgreSQL did not stop within 60 s."
  fi
}

# Runs SQL from standard input as superuser.
run_sql() (
  for name in "${!PG@}"; do unset "$name"; done
  PGPASSWORD=$(secret postgres)
  export PGPASSWORD
  "$(postgres_bin)/psql" -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres -d postgres
)

# Two roles a service: the owner changes the tables, the other one only works with them. And one that only reads.
roles_sql() {
  local service role option
  for service in "${service_names[@]}"; do
    for role in owner app; do
      option=
      if [[ $role == owner ]] && is_tests_kind; then option=CREATEDB; fi
      printf "select 'create role %s_%s login %s' where not exists (select from pg_roles where rolname = '%s_%s') \\\\gexec\n" \
        "$service" "$role" "$option" "$service" "$role"
      printf "alter role %s_%s password '%s';\n" "$service" "$role" "$(role_secret "${service}_$role")"
    done
    is_tests_kind && continue
    printf "select 'create database %s owner %s_owner' where not exists (select from pg_database where datname = '%s') \\\\gexec\n" \
      "$service" "$service" "$service"
    printf 'revoke all on database %s from public;\ngrant connect on database %s to %s_app;\n' "$service" "$service" "$service"
  done
  # what the referral service reads as, behind row-level security; nobody logs in as it
  printf "select 'create role referral_reader nologin' where not exists (select from pg_roles where rolname = 'referral_reader') \\\\gexec\n"
  printf "grant referral_reader to referral_app;\n"
}

make_roles() {
  [[ -e $servers_folder/run/roles-made-2 ]] && return
  if ! roles_sql | run_sql >"$servers_folder/run/roles.log" 2>&1; then
    show_log "$servers_folder/run/roles.log"
    die "The roles and databases could not be made."
  fi
  : >"$servers_folder/run/roles-made-2"
}

broker_pid() { marked_pid "$servers_folder/run/broker.pid" "$broker_mark"; }
epmd_pid() { marked_pid "$servers_folder/run/epmd.pid" "$epmd_mark"; }

# The salted hash in the form RabbitMQ imports; the salt is text, because a shell keeps no bytes.
broker_hash() {
  local salt
  salt=$(random_hex 2)
  { printf '%s' "$salt"; printf '%s%s' "$salt" "$1" | openssl dgst -sha256 -binary; } | base64 -w 0
}

# Prints the users and rights as a definitions file: TAGS PASSWORD per name on standard input (name tags password).
broker_definitions() {
  local name tags password users='' rights=''
  while read -r name tags password; do
    users+="${users:+,}{\"name\":\"$name\",\"password_hash\":\"$(broker_hash "$password")\",\"hashing_algorithm\":\"rabbit_password_hashing_sha256\",\"tags\":\"${tags/-/}\"}"
    rights+="${rights:+,}{\"user\":\"$name\",\"vhost\":\"referral\",\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}"
  done
  printf '{"vhosts":[{"name":"referral"}],"users":[%s],"permissions":[%s]}\n' "$users" "$rights"
}

# With definitions to import, the broker makes no guest user.
configure_broker() {
  local service file
  mkdir -p -- "$broker_folder"/{home,mnesia,log}
  (umask 077 && secret cookie >"$broker_folder/home/cookie.new")
  mv -f -- "$broker_folder/home/cookie.new" "$broker_folder/home/.erlang.cookie"
  chmod 400 "$broker_folder/home/.erlang.cookie"
  {
    for service in "${service_names[@]}"; do printf '%s - %s\n' "$service" "$(secret "rabbitmq-$service")"; done
    # makes and revokes the broker users of institutions, over HTTP
    printf '%s administrator %s\n' "$management_user" "$(secret rabbitmq-management)"
    if is_tests_kind; then printf 'test administrator %s\n' "$(secret rabbitmq-test)"; fi
  } | broker_definitions >"$broker_folder/definitions.json"
  cat >"$broker_folder/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$BROKER_PORT
load_definitions = $broker_folder/definitions.json
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 200MB
management.tcp.ip = 127.0.0.1
management.tcp.port = $MANAGEMENT_PORT
# users and rights only: figures about every queue would cost more than they tell here
management_agent.disable_metrics_collector = true
log.console = false
log.dir = $broker_folder/log
log.file = broker.log
log.file.level = info
log.file.rotation.size = 10485760
log.file.rotation.count = 3
CONF
  printf '[rabbitmq_management].\n' >"$broker_folder/enabled_plugins"
  chmod 600 "$broker_folder"/{definitions.json,rabbitmq.conf,enabled_plugins}
  for file in "$broker_folder"/{home,mnesia,log,home/.erlang.cookie,definitions.json,rabbitmq.conf,enabled_plugins}; do
    own_to rabbitmq "$file"
  done
}

# Sets broker_words: the environment of the node and of its tools, as words for env -i.
broker_environment() {
  local ticks=
  # what the tools say of a queue is as old as its last tick: five seconds, and a test would wait them out each time
  if is_tests_kind; then ticks=' -rabbit quorum_tick_interval 1000'; fi
  broker_words=(
    "PATH=/usr/bin:/bin" "LC_ALL=C.UTF-8" "HOME=$broker_folder/home" "REFERRAL_PART=$1"
    "RABBITMQ_NODENAME=referral@localhost" "ERL_EPMD_PORT=$EPMD_PORT" "ERL_EPMD_ADDRESS=127.0.0.1"
    "RABBITMQ_DIST_PORT=$BROKER_NODE_PORT" "RABBITMQ_CONF_ENV_FILE=/dev/null"
    "RABBITMQ_MNESIA_BASE=$broker_folder/mnesia" "RABBITMQ_LOG_BASE=$broker_folder/log"
    "RABBITMQ_PID_FILE=$broker_folder/mnesia/node.pid" "RABBITMQ_CONFIG_FILE=$broker_folder/rabbitmq.conf"
    "RABBITMQ_ENABLED_PLUGINS_FILE=$broker_folder/enabled_plugins"
    "RABBITMQ_CTL_DIST_PORT_MIN=$CTL_PORT" "RABBITMQ_CTL_DIST_PORT_MAX=$((CTL_PORT + 20))"
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +sbwt none$ticks"
    "RABBITMQ_CTL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +sbwt none"
    "ERL_CRASH_DUMP=$broker_folder/log/erl_crash.dump" "ERL_CRASH_DUMP_SECONDS=10"
    # Makes the start script become the node instead of watching over it: the pid is the node's.
    "RUNNING_UNDER_SYSTEMD=true"
  )
}

start_epmd() {
  local tries
  local -a run_as broker_words
  if epmd_pid >/dev/null; then return 0; fi
  # One that a tool of the node started on its own would hold the port.
  kill_marked "$epmd_mark" "$ctl_mark"
  run_as_user rabbitmq
  broker_environment "$epmd_mark"
  (cd "$broker_folder" && exec setsid env -i "${broker_words[@]}" "${run_as[@]}" epmd -port "$EPMD_PORT" -address 127.0.0.1) \
    >>"$servers_folder/run/epmd.log" 2>&1 </dev/null 9>&- &
  disown "$!"
  printf '%s\n' "$!" >"$servers_folder/run/epmd.pid"
  for ((tries = 0; tries < 100; tries++)); do
    if port_is_taken "$EPMD_PORT"; then return 0; fi
    sleep 0.05
  done
  show_log "$servers_folder/run/epmd.log"
  die "Erlang's port mapper did not start on port $EPMD_PORT."
}

# Sends the node on its way and returns at once: PostgreSQL starts meanwhile.
launch_broker() {
  local programs
  local -a run_as broker_words
  programs=$(broker_programs) || die "RabbitMQ is not installed: run $servers_file install first."
  if broker_pid >/dev/null; then
    start_epmd
    return
  fi
  configure_broker
  start_epmd
  run_as_user rabbitmq
  broker_environment "$broker_mark"
  rm -f -- "$servers_folder/run/broker-stopped"
  (cd "$broker_folder" && exec setsid env -i "${broker_words[@]}" "${run_as[@]}" "$programs/rabbitmq-server") \
    >"$servers_folder/run/broker.log" 2>&1 </dev/null 9>&- &
  disown "$!"
  printf '%s\n' "$!" >"$servers_folder/run/broker.pid"
  servers_started+=(broker)
}

# The node opens its port as the last step of its start; only the first frame of an answer proves that it serves.
broker_answers() (
  port_is_taken "$BROKER_PORT" || exit 1
  { exec 8<>"/dev/tcp/127.0.0.1/$BROKER_PORT"; } 2>/dev/null || exit 1
  printf 'AMQP\x00\x00\x09\x01' >&8
  [[ $(timeout 3 head -c 1 <&8 | od -An -tx1) == ' 01' ]]
)

await_broker() {
  local tries
  if [[ -e $servers_folder/run/broker-stopped ]]; then
    run_rabbitmqctl start_app >"$servers_folder/run/rabbitmqctl.log" 2>&1 || {
      show_log "$servers_folder/run/rabbitmqctl.log"
      die "RabbitMQ could not be started again inside its node."
    }
    rm -f -- "$servers_folder/run/broker-stopped"
  fi
  for ((tries = 0; tries < 900; tries++)); do
    if broker_answers; then return; fi
    broker_pid >/dev/null || break
    sleep 0.1
  done
  show_log "$broker_folder/log/broker.log"
  show_log "$servers_folder/run/broker.log"
  if broker_pid >/dev/null; then
    die "RabbitMQ runs but does not answer on port $BROKER_PORT."
  fi
  die "RabbitMQ ended while it started."
}

kill_marked() {
  local pid
  for pid in $(pids_with_marks "$@"); do
    kill -KILL "$pid" 2>/dev/null || true
    wait_gone "$pid" 5 || true
  done
}

signal_broker() {
  local pid
  pid=$(broker_pid) || return 0
  kill -TERM "$pid" 2>/dev/null || true
}

# Waits for a node that was told to end, then takes its helpers away. With KEEP its port mapper stays.
finish_broker() {
  local pid
  if pid=$(broker_pid); then
    wait_gone "$pid" 40 || kill -KILL "$pid" 2>/dev/null || true
    wait_gone "$pid" 5 || die "RabbitMQ (process $pid) does not end."
  fi
  rm -f -- "$servers_folder/run/broker.pid" "$servers_folder/run/broker-stopped"
  kill_marked "$broker_mark" "$ctl_mark"
  if [[ ${1:-} != keep ]]; then
    kill_marked "$epmd_mark"
    rm -f -- "$servers_folder/run/epmd.pid"
  fi
}

run_rabbitmqctl() {
  local programs
  local -a run_as broker_words
  programs=$(broker_programs) || die "RabbitMQ is not installed: run $servers_file install first."
  run_as_user rabbitmq
  broker_environment "$ctl_mark"
  (cd "$broker_folder" && exec env -i "${broker_words[@]}" "${run_as[@]}" "$programs/rabbitmqctl" "$@") 9>&-
}

servers_start() {
  local kind=run
  open_servers "${1:-}"
  case ${2:-} in
  '') ;;
  --tests) kind=tests ;;
  *) die "servers.sh start knows --tests, not '$2'." ;;
  esac
  broker_programs >/dev/null || die "RabbitMQ is not installed: run $servers_file install first."
  make_servers_folder "$kind"
  choose_ports
  launch_broker
  start_postgres
  make_roles
  await_broker
}

servers_stop() {
  open_servers "${1:-}"
  signal_broker
  local failed=0
  (stop_postgres fast) || failed=1
  finish_broker
  return "$failed"
}

# Takes back what this process started, after a failure.
servers_take_back() {
  open_servers "$1"
  case " ${servers_started[*]} " in *' broker '*) signal_broker ;; esac
  case " ${servers_started[*]} " in *' postgres '*) stop_postgres fast ;; esac
  case " ${servers_started[*]} " in *' broker '*) finish_broker ;; esac
}

status_row() { printf '%-14s %-28s %-9s %s\n' "$@"; }

servers_status() {
  local pid state
  open_servers "${1:-}"
  state=running
  if pid=$(postgres_pid); then
    port_is_taken "$POSTGRES_PORT" || state='does not listen'
  else
    pid=- state=stopped
  fi
  status_row PostgreSQL "127.0.0.1:${POSTGRES_PORT:--}" "$pid" "$state"
  state=running
  if pid=$(broker_pid); then
    port_is_taken "$BROKER_PORT" || state='does not listen'
    if [[ -e $servers_folder/run/broker-stopped ]]; then state='stopped inside its node'; fi
    epmd_pid >/dev/null || state+=', port mapper missing'
  else
    pid=- state=stopped
  fi
  status_row RabbitMQ "127.0.0.1:${BROKER_PORT:--}" "$pid" "$state"
}

postgres_string() {
  printf 'Host=127.0.0.1;Port=%s;Username=%s;Password=%s;Database=%s' "$POSTGRES_PORT" "$1" "$2" "$3"
}

# The broker's HTTP interface; empty for a broker that was started without it.
management_uri() {
  [[ -z $MANAGEMENT_PORT ]] || printf 'http://%s:%s@127.0.0.1:%s' "$management_user" "$(secret rabbitmq-management)" "$MANAGEMENT_PORT"
}

broker_uri() { printf 'amqp://%s:%s@127.0.0.1:%s/referral' "$1" "$(secret "rabbitmq-$1")" "$BROKER_PORT"; }

servers_env() {
  local service upper
  need_servers "${1:-}"
  printf "%s='%s'\n" \
    POSTGRES_HOST 127.0.0.1 POSTGRES_PORT "$POSTGRES_PORT" \
    POSTGRES_PASSWORD "$(secret postgres)" \
    POSTGRES_SUPERUSER "$(postgres_string postgres "$(secret postgres)" postgres)" \
    POSTGRES_BIN "$(postgres_bin)" \
    RABBITMQ_HOST 127.0.0.1 RABBITMQ_PORT "$BROKER_PORT" RABBITMQ_VHOST referral RABBITMQ_MANAGEMENT_URI "$(management_uri)"
  if is_tests_kind; then
    printf "%s='%s'\n" ROLE_PASSWORD "$(secret roles)" RABBITMQ_TEST_URI "$(broker_uri test)"
  fi
  for service in "${service_names[@]}"; do
    upper=${service^^}
    printf "%s='%s'\n" "${upper}_RABBITMQ_URI" "$(broker_uri "$service")"
    is_tests_kind && continue
    printf "%s='%s'\n" \
      "${upper}_OWNER" "$(postgres_string "${service}_owner" "$(role_secret "${service}_owner")" "$service")" \
      "${upper}_APP" "$(postgres_string "${service}_app" "$(role_secret "${service}_app")" "$service")"
  done
}

servers_main() {
  local verb=${1:-} pid
  case $verb in
  '' | -h | --help | help)
    print_help "${BASH_SOURCE[0]}"
    [[ -n $verb ]] || exit 1
    return
    ;;
  esac
  shift
  case $verb in
  install) servers_install "$@" ;;
  start) servers_start "$@" ;;
  stop) servers_stop "$@" ;;
  status)
    status_row PART ADDRESS PID STATE
    servers_status "$@"
    ;;
  env) servers_env "$@" ;;
  postgres-start)
    need_servers "$@"
    start_postgres
    ;;
  postgres-stop)
    need_servers "$@"
    stop_postgres "${2:-fast}"
    ;;
  postgres-restart)
    need_servers "$@"
    stop_postgres "${2:-fast}"
    start_postgres
    ;;
  broker-stop)
    need_servers "$@"
    run_rabbitmqctl stop_app
    : >"$servers_folder/run/broker-stopped"
    ;;
  broker-start)
    need_servers "$@"
    launch_broker
    await_broker
    ;;
  broker-kill)
    need_servers "$@"
    if pid=$(broker_pid); then
      kill -KILL "$pid"
      wait_gone "$pid" 10 || die "RabbitMQ (process $pid) does not end."
    fi
    ;;
  broker-restart)
    need_servers "$@"
    signal_broker
    finish_broker keep
    launch_broker
    await_broker
    ;;
  rabbitmqctl)
    need_servers "${1:-}"
    shift
    run_rabbitmqctl "$@"
    ;;
  *) die "servers.sh does not know '$verb': see servers.sh --help." ;;
  esac
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then servers_main "$@"; fi
