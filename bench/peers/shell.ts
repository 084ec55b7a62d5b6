import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { needPeer } from '../support/packages.js';
import type { Context } from '../support/row.js';
import { run } from '../support/started.js';

/** One job of the shell: a `sh` that runs `tr` from a file into its own output file. */
const job = (input: string, outputs: string) => `tr -d x < ${input} > ${outputs}/{}`;

/** The programs that start jobs two at a time, and their arguments. */
const runners = {
  xargs: (command: string) => ['xargs', '-P2', '-I{}', 'sh', '-c', command],
  parallel: (command: string) => ['parallel', '--will-cite', '-j2', command],
};

/** Jobs per second over `count` jobs. Compares every output. */
export async function shellRate(
  context: Context,
  name: keyof typeof runners,
  files: { input: string; expected: string },
  count: number,
): Promise<number> {
  needPeer(context, name);
  const folder = context.folder(name);
  const outputs = path.join(folder, 'outputs');
  mkdirSync(outputs);
  const [command = '', ...args] = runners[name](job(files.input, outputs));
  const numbers = Array.from({ length: count }, (_, i) => `${i}\n`).join('');
  const begin = performance.now();
  // HOME, because GNU parallel would create a folder in the user's home.
  await run(command, args, { env: { HOME: folder, SHELL: '/bin/sh' }, input: numbers });
  const seconds = (performance.now() - begin) / 1000;

  const expected = readFileSync(files.expected);
  const done = readdirSync(outputs).filter((file) => readFileSync(path.join(outputs, file)).equals(expected));
  if (done.length !== count)
    throw new Error(`${name}: ${count - done.length} of ${count} outputs are wrong.`);
  return count / seconds;
}
