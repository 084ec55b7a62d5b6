import { runLaunched } from '../../processes/runner.js';
import { processShell } from '../../processes/shell-process.js';
import { HostError } from '../host.js';

/** A process on another machine: a pid means nothing after a reboot, or without its start time. */
export interface RemoteIdentity {
  pid: number;
  start_time: number;
  boot_id: string;
}

/** A run's folder on a machine: its program works in `work` in there. */
export const remoteFolder = (base: string, instance: string, uuid: string, attempt: string): string =>
  `${base}/penstock-${instance}/${uuid}/${attempt}`;

/**
 * Makes the folder of a run for us alone. The base folder may be shared, like /tmp: somebody who made our
 * installation's folder before us could read and change everything in it, so it must be ours, and not a link.
 */
const ownFolderShell = `
own_folder() {
  installation=\${1%/*/*}
  umask 077
  mkdir -p "$installation" || return
  if [ -L "$installation" ] || { ! [ -O "$installation" ] 2>/dev/null &&
    [ "$(ls -ldn "$installation" | awk '{ print $3 }')" != "$(id -u)" ]; }
  then
    echo "$installation was not made by us, but by somebody else there: remove it, or set another REMOTE_BASE_FOLDER" >&2
    return 2
  fi
  mkdir -p "$1"
}
`;

/** Makes a run's folder, $1, and the other arguments as folders in it, before anything is sent there. */
export const folderScript = `
export LC_ALL=C
${ownFolderShell}
own_folder "$1" && cd "$1" || exit
shift
[ "$#" -eq 0 ] || mkdir -p "$@"
`;

/**
 * Makes a run's folder and starts its command, unless that has been done: only whoever creates the file `status` may
 * start it. The shell that runs it is in its own session and needs no connection. May be repeated at any time.
 *
 * $1 the folder, $2 the bytes of its command, $3 the program, $4 the command's folder. Input: a line with the search
 * path, and the command. Prints `runner PID START BOOT`; `program` if there is no such program; or `short`.
 */
export const launchScript = `
export LC_ALL=C
umask=$(umask)
${ownFolderShell}
own_folder "$1" && cd "$1" && mkdir -p work output outputs || exit 1
IFS= read -r search
if [ ! -e status ]; then
  cat >"command.$$" || { rm -f "command.$$"; exit 1; }
  if [ "$(($(wc -c <"command.$$")))" != "$2" ]; then rm -f "command.$$"; echo short; exit; fi
  found=
  case $3 in
    /*) [ -f "$3" ] && [ -x "$3" ] && found=1 ;;
    */*) [ -f "$4/$3" ] && [ -x "$4/$3" ] && found=1 ;;
    *)
      IFS=:
      set -f
      for folder in $search; do [ -f "$folder/$3" ] && [ -x "$folder/$3" ] && found=1; done
      set +f
      unset IFS ;;
  esac
  if [ -z "$found" ]; then rm -f "command.$$"; echo program; exit; fi
  mv -f "command.$$" command || exit 1
  umask "$umask"
  unset LC_ALL
  own=
  command -v setsid >/dev/null && own=setsid
  set -C
  if command exec 3>status; then
    set +C
    # Not by \`&\`, which makes a shell ignore SIGINT and SIGQUIT forever: as the first part of a pipe whose second
    # part kills the shell that would wait for it. It has the same name as the runners on our own machine.
    runner=$(/bin/sh -c '{ "$@" </dev/null 2>&3 3>&- 4>&-; } | { read -r pid; echo "$pid" >&4; kill -KILL $$; }' sh \
      $own env -i /bin/sh -c '${runLaunched}' penstock-runner 4>&1 2>/dev/null)
    ${processShell}
    identity "$runner"
    # It is already over: nothing may be looked for by its pid.
    [ "$started" != ended ] || runner=0 started=0
    exec 3>&-
    echo "runner $runner $started $boot" >"runner.$$" && mv -f "runner.$$" runner
  elif [ ! -e status ]; then exit 1 # not claimed by another: it cannot be made
  fi
fi
looks=0
while [ ! -e runner ] && [ "$looks" -lt 50 ]; do
  sleep 0.02 2>/dev/null || sleep 1
  looks=$((looks + 1))
done
if [ -e runner ]; then cat runner; else echo 'runner 0 0 -'; fi
`;

/** Claims the folder, so that nothing will ever be started in it; prints the runner if it is too late. */
export const claimScript = `
export LC_ALL=C
${ownFolderShell}
# Nothing of ours is ever started in a folder that is not ours.
own_folder "$1"
case $? in 0) ;; 2) echo never; exit ;; *) exit 1 ;; esac
cd "$1" || exit 1
set -C
if { echo never >status; } 2>/dev/null; then echo never
else
  read -r word <status
  [ "$word" = never ] && { echo never; exit; }
  cat runner 2>/dev/null || echo 'runner 0 0 -'
fi
`;

/** Reads `runner PID START BOOT`; null if it is unknown. */
export function readIdentity(text: string): RemoteIdentity | null {
  const match = /^runner (\d+) (\d+) (\S+)$/m.exec(text);
  if (match === null || match[1] === '0') return null;
  return { pid: Number(match[1]), start_time: Number(match[2]), boot_id: match[3] ?? '-' };
}

/** The failure of a script, in its own words. */
export function scriptFailed(machine: string, stderr: string, full: boolean): HostError {
  const why = stderr.trim().split('\n').at(-1) ?? '';
  return new HostError(
    full ? 'full' : 'missing',
    `On ${machine} a run cannot be started: ${why || 'no reason was given'}.`,
  );
}
