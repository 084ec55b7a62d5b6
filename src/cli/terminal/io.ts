import type { Readable, Writable } from 'node:stream';
import { stringifyWritten } from '../../domain/json/written-json.js';

/** What a terminal, pipe or file tells about itself. A plain stream tells nothing. */
interface Terminal {
  isTTY?: boolean;
  columns?: number;
  fd?: number;
}

/** Everything that a command knows about its process. Passed in, so that only `config/` reads the environment. */
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

/** Prints on standard error what is not the result, so that it never ends up in a pipe. */
export function tell(io: CliIo, text: string): void {
  io.stderr.write(`${text}\n`);
}

/** Prints an object as JSON. That is for programs, so it is the same on a terminal and in a pipe. */
export function printJson(io: CliIo, value: unknown): void {
  print(io, stringifyWritten(value, 2));
}

/**
 * Replaces control characters in text from outside:
 * a job's name must not move the cursor or change the title of a terminal.
 */
export function harmless(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => (character === '\n' || character === '\t' ? ' ' : '\uFFFD'));
}
