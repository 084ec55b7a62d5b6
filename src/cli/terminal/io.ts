import type { Readable, Writable } from 'node:stream';
import { stringifyWritten } from '../../domain/json/written-json.js';

/** What a terminal, pipe or file tells about itself; a plain stream tells nothing. */
interface Terminal {
  isTTY?: boolean;
  columns?: number;
  fd?: number;
}

/** Everything that a command knows of the process around it; handed in, so that `config/` alone reads it. */
export interface CliIo {
  env: Readonly<Record<string, string | undefined>>;
  stdin: Readable & Terminal & { setRawMode?(raw: boolean): unknown };
  stdout: Writable & Terminal;
  stderr: Writable & Terminal;
}

/** Prints one result on standard output. */
export function print(io: CliIo, text: string): void {
  if (text !== '') io.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Tells something that is not the result, so that it never ends up in a pipe. */
export function tell(io: CliIo, text: string): void {
  io.stderr.write(`${text}\n`);
}

/** Prints an object as JSON: for programs, hence the same on a terminal and in a pipe. */
export function printJson(io: CliIo, value: unknown): void {
  print(io, stringifyWritten(value, 2));
}

/**
 * Takes the control characters out of text that came from elsewhere:
 * a job's name must not be able to move the cursor or to change the title of a terminal.
 */
export function harmless(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => (character === '\n' || character === '\t' ? ' ' : '\uFFFD'));
}
