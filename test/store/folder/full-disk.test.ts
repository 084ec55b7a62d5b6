import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { submit } from '../../support/jobs.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const disk = mkdtempSync(path.join(os.tmpdir(), 'penstock-full-'));
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=30m', 'tmpfs', disk]).status === 0;
afterAll(() => {
  if (mounted) spawnSync('umount', ['-l', disk]);
  rmSync(disk, { recursive: true, force: true });
});
const filler = path.join(disk, 'filler');

let server: TestServer;
afterEach(async () => {
  rmSync(filler, { force: true });
  await server.remove();
});

async function startThere(): Promise<TestServer> {
  const usual = process.env.TMPDIR;
  process.env.TMPDIR = disk;
  try {
    return await startServer();
  } finally {
    if (usual === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = usual;
  }
}

/** Takes all that is left, to the last page. */
function fill(): void {
  const file = openSync(filler, 'a');
  for (const size of [1_000_000, 4096]) {
    try {
      for (;;) writeSync(file, Buffer.alloc(size));
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
    }
  }
  closeSync(file);
}

const codeOf = (json: { type?: string }) => String(json?.type).replace('/api/docs/errors/#', '');
const health = () => ask(server, '/healthz', { as: null });
const state = async (uuid: string) => (await ask(server, `/api/job/${uuid}/`)).json;
const stored = () => statSync(path.join(server.data, 'reserve'), { throwIfNoEntry: false })?.size ?? 0;
const sleeper = { exec: 'sleep', argv: ['1000'] };
const printer = (bytes: number) => ({ exec: 'head', argv: ['-c', String(bytes), '/dev/zero'] });
/** Fills it over and over: what SQLite has in hand takes some writes still. */
async function fillUntilUnwell(): Promise<void> {
  await waitFor(async () => {
    fill();
    return (await health()).status === 503;
  }, 'writes to fail');
}

describe.skipIf(!mounted)(`a small disk${mounted ? '' : ' (skipped: nothing can be mounted here)'}`, () => {
  test('a job is cancelled and others are removed on a full disk, and removing them heals it', async () => {
    server = await startThere();
    await waitFor(() => stored() > 0, 'a reserve');
    const [sleep, print] = [await server.register(sleeper), await server.register(printer(4_500_000))];
    const done = await submit(server, print);
    await waitFor(async () => (await state(done)).state === 'FINISHED', 'a job with some output');
    const going = await submit(server, sleep);
    await waitFor(async () => (await state(going)).state === 'RUNNING', 'a job that runs');

    await fillUntilUnwell();
    const refused = await ask(server, '/api/process_definition/', { json: { definition: sleeper } });
    expect([refused.status, codeOf(refused.json)]).toEqual([507, 'disk-full']);
    expect((await health()).json.error).toMatch(/disk .* is full/);
    // A refusal takes nothing of what is kept for the ends of jobs.
    expect(stored()).toBeGreaterThan(0);

    const cancelled = await ask(server, `/api/job/${going}/cancel/`, { method: 'POST' });
    expect(cancelled.status).toBe(200);
    expect(await state(going)).toMatchObject({ state: 'FAILED', outcome: { cause: 'cancelled' } });

    // What is left now is for ends and removals: nothing new is stored, nor started.
    expect(stored()).toBe(0);
    const late = await ask(server, '/api/user/', { json: { username: 'late', password: 'long enough' } });
    expect([late.status, codeOf(late.json)]).toEqual([507, 'disk-full']);
    const run = await ask(server, `/api/process_definition/${sleep}/run/`, { method: 'POST' });
    expect([run.status, codeOf(run.json)]).toEqual([507, 'disk-full']);
    expect((await health()).json.error).toMatch(/disk .* is full/);
    expect((await ask(server, '/metrics', { as: null })).text).toMatch(/^penstock_disk_full 1$/m);
    expect((await ask(server, `/api/job/${done}/`, { method: 'DELETE' })).status).toBe(204);
    expect((await ask(server, `/api/job/${done}/`)).status).toBe(404);
    await waitFor(async () => (await health()).status === 200, 'writes to work again');
    await waitFor(() => stored() > 0, 'the reserve again');
    const after = await submit(server, await server.register(printer(10)));
    await waitFor(async () => (await state(after)).state === 'FINISHED', 'a new job');
  });

  test('a job that fills the disk itself comes to its end, and what waits is started when there is room', async () => {
    server = await startThere();
    await waitFor(() => stored() > 0, 'a reserve');
    const greedy = await submit(server, await server.register(printer(500_000_000)));
    // It ends with the code of a program that cannot write; nobody helps it.
    await waitFor(async () => (await state(greedy)).state === 'FAILED', 'its end');
    expect((await state(greedy)).outcome).toMatchObject({ cause: 'exit', exit_code: 1 });
    const metrics = (await ask(server, '/metrics', { as: null })).text;
    expect(metrics).toMatch(/^penstock_disk_free_bytes\{of="database"\} \d+$/m);
    expect((await ask(server, `/api/job/${greedy}/`, { method: 'DELETE' })).status).toBe(204);
    await waitFor(async () => (await health()).status === 200, 'writes to work again');
    const later = await submit(server, await server.register(printer(10)));
    await waitFor(async () => (await state(later)).state === 'FINISHED', 'a new job');
    expect(existsSync(path.join(server.data, 'reserve.partial'))).toBe(false);
  });
});

test('a log that cannot be written ends nothing, and does not keep the server when it is to end', async () => {
  // What is written to /dev/full fails as on a full disk.
  server = await startServer({ environment: { PENSTOCK_LOG_LEVEL: 'debug' }, stderr: '/dev/full' });
  const id = await server.register({ exec: 'cat' });
  for (const word of ['one', 'two']) {
    const answer = await server.fetch(`/api/process_definition/${id}/run/?wait=20&output=raw`, {
      method: 'POST',
      body: word,
      headers: { 'Content-Type': 'text/plain' },
    });
    expect(await answer.text()).toBe(word);
  }
  const { pid } = server;
  await server.stop();
  expect(existsSync(`/proc/${pid}`)).toBe(false);
  await server.restart();
  expect((await health()).status).toBe(200);
});
