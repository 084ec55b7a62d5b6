/**
 * The shell side of running a job, the same on this machine and on any other: it needs a POSIX shell and
 * nothing else.
 *
 * A *runner* is a shell in a session of its own that takes one job at a time. It reads the job's folder from its
 * standard input, runs the folder's `command` as a child, and writes how that ended to the folder's `status`.
 * The runner does not need us: when our end of the pipe is gone it finishes its job, writes the status, and
 * leaves. So neither our end nor our restart loses or repeats a run.
 *
 * Files of a job's folder:
 *   command  what to run, written by us: shell words, each quoted, no expansion of any kind
 *   status   made by whoever starts the job (O_EXCL: at most one can); its last line is `exit N`
 */
export const runnerScript = `
trap : HUP INT QUIT TERM PIPE
set -C
while read -r folder; do
  if cd "$folder" && command exec 2>status; then
    ( . ./command )
    echo "exit $?" >&2
    exec 2>/dev/null
  fi
  cd /
  echo "$folder"
done
`;

/** A word for a POSIX shell that means exactly `text`. NUL cannot be said in a shell, nor in an argv. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** What a runner is to do for one job. Paths are absolute. */
export interface Launch {
  exec: string;
  argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  cwd: string;
  stdin: string | null;
  stdout: string;
  stderr: string;
  limits: {
    /** The largest file that the program may write, in bytes. */
    fileSize?: number | undefined;
    /** Seconds of processor time. */
    cpuTime?: number | undefined;
    /** Bytes of address space; where a cgroup limits memory this is not used. */
    addressSpace?: number | undefined;
  };
  /** Files of control groups into which the program is put: `cgroup.procs` of each. */
  groups: readonly string[];
}

/** The text of a job's `command` file. */
export function commandScript(launch: Launch): string {
  const lines: string[] = [];
  const must = (command: string, problem: string) =>
    lines.push(`${command} || { echo ${shellWord(`platform: ${problem}`)} >&2; exit 125; }`);
  for (const file of launch.groups) {
    must(`echo 0 >|${shellWord(file)}`, `the control group ${file} does not take the program`);
  }
  must(`cd ${shellWord(launch.cwd)}`, `the working folder ${launch.cwd} cannot be entered`);
  const { fileSize, cpuTime, addressSpace } = launch.limits;
  if (fileSize !== undefined)
    must(`ulimit -f ${Math.ceil(fileSize / 512)}`, 'the file size cannot be limited');
  if (cpuTime !== undefined) must(`ulimit -t ${Math.ceil(cpuTime)}`, 'the processor time cannot be limited');
  if (addressSpace !== undefined) {
    must(`ulimit -v ${Math.ceil(addressSpace / 1024)}`, 'the memory cannot be limited');
  }
  // The runner refuses to overwrite (set -C); the program must be free to, should it be a shell itself.
  lines.push('set +C');
  for (const [name, value] of Object.entries(launch.environment)) {
    lines.push(`export ${name}=${shellWord(value)}`);
  }
  const words = [launch.exec, ...launch.argv].map(shellWord).join(' ');
  lines.push(
    `exec ${words} <${shellWord(launch.stdin ?? '/dev/null')} >${shellWord(launch.stdout)} 2>${shellWord(launch.stderr)}`,
  );
  return `${lines.join('\n')}\n`;
}

/** How a run ended, as its `status` file tells it. */
export type RunnerStatus =
  | { ended: false }
  | { ended: true; code: number; signal: number | null; problem: string | null };

/**
 * Reads a `status` file. A shell reports a death by signal n as 128 + n, as if the program had exited so; but it
 * also says in words that it was a signal ("Killed"), except for the few signals that end programs every day.
 */
export function readStatus(text: string): RunnerStatus {
  const match = /^exit (\d+)\n$/m.exec(text);
  if (match === null || !text.endsWith('\n')) return { ended: false };
  const code = Number(match[1]);
  const words = text.slice(0, match.index);
  const problem = /^platform: (.*)$/m.exec(words)?.[1] ?? null;
  const quiet = [2, 13, 15];
  const number = code - 128;
  const bySignal = number > 0 && number <= 64 && (words.trim() !== '' || quiet.includes(number));
  return { ended: true, code, signal: bySignal ? number : null, problem };
}
