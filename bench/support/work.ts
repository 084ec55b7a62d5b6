/** The work of both sides: a text, and the definition of `tr -d x`. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';

/** 27 kB: the size of a message, a page or a small sequence file. */
export const smallSize = 27_000;

/** Printable lines of text, always the same for the same `seed`, with some x in them. */
export function text(size: number, seed = 1): Buffer {
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789 ';
  const bytes = Buffer.alloc(size);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < size; i++) {
    // xorshift32: enough to make every input different, and quick.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    bytes[i] = i % 77 === 76 ? 10 : letters.charCodeAt(state % letters.length);
  }
  return bytes;
}

/** The output of `tr -d x`. */
export const withoutX = (bytes: Buffer): Buffer =>
  Buffer.from(bytes.toString('latin1').replaceAll('x', ''), 'latin1');

/** Writes the small input and the expected output into a folder. */
export function smallFiles(folder: string): { input: string; expected: string } {
  const bytes = text(smallSize);
  const files = { input: path.join(folder, 'input.txt'), expected: path.join(folder, 'expected.txt') };
  writeFileSync(files.input, bytes);
  writeFileSync(files.expected, withoutX(bytes));
  return files;
}

const stream = (name: string) => ({ file_type: 'stream', stream_name: name });

/** The process definition of `tr -d x`, from standard input to standard output. */
export const trDefinition = {
  exec: '/usr/bin/tr',
  argv: ['-d', 'x'],
  input_adapter: { input_type: 'file', input_parameters: stream('STDIN') },
  output_adapter: { output_type: 'file', output_parameters: stream('STDOUT') },
};
