import { type RunnerStatus, readStatus } from '../../processes/runner.js';
import { processShell } from '../../processes/shell-process.js';

/**
 * Reports the state of many runs at once. Input: a line `PID START FOLDER` for each. Prints for each, in order, a line
 * `run STATE FULL` and the lines of its status, each after `s `; at the end `boot BOOT` and what `ls` prints about
 * their streams. STATE is `alive`, `dead` or `absent`; FULL is `full` if nothing can be written there.
 */
export const pollScript = `
export LC_ALL=C
${processShell}
set --
while read -r pid start folder; do
  state=absent full=-
  if [ -e "$folder/status" ]; then
    state=dead
    if [ "$pid" = 0 ] && [ -e "$folder/runner" ]; then read -r word pid start boot <"$folder/runner"; fi
    if lives "$pid" "$start"; then state=alive; fi
    status=
    while IFS= read -r line || [ -n "$line" ]; do status="$status
s $line"; done <"$folder/status"
    failed=
    case "$status" in
      *'
s exit 0' | *'
s exit 0 bash') ;;
      *'
s exit '*) failed=1 ;;
      *) [ "$state" = alive ] || failed=1 ;;
    esac
    if [ -n "$failed" ]; then
      # The failure may be due to a full disk.
      dd if=/dev/zero of="$folder/room" bs=4096 count=1 2>/dev/null || full=full
      rm -f "$folder/room"
    fi
    set -- "$@" "$folder/stdout" "$folder/stderr"
    echo "run $state $full$status"
  else
    echo "run $state $full"
  fi
done
boot=-
{ read -r boot </proc/sys/kernel/random/boot_id; } 2>/dev/null
echo "boot $boot"
[ "$#" -eq 0 ] || ls -ln -- "$@" 2>/dev/null
:
`;

/** The state of a run, as its machine reports it. */
export interface RunSeen {
  state: 'alive' | 'dead' | 'absent';
  /** True if nothing can be written beside it; only checked for failed runs. */
  full: boolean;
  /** True if its folder was claimed, so that it will never be started. */
  never: boolean;
  status: RunnerStatus;
  /** Bytes of its streams, as far as they exist. */
  stdout: number;
  stderr: number;
}

/** Parses the script's output for runs in these folders; null if it is incomplete. */
export function readPoll(text: string, folders: readonly string[]): { boot: string; runs: RunSeen[] } | null {
  const lines = text.split('\n');
  const boot = lines.findIndex((line) => line.startsWith('boot '));
  if (boot < 0) return null;
  const heads = lines.slice(0, boot).flatMap((line, at) => (line.startsWith('run ') ? [{ line, at }] : []));
  const sizes = new Map<string, number>();
  for (const line of lines.slice(boot + 1)) {
    const match = /^\S+\s+\d+\s+\S+\s+\S+\s+(\d+)\s[^/]* (\/.*)$/.exec(line);
    if (match !== null) sizes.set(match[2] ?? '', Number(match[1]));
  }
  const runs = folders.map((folder, index): RunSeen | null => {
    const match = /^run (alive|dead|absent) (\S+)$/.exec(heads[index]?.line ?? '');
    if (match === null) return null;
    const from = (heads[index]?.at ?? 0) + 1;
    const status = lines.slice(from, heads[index + 1]?.at ?? boot).map((line) => line.slice(2));
    return {
      state: match[1] as RunSeen['state'],
      full: match[2] === 'full',
      never: status[0] === 'never',
      status: readStatus(`${status.join('\n')}\n`),
      stdout: sizes.get(`${folder}/stdout`) ?? 0,
      stderr: sizes.get(`${folder}/stderr`) ?? 0,
    };
  });
  return runs.every((run) => run !== null) ? { boot: (lines[boot] ?? '').slice(5), runs } : null;
}
