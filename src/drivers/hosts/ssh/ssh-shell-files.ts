import { type FileHandle, open } from 'node:fs/promises';
import { HostError, type ScriptOptions, type Transfer } from '../host.js';
import { problemIn } from './complaints.js';
import type { RawSaid } from './ssh-run.js';

/** What these transfers need of a connection. */
interface ShellLink {
  name: string;
  raw(script: string, options?: ScriptOptions): Promise<RawSaid>;
}

type TransferOf = { [Key in keyof Transfer]: Transfer[Key] | undefined };

/** Bytes moved by one command: other commands, such as a cancel, get their turn in between. */
const piece = 4 * 2 ** 20;

/** Appends its input to a file. $1 the file, $2 its size, empty to create it. Prints its new size. */
const appendScript = `
export LC_ALL=C
if [ "$2" = 0 ]; then
  mkdir -p "\${1%/*}/" || exit 1
  (umask 077; set -C; : >"$1") || exit 1
fi
[ "$(($(wc -c <"$1")))" = "$2" ] || { echo "it was changed by somebody else" >&2; exit 1; }
cat >>"$1" || exit 1
echo "$(($(wc -c <"$1")))"
`;

/**
 * Prints a line with the size of a file, then its bytes from an offset. $1 the file, $2 the first byte, $3 how many at
 * most.
 */
const tailScript = `
export LC_ALL=C
if [ ! -f "$1" ]; then
  ls -d "$1" >/dev/null && echo "$1: not a regular file" >&2
  exit 1
fi
read -r mode links owner group size rest <<END
$(ls -ldnL "$1")
END
: <"$1" || exit 1
echo "$size"
tail -c "+$(($2 + 1))" <"$1" | head -c "$3"
`;

/** Sends a file's bytes from `start` on and appends them there, using nothing but a shell. */
export async function appendByShell(
  link: ShellLink,
  from: string,
  to: string,
  { signal, progress, start, size }: TransferOf & { start: number; size: number },
): Promise<void> {
  const file = await open(from, 'r');
  try {
    for (let done = start; done < size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(piece, size - done));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, done);
      const input = buffer.subarray(0, bytesRead);
      const said = await link.raw(appendScript, {
        args: [to, String(done)],
        input,
        ...(signal && { signal }),
      });
      if (said.code !== 0) throw await failed(link, to, said.stderr);
      if (Number(said.stdout.toString()) !== done + bytesRead || bytesRead === 0) {
        throw new HostError('unreachable', `Not all of ${from} arrived on ${link.name}.`);
      }
      done += bytesRead;
      progress?.(done, size);
    }
  } finally {
    await file.close();
  }
}

async function failed(link: ShellLink, to: string, stderr: string): Promise<HostError> {
  const problem = problemIn(stderr);
  // An unfinished file must not take up disk space.
  if (problem === 'full') await link.raw('rm -f "$1"', { args: [to] });
  const why = problem === 'full' ? 'the disk is full' : stderr.trim();
  return new HostError(problem ?? 'missing', `${to} cannot be written on ${link.name}: ${why}.`);
}

/** Fetches what a file there has beyond the local one and appends it, using nothing but a shell. */
export async function tailByShell(
  link: ShellLink,
  from: string,
  file: FileHandle,
  { signal, progress, most }: Transfer & { most?: number | null },
): Promise<number> {
  let done = (await file.stat()).size;
  for (;;) {
    const wanted = Math.min(piece, Math.max(0, (most ?? Number.POSITIVE_INFINITY) - done));
    if (wanted === 0) return done;
    const said = await link.raw(tailScript, {
      args: [from, String(done), String(wanted)],
      ...(signal && { signal }),
    });
    if (said.code !== 0) {
      throw new HostError(
        problemIn(said.stderr) ?? 'missing',
        `${from} on ${link.name}: ${said.stderr.trim()}.`,
      );
    }
    const line = said.stdout.indexOf('\n');
    const total = Math.min(Number(said.stdout.toString('latin1', 0, line)), most ?? Number.POSITIVE_INFINITY);
    const data = said.stdout.subarray(line + 1, line + 1 + wanted);
    await file.write(data, 0, data.length, done);
    done += data.length;
    if (data.length > 0) progress?.(done, total);
    if (data.length === 0 || done >= total) return done;
  }
}
