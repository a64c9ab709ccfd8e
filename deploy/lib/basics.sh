# shellcheck shell=bash
# What every command here needs: speaking, the state folder, users, ports and processes.

root_folder=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
# Used by the scripts that read this file.
# shellcheck disable=SC2034
service_names=(referral scheduling notification)

say() { printf '%s\n' "$*"; }

die() {
  printf '%s\n' "$*" >&2
  exit 1
}

is_root() { ((EUID == 0)); }

# The folder that keeps everything one checkout needs between two runs.
state_folder() {
  local name
  if [[ -n ${REFERRAL_STATE:-} ]]; then
    realpath -m -- "$REFERRAL_STATE"
    return
  fi
  name=$(printf '%s' "$root_folder" | sha256sum)
  name=$(basename -- "$root_folder")-${name:0:8}
  if is_root; then
    printf '/var/lib/referral/%s\n' "$name"
  else
    printf '%s/referral/%s\n' "${XDG_STATE_HOME:-$HOME/.local/state}" "$name"
  fi
}

# Refuses a state folder that would endanger the checkout or somebody's files.
check_state_folder() {
  local state=$1
  case $state/ in
  "$root_folder"/*) die "The state folder $state lies inside the checkout: set REFERRAL_STATE to a folder outside of it." ;;
  esac
  if [[ -d $state && ! -e $state/.referral-state && -n $(ls -A -- "$state") ]]; then
    die "The folder $state is not empty and was not made by deploy/run: set REFERRAL_STATE to another one."
  fi
}

make_state_folder() {
  local state=$1
  check_state_folder "$state"
  if ! mkdir -p -- "$state"; then
    die "The state folder $state cannot be created: set REFERRAL_STATE to a folder you may write to."
  fi
  chmod 755 "$state"
  : >>"$state/.referral-state"
  mkdir -p -- "$state/log" "$state/run"
  chmod 700 "$state/log"
}

# One command at a time works on a state folder; daemons are started without this descriptor.
lock_state() {
  [[ -w $1/.referral-state ]] || die "You may not write to $1: use the account that ran deploy/run."
  exec 9>>"$1/.referral-state"
  flock -n 9 || die "Another deploy command is working on $1 at this moment: wait until it has ended."
}

# Sets run_as to the words that make a command run as USER when we are root, and to none when we are not.
# setpriv leaves no parent or shell in between: the pid of "${run_as[@]}" COMMAND & is the command's own.
run_as_user() {
  run_as=()
  if is_root; then run_as=(setpriv --reuid="$1" --regid="$(id -g -- "$1")" --init-groups --no-new-privs --); fi
}

as_user() {
  local -a run_as
  run_as_user "$1"
  shift
  "${run_as[@]}" "$@"
}

own_to() {
  local user=$1
  shift
  if is_root; then chown "$user:$(id -g -- "$user")" -- "$@"; fi
}

random_hex() { openssl rand -hex "$1"; }

# A mark in the environment of each process we start: a pid from a file is believed only when the process carries it.
process_has_mark() {
  [[ $1 =~ ^[0-9]+$ ]] && grep -qzsxF -- "REFERRAL_PART=$2" "/proc/$1/environ"
}

# Prints the pids of all living processes that carry one of the marks.
pids_with_marks() {
  local mark file
  local -a words=()
  for mark in "$@"; do words+=(-e "REFERRAL_PART=$mark"); done
  { grep -lzsxF "${words[@]}" /proc/[0-9]*/environ || true; } | while IFS= read -r file; do
    file=${file#/proc/}
    if process_lives "${file%%/*}"; then printf '%s\n' "${file%%/*}"; fi
  done
}

# Prints the pid of a file when that process lives and carries the mark.
marked_pid() {
  local file=$1 mark=$2 pid=
  [[ -r $file ]] || return 1
  read -r pid <"$file" || true
  process_has_mark "$pid" "$mark" || return 1
  process_lives "$pid" || return 1
  printf '%s\n' "$pid"
}

# A zombie is dead: it only waits for its parent.
process_lives() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  stat=${stat##*) }
  [[ ${stat:0:1} != Z ]]
}

# Waits until the process is gone; fails after SECONDS.
wait_gone() {
  local pid=$1 tenths=$(($2 * 10))
  while process_lives "$pid"; do
    ((tenths-- > 0)) || return 1
    sleep 0.1
  done
}

port_is_taken() {
  local hex
  printf -v hex '%04X' "$1"
  grep -qsE "^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:[0-9A-F]{4} 0A " /proc/net/tcp /proc/net/tcp6
}

# Names the process that listens on a port, as far as we may see it.
port_holder() {
  local hex inodes inode link pid
  printf -v hex '%04X' "$1"
  inodes=$(grep -shE "^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:[0-9A-F]{4} 0A " /proc/net/tcp /proc/net/tcp6 |
    tr -s ' ' | sed 's/^ //' | cut -d' ' -f10)
  for inode in $inodes; do
    for link in /proc/[0-9]*/fd/*; do
      if [[ $(readlink -- "$link" 2>/dev/null) == "socket:[$inode]" ]]; then
        pid=${link#/proc/}
        pid=${pid%%/*}
        printf 'process %s (%s)\n' "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null || true)"
        return
      fi
    done
  done
  printf 'another process\n'
}

# Below the range from which the kernel takes outgoing ports, so that no connection sits on it by chance.
free_port() {
  local port tries
  for ((tries = 0; tries < 200; tries++)); do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    if ! port_is_taken "$port"; then
      printf '%s\n' "$port"
      return
    fi
  done
  die "No free port was found between 20000 and 32000."
}

# The last lines of a log, indented, for a failure that is about to be named; with OFFSET only what was written after it.
show_log() {
  local file=$1 lines=${2:-20} offset=${3:-0}
  [[ -s $file ]] || return 0
  printf 'The last lines of %s:\n' "$file" >&2
  tail -c "+$((offset + 1))" -- "$file" | tail -n "$lines" | sed 's/^/  | /' >&2
}

# A log that has grown large is set aside once, at a start.
turn_log() {
  local file=$1
  if [[ -e $file ]] && (($(stat -c %s -- "$file") > 10485760)); then mv -f -- "$file" "$file.1"; fi
}

# Prints the comment block that stands at the top of a command: its help.
print_help() {
  local line
  while IFS= read -r line; do
    case $line in
    '#!'*) continue ;;
    '# shellcheck'*) continue ;;
    '#'*) line=${line#'#'} && printf '%s\n' "${line# }" ;;
    *) break ;;
    esac
  done <"$1"
}
