import { accompanied, type Companion } from './companions.js';
import { processShell } from './shell-process.js';
import { shellWord } from './shell-word.js';

export type { Companion };

/**
 * The shell side of running a job, the same on this machine and on any other: it needs a POSIX shell and nothing else.
 *
 * A *runner* is a shell in a session of its own that takes one job at a time. It reads the job's folder from its
 * standard input, runs the folder's `command` as a child, and writes how it ended to the folder's `status`. The runner
 * does not need us: when our end of the pipe is gone it finishes its job, writes the status, and leaves. So neither our
 * end nor our restart loses or repeats a run.
 *
 * On its standard output it prints the folder of a job that has ended, or `refused` if it could not start it.
 *
 * Files of a job's folder:
 *   command  what to run, written by us: shell words, each quoted, no expansion of any kind
 *   status   made by whoever starts the job (O_EXCL: at most one can). `program` stands in it once the shell is
 *            about to become the program; at the end `exit N`, with the shell's name if that is bash
 *
 * $1, unless it is empty, is the `cgroup.procs` of a control group to live in, with all that it starts. $2 is the umask
 * for what it starts. With $3 it adopts whatever its programs leave behind (see `reaper.ts`), and ends that before it
 * leaves: SIGTERM, a second, SIGKILL. It signals only its own children, whose pids nobody else can have; grandchildren
 * become its children when their parents are gone. Each `sleep` also lets the shell reap ended children.
 */
export const runnerScript = `${processShell}
trap : HUP INT QUIT TERM PIPE
[ -z "$2" ] || umask "$2"
[ -z "$1" ] || { echo 0 >"$1"; } 2>/dev/null
set -C
while read -r folder; do
  if cd "$folder" && command exec 2>status; then
    ( . ./command )
    echo "exit $?\${BASH_VERSION:+ bash}" >&2
    exec 2>/dev/null
    cd /
    echo "$folder"
  else
    cd /
    echo refused
  fi
done
[ -n "$3" ] || exit
looks=0 signal=TERM
while :; do
  left=
  { read -r left </proc/$$/task/$$/children; } 2>/dev/null
  [ -n "$left" ] || exit
  for child in $left; do signal_child "$signal" "$child" $$; done
  sleep 0.1 2>/dev/null || sleep 1
  looks=$((looks + 1))
  [ "$looks" -lt 10 ] || signal=KILL
done
`;

/**
 * The script of a shell that runs the one command of its folder: its standard error is the status file, and it prints
 * its pid on standard output.
 */
export const runLaunched = `
trap : HUP INT QUIT TERM PIPE
echo $$
exec >/dev/null
( . ./command )
echo "exit $?\${BASH_VERSION:+ bash}" >&2
`;

/** What a runner must do for one job. Paths are absolute. */
interface Launch {
  /** A prefix that makes the program run as another user. */
  prefix?: readonly string[];
  exec: string;
  argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  cwd: string;
  stdin: string | null;
  stdout: string;
  stderr: string;
  /** Both are opened for appending, so that they can be cut while the program runs. */
  append?: boolean;
  limits: {
    /** The largest file that the program may write, in bytes. */
    fileSize?: number | undefined;
    /** Seconds of processor time. */
    cpuTime?: number | undefined;
    /** Bytes of address space; unused if a cgroup limits memory. */
    addressSpace?: number | undefined;
  };
  /** The `cgroup.procs` files of the program's control groups. */
  groups: readonly string[];
  /** Our own programs that run beside it, and the variables that mark them as the job's. */
  companions?: readonly Companion[];
  marks?: Readonly<Record<string, string>>;
}

/** Variables that some shell refuses to set, or sets itself: only `env` can pass these to a program. */
const shellsOwn = new Set(
  `_ BASHOPTS BASHPID BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_LINENO BASH_SOURCE BASH_VERSINFO COMP_WORDBREAKS DIRSTACK
  EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD LINENO OPTIND PPID RANDOM SECONDS SHELLOPTS SRANDOM
  UID`.split(/\s+/),
);

/** The text of a job's `command` file. */
export function commandScript(launch: Launch): string {
  const lines: string[] = [];
  const must = (command: string, problem: string) =>
    lines.push(`${command} || { echo ${shellWord(`platform: ${problem}`)} >&2; exit 125; }`);
  for (const file of launch.groups) {
    must(`echo 0 >|${shellWord(file)}`, `the program cannot be put into the control group ${file}`);
  }
  must(`cd ${shellWord(launch.cwd)}`, `the working folder ${launch.cwd} cannot be entered`);
  const { fileSize, cpuTime, addressSpace } = launch.limits;
  if (fileSize !== undefined)
    must(`ulimit -f ${Math.ceil(fileSize / 512)}`, 'the file size cannot be limited');
  if (cpuTime !== undefined) must(`ulimit -t ${Math.ceil(cpuTime)}`, 'the processor time cannot be limited');
  if (addressSpace !== undefined) {
    must(`ulimit -v ${Math.ceil(addressSpace / 1024)}`, 'the memory cannot be limited');
  }
  // The runner refuses to overwrite files (set -C); the program must not inherit that if it is a shell itself.
  lines.push('set +C');
  // Without `command` a shell that cannot redirect would exit with a code that looks like the program's.
  const stdin = launch.stdin ?? '/dev/null';
  must(`command exec <${shellWord(stdin)}`, `the input ${stdin} cannot be opened`);
  const into = launch.append === true ? '>>' : '>';
  must(`command exec ${into}${shellWord(launch.stdout)}`, `${launch.stdout} cannot be written`);
  lines.push('unset PWD OLDPWD SHLVL');
  const words = [...(launch.prefix ?? []), launch.exec, ...launch.argv].map(shellWord);
  const special: string[] = [];
  for (const [name, value] of Object.entries(launch.environment)) {
    if (shellsOwn.has(name)) special.push(`${name}=${shellWord(value)}`);
    else lines.push(`export ${name}=${shellWord(value)}`);
  }
  if (special.length > 0) words.unshift('/usr/bin/env', ...special);
  lines.push('echo program >&2', `exec ${words.join(' ')} 2${into}${shellWord(launch.stderr)}`);
  const script = `${lines.join('\n')}\n`;
  const { companions = [] } = launch;
  return companions.length === 0 ? script : accompanied(companions, script, launch.marks ?? {});
}

/** How a run ended, from its `status` file. */
export type RunnerStatus =
  | { ended: false }
  | {
      ended: true;
      /** Whether the shell got as far as executing the program. */
      began: boolean;
      code: number;
      /** The signal that ended the program, if the shell reports it. */
      signal: number | null;
      /** A signal that may have ended the program, unless it exited with that code: the shell does not tell. */
      perhaps: number | null;
      problem: string | null;
    };

/** Signals whose deaths shells do not report. Bash with `-c` reports none. */
const quiet = new Set([2, 13]);

/**
 * Reads a `status` file. A shell reports a death by signal n as 128 + n, as if the program had exited with that code;
 * after a death it usually also prints words ("Killed"), except for a few everyday signals. In those cases the status
 * keeps the doubt.
 */
export function readStatus(text: string): RunnerStatus {
  // After it only a companion may write, if the shell between them died: nothing about the program.
  const match = /^exit (\d+)( bash)?\n/m.exec(text);
  if (match === null) return { ended: false };
  const code = Number(match[1]);
  const before = text.slice(0, match.index);
  const problem = /^platform: (.*)$/m.exec(before)?.[1] ?? null;
  // Lines before `program` are errors of the shell that prepared it, and tell nothing about its end.
  const start = before.lastIndexOf('program\n');
  const words = start < 0 ? before : before.slice(start + 'program\n'.length);
  const number = code - 128;
  const possible = number > 0 && number <= 64;
  const told = possible && words.trim() !== '';
  const silent = match[2] !== undefined || quiet.has(number);
  return {
    ended: true,
    began: start >= 0,
    code,
    signal: told ? number : null,
    perhaps: possible && !told && silent ? number : null,
    problem,
  };
}
