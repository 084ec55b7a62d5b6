# Read by `up`, `down` and what they run: where things are, and how a process is started and waited for.
# shellcheck shell=bash
# Debian's own python3 has to be found before any other: the packages are made for it.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
STATE=$(realpath -m "${STATE:-/tmp/penstock-openstack}")
OPENSTACK_CACHE=$(realpath -m "${OPENSTACK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/penstock-openstack}")
export STATE OPENSTACK_CACHE
export VIRT=${VIRT:-fake qemu}
# Of everyone: nobody outside the namespace can reach anything here.
export PASSWORD=secret
# Ports are fixed: every installation has the whole of 127.0.0.1 to itself.
export KEYSTONE=http://127.0.0.1:5000 SHORT_KEYSTONE=http://127.0.0.1:5001
# How long the tokens of the second Keystone are good.
export SHORT_SECONDS=10
CONFIG=$STATE/etc

# Which computes there are to be.
has() { [[ " $VIRT " == *" $1 "* ]]; }

now() { date +%s%3N; }
# Says how long the step before took, and begins the next.
step() {
  local at; at=$(now)
  [ -z "${STEP:-}" ] || printf '%-12s %6d ms\n' "$STEP" $((at - STEP_AT)) | tee -a "$STATE/log/times" >&2
  STEP=${1:-} STEP_AT=$at
}

# The kernel's start time of a process, nothing of one that is gone: with its pid it names one process for good.
start_time() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -r -a stat <<<"${stat##*) }"
  [ "${stat[0]}" != Z ] && echo "${stat[19]}"
}
is_running() { # NAME: whether the process that run/NAME.pid tells of runs
  local pid started
  [ -e "$STATE/run/$1.pid" ] && read -r pid started <"$STATE/run/$1.pid" && [ "$(start_time "$pid")" = "$started" ]
}

STARTED=()
start() { # NAME COMMAND...: in a session of its own, what it says in log/NAME.out
  local name=$1; shift
  setsid "$@" </dev/null >>"$STATE/log/$name.out" 2>&1 9>&- &
  echo "$! $(start_time $!)" >"$STATE/run/$name.pid"
  STARTED+=("$name")
}
wait_for() { # SECONDS COMMAND...: until the command succeeds; not longer than what was started lives
  local seconds=$1 name; shift
  local deadline=$((SECONDS + seconds))
  until "$@"; do
    for name in "${STARTED[@]}"; do
      is_running "$name" && continue
      { echo "openstack: $name has ended; the last of $STATE/log/$name.out:"; tail -n 20 "$STATE/log/$name.out"; } >&2
      exit 1
    done
    if ((SECONDS > deadline)); then echo "openstack: waited $seconds s in vain for: $*" >&2; exit 1; fi
    sleep 0.2
  done
}

http_answers() { local code; code=$(curl -s -o /dev/null -m 5 -w '%{http_code}' "$1") && ((code < 500)); }
port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
