import { handedOver } from '../../../domain/daemon-clients.js';
import { folderVariable } from '../../processes/members.js';
import { processShell } from '../../processes/shell-process.js';
import type { Receipt } from '../../processes/terminate.js';

/**
 * Ends every process of a run: SIGTERM, a grace, SIGKILL, until a check finds none. They are found by its folder, in
 * their environment or as their working folder, by the runner's session and by descent; without /proc, by the runner's
 * process group and by descent. A run that has not started never will. May be repeated, even while another copy runs.
 * It goes on if the connection breaks, and gives the same answer when repeated with the same name.
 *
 * $1 the folder, $2 the grace in ms, $3 a name for this cancel, $4 where processes are listed (/proc). Prints `p PID
 * NAME` for each that it found, `k PID SIGNAL` for each signal, and at the end `left PID STATE NAME` for each survivor
 * and `done`.
 */
export const terminateScript = `
export LC_ALL=C
trap '' PIPE HUP TERM INT
folder=$1 grace=$2 receipt=$1/receipt-$3 proc=$4
${processShell}
nl='
'
if [ -d "$folder" ]; then
  [ ! -e "$receipt" ] || cat "$receipt"
  ( set -C; echo never >"$folder/status" ) 2>/dev/null
fi
say() { echo "$*"; [ ! -d "$folder" ] || echo "$*" >>"$receipt"; } 2>/dev/null

runner=0 began=-
[ ! -e "$folder/runner" ] || read -r word runner began boot <"$folder/runner"
runner_lives() { lives "$runner" "$began"; }
over() {
  if [ -e "$folder/status" ]; then
    case "$nl$(cat "$folder/status")" in *"$nl"exit\\ [0-9]*|"$nl"never*) return 0 ;; esac
  fi
  if [ "$runner" = 0 ] && [ -e "$folder/runner" ]; then read -r word runner began boot <"$folder/runner"; fi
  # Claimed, but its runner is not known yet: wait a moment, then there will be none.
  if [ "$runner" = 0 ] && [ -e "$folder/status" ] && [ "$spent" -lt 500 ]; then return 1; fi
  ! runner_lives
}

# Lines of PID PARENT SESSION STATE TERMINAL START NAME, of all processes, after the pids that are marked.
table() {
  if [ -e "$proc/self/stat" ]; then
    grep -l -F -e "${folderVariable}=$folder/" "$proc"/[0-9]*/environ 2>/dev/null | sed 's|.*/\\([0-9]*\\)/environ|env \\1|'
    ls -ld "$proc"/[0-9]*/cwd 2>/dev/null | grep -F -e " -> $real/" | sed 's|.*/\\([0-9]*\\)/cwd ->.*|cwd \\1|'
    cat "$proc"/[0-9]*/stat 2>/dev/null |
      sed -n 's|^\\([0-9]*\\) (\\(.*\\)) \\(.\\) \\([0-9]*\\) [0-9]* \\([0-9]*\\) \\([-0-9]*\\) \\([-0-9]* \\)\\{14\\}\\([0-9]*\\) .*|\\1 \\4 \\5 \\3 \\6 \\8 \\2|p'
  else
    ps -A -o pid= -o ppid= -o pgid= -o stat= -o comm= |
      sed 's|^ *\\([0-9]*\\) *\\([0-9]*\\) *\\([0-9]*\\) *\\(.\\)[^ ]* *|\\1 \\2 \\3 \\4 1 0 |'
  fi
}

# Sets found to the processes of the run, a line each: PID START STATE NAME, without this script and its children.
look() {
  known=
  if runner_lives; then known=$runner; fi
  found=$(table | awk -v runner="$runner" -v known="$known" -v self="$$" '
    $1 == "env" { mine[$2] = 1; next }
    $1 == "cwd" { inside[$2] = 1; next }
    {
      pid = $1
      parent[pid] = $2
      session[pid] = $3
      state[pid] = $4
      start[pid] = $6
      if (inside[pid] && $5 == 0) mine[pid] = 1
      sub(/^[^ ]+ [^ ]+ [^ ]+ [^ ]+ [^ ]+ [^ ]+ /, "")
      name[pid] = $0
    }
    END {
      # A runner that has just gone identifies no process, nor does a session 0 or 1.
      if (known in session && session[known] > 1)
        for (pid in parent) if (session[pid] == session[known] || parent[pid] == known) mine[pid] = 1
      delete mine[0]
      delete mine[1]
      for (grown = 1; grown;) {
        grown = 0
        for (pid in parent)
          if (!mine[pid] && mine[parent[pid]] && parent[pid] != runner) { mine[pid] = 1; grown = 1 }
      }
      for (pid in parent)
        if (mine[pid] && pid != runner && pid != self && parent[pid] != self && state[pid] !~ /[ZX]/)
          print pid, start[pid], state[pid], name[pid]
    }')
}

now=0
clock() {
  if { read -r up idle </proc/uptime; } 2>/dev/null; then
    up=\${up%.*}\${up#*.}
    while case $up in 0?*) ;; *) false ;; esac; do up=\${up#0}; done
    now=$((up * 10))
  else
    now=$(($(date +%s) * 1000))
  fi
}
# Sends a signal to a process if it is still the one that was found, and reports it once.
told=' '
send() {
  signal "$1" "$2" "$3" || return 0
  case $1 in CONT | STOP) return ;; esac
  case "$told" in *" $2:$1 "*) ;; *) told="$told$2:$1 "; say "k $2 SIG$1" ;; esac
}

# The path of the folder as the kernel shows it.
real=$(cd "$folder" 2>/dev/null && pwd -P) || real=/no/such/folder
clock
from=$now spent=0 asked=' '
look
while :; do
  if [ -z "$found" ] && over; then
    look
    [ -n "$found" ] || break
  fi
  [ "$spent" -lt "$((grace + 10000))" ] || break
  signal=TERM
  [ "$spent" -lt "$grace" ] || signal=KILL
  # Kill them together: none may see another one die and react to it.
  if [ "$signal" = KILL ]; then
    while read -r pid start state name; do [ -z "$pid" ] || send STOP "$pid" "$start"; done <<END
$found
END
  fi
  while read -r pid start state name; do
    [ -n "$pid" ] || continue
    case "$told" in *" $pid:seen "*) ;; *) told="$told$pid:seen "; say "p $pid $name" ;; esac
    if [ "$signal" = KILL ]; then send KILL "$pid" "$start"
    else
      # A freshly forked shell may miss a signal: signal the program that it has become as well.
      case "$asked" in *" $pid:$name "*) ;; *) asked="$asked$pid:$name "; send TERM "$pid" "$start" ;; esac
      [ "$state" != T ] || send CONT "$pid" "$start"
    fi
  done <<END
$found
END
  # A program can also stop its runner, which would then never report the end.
  send CONT "$runner" "$began"
  sleep 0.03 2>/dev/null || sleep 1
  clock
  spent=$((now - from))
  look
done
while read -r pid start state name; do [ -z "$pid" ] || echo "left $pid $state $name"; done <<END
$found
END
echo done
`;

/** On another machine nothing keeps the processes of a run together. */
const notFoundThere =
  'On another machine, a process that has left the session, the folder and its parents and has cleared its environment is not found.';

/** Parses the script's output; null if it is incomplete. */
export function readReceipt(text: string): Receipt | null {
  const lines = text.split('\n');
  if (!lines.includes('done')) return null;
  const signalled = new Map<number, Receipt['signalled'][number]>();
  const survivors: Receipt['survivors'] = [];
  for (const line of lines) {
    const [word, pid, third = '', ...rest] = line.split(' ');
    const number = Number(pid);
    const name = [third, ...rest].join(' ');
    if (word === 'p' && !signalled.has(number)) signalled.set(number, { pid: number, name, signals: [] });
    if (word === 'left') survivors.push({ pid: number, state: third, name: rest.join(' ') });
    const entry = signalled.get(number);
    if (word === 'k' && entry !== undefined && !entry.signals.includes(third)) entry.signals.push(third);
  }
  const all = [...signalled.values()];
  return { signalled: all, survivors, unproven: handedOver(all.map(({ name }) => name)) ?? notFoundThere };
}
