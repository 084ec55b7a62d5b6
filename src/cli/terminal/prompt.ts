import { createInterface } from 'node:readline';
import { Ended, exitCodes, usageError } from '../client/failure.js';
import type { CliIo } from './io.js';

/** Asks on a terminal without showing what is typed. The question goes to standard error to keep output clean. */
export function askSecret(io: CliIo, question: string): Promise<string> {
  const { stdin, stderr } = io;
  return new Promise((resolve, reject) => {
    let typed = '';
    const finish = (settle: () => void) => {
      stdin.off('data', read);
      stdin.setRawMode?.(false);
      stdin.pause();
      stderr.write('\n');
      settle();
    };
    const read = (chunk: Buffer | string) => {
      for (const character of chunk.toString()) {
        if (character === '\r' || character === '\n') return finish(() => resolve(typed));
        // In raw mode Control-C and Control-D arrive as characters, not as a signal and the end of input.
        if (character === '\u0003') return finish(() => reject(new Ended(exitCodes.interrupted)));
        if (character === '\u0004') return finish(() => resolve(typed));
        if (character === '\u007f' || character === '\b') typed = [...typed].slice(0, -1).join('');
        else if (character === '\u0015') typed = '';
        else typed += character;
      }
    };
    stderr.write(question);
    stdin.setRawMode?.(true);
    stdin.on('data', read);
    stdin.resume();
  });
}

/** Reads a new password: asks twice on a terminal, otherwise takes the first line of standard input. */
export async function readNewPassword(io: CliIo): Promise<string> {
  if (io.stdin.isTTY !== true) return firstLine(io);
  const password = await askSecret(io, 'New password: ');
  if (password === '') throw usageError('The password is empty.');
  const again = await askSecret(io, 'New password again: ');
  if (password !== again) throw usageError('The two passwords differ.');
  return password;
}

async function firstLine(io: CliIo): Promise<string> {
  const lines = createInterface({ input: io.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  try {
    for await (const line of lines) {
      if (line !== '') return line;
      break;
    }
  } finally {
    lines.close();
  }
  throw usageError('The password is empty. Send it as the first line of standard input.');
}
