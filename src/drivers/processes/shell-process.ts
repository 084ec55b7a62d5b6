/**
 * POSIX shell functions for scripts that inspect or signal processes. Every signal of our scripts goes through these: 0
 * and −1 name whole groups of processes, 1 is init, and a pid from a file, or from another program's output, may belong
 * to a stranger by now.
 *
 * - `identity PID` sets `started` (clock ticks since boot) and `boot`; zero and `-` where there is no /proc, `ended` for
 *   a process that is over
 * - `lives PID START` is true while that very process runs
 * - `signal NAME PID START` signals it if it lives
 * - `signal_group NAME PID START` signals it with its process group if it leads one, or else itself alone
 * - `signal_child NAME PID PARENT` signals it if that is its parent, and no other process
 * - `signal_own_group NAME` signals this shell's own process group, if the shell leads it
 *
 * START is 0 for processes found by `ps`, without /proc: then that listing is the only proof.
 */
export const processShell = `
identity() {
  started=0 boot=-
  { read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
  if { read -r line </proc/"$1"/stat; } 2>/dev/null; then
    set -- "$1" \${line##*) }
    # A zombie does not count as alive.
    case $2 in Z | X) started=ended; return ;; esac
    shift 20
    started=$1
  elif [ -e /proc/self/stat ]; then started=ended
  fi
}
lives() {
  case $1 in '' | *[!0-9]* | 0* | 1) return 1 ;; esac
  identity "$1"
  [ "$started" != ended ] || return 1
  [ "$started" = "$2" ] || [ "$2" = 0 ] || return 1
  [ "$started" != 0 ] || kill -s 0 "$1" 2>/dev/null
}
signal() {
  [ "$2" != "$$" ] && lives "$2" "$3" && kill -s "$1" "$2" 2>/dev/null
}
# Sets parent and group of a process; empty if it is gone.
relations() {
  parent= group=
  if { read -r line </proc/"$1"/stat; } 2>/dev/null; then
    set -- \${line##*) }
    parent=$2 group=$3
  elif [ ! -e /proc/self/stat ]; then
    read -r parent group <<END
$(ps -o ppid= -o pgid= -p "$1" 2>/dev/null)
END
  fi
}
signal_group() {
  lives "$2" "$3" || return 1
  relations "$2"
  if [ "$group" = "$2" ]; then kill -s "$1" -- "-$2" 2>/dev/null
  else signal "$1" "$2" "$3"
  fi
}
signal_child() {
  case $2 in '' | *[!0-9]* | 0* | 1) return 1 ;; esac
  relations "$2"
  [ "$parent" = "$3" ] && kill -s "$1" "$2" 2>/dev/null
}
signal_own_group() {
  relations "$$"
  [ "$group" = "$$" ] && kill -s "$1" -- "-$$" 2>/dev/null
}
`;
