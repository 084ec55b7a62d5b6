import { processShell } from './shell-process.js';
import { shellWord } from './shell-word.js';

/**
 * A program of ours that runs beside a job's program: in the runner's session, so that it outlives us and is ended
 * with the job, but outside of the program's limits. It is started before the program and awaited after it.
 */
export interface Companion {
  /** What sentences call it, if that is not the program's name. */
  name?: string;
  /** The program, looked up on the runner's own PATH, and its arguments. */
  argv: readonly string[];
  /** Absolute paths; /dev/null where there is none. */
  stdin?: string;
  stdout?: string;
  stderr?: string;
  /**
   * It is waited for before the program starts, and told of the program's end. It works in the job's folder, writes a
   * line to its standard output when it is ready, and reads the named pipe `told`: its first line is the exit status
   * that a shell sees. Its `stdout` is not used then.
   */
  attends?: boolean;
}

/** The named pipes of a companion that attends, in the job's folder. */
export const companionPipes = ['ready', 'told'] as const;

/** Codes by which a companion may end: well, or because whoever reads what it passes on has gone (SIGPIPE). */
const goodEnds = '0|141';

/**
 * Wraps what becomes the program, so that companions run beside it. With these the shell stays between the runner
 * and the program. Signals to the whole session reach the program alone: companions pass on what it still writes
 * while it ends, and leave when it has ended. SIGKILL takes all.
 *
 * @param program lines of a shell that end in an `exec` of the program
 * @param marks variables that tell the job's processes from others
 */
export function accompanied(
  companions: readonly Companion[],
  program: string,
  marks: Readonly<Record<string, string>>,
): string {
  const lines: string[] = ['set +C', processShell];
  const problem = (text: string) => `echo ${shellWord(`platform: ${text}`)}`;
  const variables = Object.entries(marks).map(([name, value]) => `${name}=${shellWord(value)}`);
  const attended = companions.filter(({ attends }) => attends === true);
  if (attended.length > 1) throw new Error('only one companion can be told of the end');
  if (attended.length > 0) {
    lines.push(
      `mkfifo -m 600 ${companionPipes.join(' ')} || { ${problem('no named pipe can be made')} >&2; exit 125; }`,
    );
    // Held open from now on: what is written to it waits for the companion, and nobody waits for a reader.
    lines.push('exec 9<>told');
  }
  // Only now, and not ignored, which the program would inherit: a handler is forgotten by what a shell starts.
  lines.push('trap : HUP INT QUIT TERM PIPE');
  companions.forEach((companion, index) => {
    const { argv, stdin = '/dev/null', stdout = '/dev/null', stderr = '/dev/null' } = companion;
    const name = nameOf(companion);
    const into = companion.attends === true ? 'ready' : stdout;
    lines.push(
      '(',
      // The shell between notes how the companion ended; what the shell itself says of that is not for the status.
      `trap '' HUP INT QUIT TERM`,
      '(',
      `command exec >${shellWord(into)} <${shellWord(stdin)} 2>${shellWord(stderr)} || exit 125`,
      `exec /usr/bin/env ${[...variables, ...argv.map(shellWord)].join(' ')}`,
      ')',
      'code=$?',
      `case $code in ${goodEnds}) ;; *) echo "platform: ${name} ended with $code before its time" >&3 ;; esac`,
      // Without it the program might wait for ever for bytes, or for a reader.
      ...(companion.attends === true ? ['[ $code = 0 ] || signal_own_group TERM'] : []),
      ') 3>&2 2>/dev/null 9>&- &',
      `companion${index}=$!`,
    );
  });
  lines.push(
    // A signal ends a wait early, with a code of more than 128.
    'leave() {',
    `  for companion in ${companions.map((_, index) => `$companion${index}`).join(' ')}; do`,
    '    while :; do',
    '      wait "$companion" 2>/dev/null',
    '      [ $? -gt 128 ] && { relations "$companion"; [ -n "$parent" ]; } || break',
    '    done',
    '  done',
    '  exit "$1"',
    '}',
  );
  if (attended.length > 0) {
    const text = `${nameOf(attended[0])} cannot be started beside the program`;
    lines.push(`read -r line <ready || { ${problem(text)} >&2; leave 125; }`);
  }
  lines.push('(', 'exec 9>&-', program.trimEnd(), ')', 'code=$?');
  if (attended.length > 0) lines.push('echo "$code" >&9');
  lines.push('leave "$code"');
  return `${lines.join('\n')}\n`;
}

/** Its name for a sentence within double quotes of a shell. */
const nameOf = (companion: Companion | undefined): string =>
  (companion?.name ?? companion?.argv[0]?.split('/').at(-1) ?? '').replace(/[^\w. -]/g, '');
