import { processShell } from './shell-process.js';
import { shellWord } from './shell-word.js';

/**
 * A program of ours that runs beside a job's program: in the runner's session, so that it survives our restart and is
 * ended with the job, but outside the program's limits. It is started before the program and awaited after it.
 */
export interface Companion {
  /** Its name in messages, if that is not the program's name. */
  name?: string;
  /** The program, looked up on the runner's own PATH, and its arguments. */
  argv: readonly string[];
  /** Absolute paths; by default /dev/null. */
  stdin?: string;
  stdout?: string;
  stderr?: string;
  /**
   * The program starts only when it is ready, and it is told of the program's end. It works in the job's folder, writes
   * a line to its standard output when it is ready, and reads the named pipe `told`, whose first line is the exit
   * status as a shell sees it. Its `stdout` is not used then.
   */
  attends?: boolean;
}

/** The named pipes of a companion that attends, in the job's folder. */
export const companionPipes = ['ready', 'told'] as const;

/** Exit codes of a companion that are not failures: success, or its reader has gone (SIGPIPE). */
const goodEnds = '0|141';

/**
 * Wraps the program so that companions run beside it. With companions the shell stays between the runner and the
 * program. Of signals to the whole session only the program takes notice: companions pass on what it writes while it
 * ends, and leave when it has ended. SIGKILL ends all of them.
 *
 * @param program lines of a shell that end in an `exec` of the program
 * @param marks variables that identify the job's processes
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
      `mkfifo -m 600 ${companionPipes.join(' ')} || { ${problem('no named pipe can be created')} >&2; exit 125; }`,
    );
    // Held open from now on, so that written lines wait for the companion and writing never blocks.
    lines.push('exec 9<>told');
  }
  // Only now, and as a handler: the program would inherit ignored signals, but not a handler.
  lines.push('trap : HUP INT QUIT TERM PIPE');
  companions.forEach((companion, index) => {
    const { argv, stdin = '/dev/null', stdout = '/dev/null', stderr = '/dev/null' } = companion;
    const name = nameOf(companion);
    const into = companion.attends === true ? 'ready' : stdout;
    lines.push(
      '(',
      // The shell in between records how the companion ended; the shell's own messages must not reach the status.
      `trap '' HUP INT QUIT TERM`,
      '(',
      `command exec >${shellWord(into)} <${shellWord(stdin)} 2>${shellWord(stderr)} || exit 125`,
      `exec /usr/bin/env ${[...variables, ...argv.map(shellWord)].join(' ')}`,
      ')',
      'code=$?',
      `case $code in ${goodEnds}) ;; *) echo "platform: ${name} ended with $code before its time" >&3 ;; esac`,
      // Without the companion the program might wait forever for bytes, or for a reader.
      ...(companion.attends === true ? ['[ $code = 0 ] || signal_own_group TERM'] : []),
      ') 3>&2 2>/dev/null 9>&- &',
      `companion${index}=$!`,
    );
  });
  lines.push(
    // A signal ends a `wait` early, with a code above 128.
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

/** Its name in a message within a shell's double quotes. */
const nameOf = (companion: Companion | undefined): string =>
  (companion?.name ?? companion?.argv[0]?.split('/').at(-1) ?? '').replace(/[^\w. -]/g, '');
