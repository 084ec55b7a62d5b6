import { randomBytes } from 'node:crypto';
import { shellWord } from '../../processes/shell-word.js';

/**
 * What tells a script's words from all others on a channel: a login shell's start files, a forced command and what
 * these leave running may print whatever they like, before and after. It stands in no command line in one piece, so that a
 * shell that prints the commands which it is given does not say it.
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
 * The first line of every script's input. A shell or a program that was started in the place of ours, and reads its
 * commands there, ends by it instead of running what comes after it.
 */
export const guard = 'exit';

/**
 * Any byte that means something within single quotes to sh, csh, fish or zsh, or that may not get through in one piece,
 * as `printf %b` reads it.
 */
const encoded = (text: string): string =>
  [...Buffer.from(text)]
    .map((byte) => {
      const plain = byte >= 0x20 && byte < 0x7f && !"'!\\".includes(String.fromCharCode(byte));
      return plain ? String.fromCharCode(byte) : `\\0${byte.toString(8).padStart(3, '0')}`;
    })
    .join('');

/**
 * The words by which any login shell runs a script of a POSIX shell's, with its arguments. On standard output it first
 * says `MARK PID START` (see `processShell`), and last `MARK CODE`, or `MARK eaten` if the guard was not there for it to
 * read, and so nothing was run; on standard error `MARK` before and after.
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
