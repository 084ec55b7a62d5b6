import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { submit } from '../../support/jobs.js';
import { ask } from '../../support/raw.js';
import { basic, startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ environment: { PENSTOCK_LOG_LEVEL: 'debug' } });
});
afterAll(() => server.remove());
const codeOf = (json: { type?: string }) => String(json?.type).replace('/api/docs/errors/#', '');
const state = async (uuid: string) => (await ask(server, `/api/job/${uuid}/`)).json;

test('clients that go away in the middle of a download are no errors of the server', async () => {
  const id = await server.register({ exec: 'head', argv: ['-c', '9000000', '/dev/zero'] });
  const uuid = await submit(server, id);
  await waitFor(async () => (await state(uuid)).state === 'FINISHED', 'its end');
  const { hostname, port } = new URL(server.url);
  const leave = (afterBytes: number, what: string) =>
    new Promise<void>((resolve) => {
      const socket = net.connect(Number(port), hostname, () => {
        socket.write(
          `GET /api/job/${uuid}/${what}/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic(server.admin)}\r\n\r\n`,
        );
        if (afterBytes === 0) socket.resetAndDestroy();
      });
      let seen = 0;
      socket.on('data', (piece: Buffer) => {
        seen += piece.length;
        if (seen >= afterBytes) socket.resetAndDestroy();
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve());
    });
  const goings = [0, 0, 0, 1, 1, 1000, 70_000, 1_000_000, 3_000_000];
  await Promise.all(goings.flatMap((bytes) => [leave(bytes, 'output'), leave(bytes, 'stdout')]));
  // Whatever was to be logged of them is there when a later request is answered and logged.
  const headers = { 'X-Request-Id': 'the-last-one' };
  expect((await ask(server, '/api/job/', { headers })).status).toBe(200);
  await waitFor(() => server.log().includes('the-last-one'), 'the log of it');
  const wrong = server
    .log()
    .split('\n')
    .filter((line) => /"level":(40|50|60)/.test(line));
  expect(wrong).toEqual([]);
});

test('the folder of the last job that was in it goes with that job', async () => {
  const id = await server.register({ exec: 'true' });
  const uuid = await submit(server, id);
  await waitFor(async () => (await state(uuid)).state === 'FINISHED', 'its end');
  const shards = () => readdirSync(path.join(server.data, 'jobs'));
  const shard = uuid.slice(3, 5);
  expect(shards()).toContain(shard);
  for (const { uuid: other } of (await ask(server, '/api/job/?limit=0')).json.objects) {
    expect((await ask(server, `/api/job/${other}/`, { method: 'DELETE' })).status).toBe(204);
  }
  expect(shards()).toEqual([]);
  // What a crash left.
  for (const name of ['0a', 'ff']) mkdirSync(path.join(server.data, 'jobs', name));
  await server.kill();
  await server.restart();
  expect(shards()).toEqual([]);
  const next = await submit(server, id);
  await waitFor(async () => (await state(next)).state === 'FINISHED', 'a job in a folder made again');
});

test('an argument or environment that no program can be given is told as such, and not tried again', async () => {
  const huge = 'x'.repeat(140_000);
  const cases: [object, RegExp][] = [
    [{ exec: 'echo', argv: ['a', huge] }, /argv\[1\] is too long for a program: 140000 bytes/],
    [{ exec: 'env', argv: [], environment: { HUGE: huge } }, /the variable HUGE is too long for a program/],
    [
      { exec: 'echo', argv: Array.from({ length: 100 }, () => huge.slice(0, 70_000)) },
      /argument list is too long/,
    ],
  ];
  for (const [definition, reason] of cases) {
    const answer = await ask(server, '/api/process_definition/', { json: { definition } });
    // A bound of definitions may come first; that is as good.
    if (answer.status !== 201) {
      expect(answer.status).toBeLessThan(500);
      continue;
    }
    const uuid = await submit(server, Number(/(\d+)\/$/.exec(answer.headers.location ?? '')?.[1]));
    await waitFor(async () => (await state(uuid)).state === 'FAILED', 'its end');
    const { outcome, attempt } = await state(uuid);
    expect([outcome.cause, attempt]).toEqual(['platform', 1]);
    expect(outcome.reason).toMatch(reason);
  }
});

const readOnly = (place: string) =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', place]).status === 0;
const probe = spawnSync('unshare', ['-m', 'true']).status === 0 && process.getuid?.() === 0;

describe.skipIf(!probe)(
  `a jobs folder that is read-only${probe ? '' : ' (skipped: nothing can be mounted here)'}`,
  () => {
    test('is a 503 that says so, no job is made, and it heals', async () => {
      const id = await server.register({ exec: 'cat' });
      const jobs = path.join(server.data, 'jobs');
      const total = async () => (await ask(server, '/api/job/?limit=1')).json.meta.total_count;
      const before = await total();
      expect(readOnly(jobs)).toBe(true);
      try {
        const answer = await ask(server, `/api/process_definition/${id}/run/`, {
          json: { input: { text: 'x' } },
        });
        expect([answer.status, codeOf(answer.json)]).toEqual([503, 'files-unavailable']);
        expect(answer.json.error).toContain('the file system is read-only');
      } finally {
        spawnSync('umount', ['-l', jobs]);
      }
      expect(await total()).toBe(before);
      expect(readdirSync(path.join(server.data, 'incoming'))).toEqual([]);
      const uuid = await submit(server, id, 'well again');
      await waitFor(async () => (await state(uuid)).state === 'FINISHED', 'a job');
    });
  },
);
