import { randomBytes } from 'node:crypto';
import { shellWord } from '../../processes/shell-word.js';

/**
 * Marks a script's output on a channel: a login shell's start files, a forced command and their leftover processes may
 * print anything before and after it. It appears in no command line in one piece, so that a shell that echoes its
 * commands does not print it.
 */
interface Mark {
  text: string;
  halves: readonly [string, string];
}

export function newMark(): Mark {
  const halves = [randomBytes(8).toString('hex'), randomBytes(8).toString('hex')] as const;
  return { text: halves.join(''), halves };
}

/**
 * The first line of every script's input. A shell that was started in place of ours and reads commands from there exits
 * on it instead of running what follows.
 */
export const guard = 'exit';

/**
 * Encodes for `printf %b` every byte that is special within single quotes in sh, csh, fish or zsh, or that may not get
 * through unchanged.
 */
const encoded = (text: string): string =>
  [...Buffer.from(text)]
    .map((byte) => {
      const plain = byte >= 0x20 && byte < 0x7f && !"'!\\".includes(String.fromCharCode(byte));
      return plain ? String.fromCharCode(byte) : `\\0${byte.toString(8).padStart(3, '0')}`;
    })
    .join('');

/**
 * The command line by which any login shell runs a script in a POSIX shell, with its arguments. On standard output it
 * first prints `MARK PID START` (see `processShell`), and last `MARK CODE`, or `MARK eaten` if it could not read the
 * guard, and so ran nothing; on standard error `MARK` before and after.
 */
export function scriptWords(script: string, args: readonly string[], { halves }: Mark): string {
  const whole = `mark=${halves[0]}
mark=\${mark}${halves[1]}
start=0
if { read -r line </proc/$$/stat; } 2>/dev/null; then
  set -- \${line##*) }
  shift 19
  start=$1
fi
echo "$mark $$ $start"
echo "$mark" >&2
IFS= read -r line
if [ "$line" != ${guard} ]; then echo "$mark eaten"; echo "$mark" >&2; exit 1; fi
set -- ${args.map(shellWord).join(' ')}
(
${script}
)
code=$?
echo "$mark $code"
echo "$mark" >&2
exit "$code"
`;
  return `exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '${encoded(whole)}'`;
}
