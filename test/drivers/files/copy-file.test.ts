import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { copyFile } from '../../../src/drivers/files/copy-file.js';
import { submit } from '../../support/jobs.js';
import { ask } from '../../support/raw.js';
import { startServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-copy-'));
/** A file system of its own, if this machine has it: nothing can be moved there or shared with it. */
const shm = path.join('/dev/shm', path.basename(root));
afterAll(() => {
  for (const folder of [root, shm]) rmSync(folder, { recursive: true, force: true });
});
const room = (file: string) => statSync(file).blocks * 512;

/** A file with bytes here and there, and a hole in all other places. */
async function make(file: string, size: number, places: readonly number[]): Promise<void> {
  const handle = await open(file, 'w');
  await handle.truncate(size);
  for (const place of places) if (place < size) await handle.write(Buffer.from('x'), 0, 1, place);
  await handle.close();
}

test('a copy has the same bytes, wherever holes begin and end', async () => {
  const [from, to] = [path.join(root, 'from'), path.join(root, 'to')];
  const anywhere = fc.integer({ min: 0, max: 3_000_000 });
  await fc.assert(
    fc.asyncProperty(anywhere, fc.array(anywhere, { maxLength: 4 }), async (size, places) => {
      await make(from, size, places);
      await copyFile(from, to);
      expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test('holes stay holes, a link is followed, and what is there can be kept', async () => {
  const [from, link, to] = ['sparse', 'link', 'copy'].map((name) => path.join(root, name)) as [
    string,
    string,
    string,
  ];
  await make(from, 300_000_000, [7, 299_999_999]);
  chmodSync(from, 0o700);
  symlinkSync(from, link);
  await copyFile(link, to, { exclusive: true });
  expect([statSync(to).size, room(to) < 4_000_000, statSync(to).mode & 0o777]).toEqual([
    300_000_000,
    true,
    0o700,
  ]);
  await expect(copyFile(from, to, { exclusive: true })).rejects.toMatchObject({ code: 'EEXIST' });
  writeFileSync(from, 'short');
  await copyFile(from, to);
  expect(readFileSync(to, 'utf8')).toBe('short');
});

test('an output with holes on another file system keeps them when it is taken', async () => {
  const server = await startServer();
  try {
    if (existsSync('/dev/shm')) mkdirSync(shm);
    const made = path.join(existsSync(shm) ? shm : root, 'made');
    const id = await server.register({
      exec: '/bin/sh',
      argv: ['-c', 'truncate -s 200000000 "$0" && printf end >>"$0"', '$<output_file>'],
      output_adapter: { output_type: 'file', output_parameters: { file_path: made } },
    });
    const uuid = await submit(server, id);
    const shown = async () => (await ask(server, `/api/job/${uuid}/`)).json;
    await waitFor(async () => (await shown()).ended !== null, 'its end');
    expect(await shown()).toMatchObject({ state: 'FINISHED', output_size: 200_000_003 });
    const kept = path.join(server.data, 'jobs', uuid.slice(3, 5), uuid, '1/output/made');
    expect(room(kept)).toBeLessThan(4_000_000);
    const end = await ask(server, `/api/job/${uuid}/output/`, { headers: { Range: 'bytes=-4' } });
    expect(end.text).toBe('\0end');
  } finally {
    await server.remove();
  }
});
