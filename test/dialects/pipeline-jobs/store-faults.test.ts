import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { actor, type ExternalJob, type Manager, manager } from '../../support/manager.js';
import { atPace } from '../../support/pace.js';
import { type Answer, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
afterEach(() => server.remove());

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const deadline = 15_000;
const code = (answer: Answer) => String(answer.json?.type).replace('/api/docs/errors/#', '');

interface Told {
  job: ExternalJob;
  n: number;
  answer: Answer;
}

/** An event by a login, by a nonce without a limit, by one of many uses, and by the job's own callback. */
function waysOf(pjm: Manager, nonces: readonly string[]) {
  return [
    (job: ExternalJob, data: object) => pjm.send(job, 'update', data),
    ...nonces.map(
      (nonce) => (job: ExternalJob, data: object) =>
        ask(server, `${actor}/messages?x-nonce=${nonce}`, {
          json: { uuid: job.uuid, token: job.token, name: 'update', data },
          as: null,
          deadline,
        }),
    ),
    (job: ExternalJob, data: object) =>
      ask(server, `${job.callback.replace(server.url, '')}&name=update`, { json: data, as: null, deadline }),
  ];
}

/** What was answered with 200 is in the history once, what was not is not. */
async function expectTrue(told: readonly Told[]): Promise<void> {
  for (const job of new Set(told.map((one) => one.job))) {
    const { objects } = (await ask(server, `/api/job/${job.uuid}/history/`)).json;
    const stored = objects.slice(1).map(({ data }: { data: { n: number } }) => data.n);
    const accepted = told.filter((one) => one.job === job && one.answer.status === 200);
    expect([...stored].sort()).toEqual(accepted.map(({ n }) => n).sort());
    expect((await ask(server, `/api/job/${job.uuid}/`)).json.revision).toBe(stored.length);
  }
}

async function prepare() {
  const pjm = await manager(server);
  const jobs = await Promise.all(times(8, () => pjm.create()));
  const nonces = [await pjm.nonce(), ...(await Promise.all(times(6, () => pjm.nonce({ maxUses: 1000 }))))];
  return { pjm, jobs, ways: waysOf(pjm, nonces) };
}

test('a locked database: each is told so in time, nothing is half done, and all is well afterwards', async () => {
  server = await startServer();
  const { pjm, jobs, ways } = await prepare();
  const file = path.join(server.data, 'penstock.sqlite');
  const told: Told[] = [];
  let n = 0;
  const event = async (index: number, more: object = {}): Promise<Answer> => {
    n += 1;
    const data = { n, ...more };
    const job = jobs[index % jobs.length] as ExternalJob;
    const way = ways[index % ways.length] as (typeof ways)[number];
    const answer = await way(job, data);
    told.push({ job, n: data.n, answer });
    return answer;
  };
  await Promise.all(times(20, (index) => event(index)));
  expect(told.map(({ answer }) => answer.status)).toEqual(times(20, () => 200));

  const holder = new Database(file);
  holder.exec('BEGIN IMMEDIATE');
  const other = jobs[0] as ExternalJob;
  const before = (await ask(server, `${actor}/nonces`)).json.result.length;
  const begin = Date.now();
  const answers = await Promise.all([
    ...times(24, (index) => event(index)),
    pjm.post({ pipeline_uuid: pjm.pipeline.uuid, data: { locked: true } }),
    pjm.post({ uuid: other.uuid, action: 'delete' }),
    pjm.post({ uuid: other.uuid, action: 'delete', force: true }),
    ask(server, `${actor}/nonces`, { json: {}, deadline }),
  ]);
  expect(Date.now() - begin).toBeLessThan(atPace(deadline));
  expect(new Set(answers.map((answer) => `${answer.status} ${code(answer)}`))).toEqual(
    new Set(['503 store-unavailable']),
  );
  for (const { json, headers } of answers) {
    expect(json).toMatchObject({ status: 'error', result: null });
    expect(headers['retry-after']).toBe('1');
  }
  const renewed = ask(server, `/api/job/${other.uuid}/token/`, { method: 'POST', deadline });
  expect((await renewed).status).toBe(503);
  holder.exec('ROLLBACK');
  holder.close();

  await Promise.all(times(40, (index) => event(index)));
  expect(told.slice(-40).map(({ answer }) => answer.status)).toEqual(times(40, () => 200));
  expect((await ask(server, `${actor}/nonces`)).json.result).toHaveLength(before);
  expect((await pjm.post({ pipeline_uuid: pjm.pipeline.uuid, data: { locked: true } })).status).toBe(201);
  await expectTrue(told);
});

const place = mkdtempSync(path.join(os.tmpdir(), 'penstock-full-'));
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', place]).status === 0;
afterAll(() => {
  if (mounted) spawnSync('umount', ['-l', place]);
  rmSync(place, { recursive: true, force: true });
});

/** Starts the server with its data on the small disk. */
async function startThere(): Promise<TestServer> {
  const usual = process.env.TMPDIR;
  process.env.TMPDIR = place;
  try {
    return await startServer();
  } finally {
    if (usual === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = usual;
  }
}

describe.skipIf(!mounted)(`a small disk${mounted ? '' : ' (skipped: nothing can be mounted here)'}`, () => {
  test('that is full: each is told so, nothing is half done, and all is well afterwards', async () => {
    server = await startThere();
    const { pjm, jobs, ways } = await prepare();
    const told: Told[] = [];
    let n = 0;
    const event = async (index: number): Promise<Answer> => {
      n += 1;
      const data = { n, much: 'x'.repeat(50_000) };
      const job = jobs[index % jobs.length] as ExternalJob;
      const answer = await (ways[index % ways.length] as (typeof ways)[number])(job, data);
      told.push({ job, n: data.n, answer });
      return answer;
    };
    await Promise.all(times(20, event));
    const filler = path.join(place, 'filler');
    expect(() => writeFileSync(filler, Buffer.alloc(30_000_000))).toThrow(/ENOSPC/);
    for (let round = 0; round < 20; round += 1) await Promise.all(times(20, event));
    const failed = told.map(({ answer }) => answer).filter(({ status }) => status !== 200);
    expect(failed.length).toBeGreaterThan(100);
    expect(new Set(failed.map((answer) => `${answer.status} ${code(answer)}`))).toEqual(
      new Set(['507 disk-full']),
    );
    for (const { json } of failed) expect(json).toMatchObject({ status: 'error', result: null });
    const create = { pipeline_uuid: pjm.pipeline.uuid, data: { much: 'x'.repeat(400_000) } };
    expect(code(await pjm.post(create))).toBe('disk-full');
    expect((await ask(server, '/api/job/?limit=1')).status).toBe(200);
    await expectTrue(told);

    rmSync(filler);
    const after = await Promise.all(times(20, event));
    expect(after.map(({ status }) => status)).toEqual(times(20, () => 200));
    expect((await pjm.post(create)).status).toBe(201);
    await expectTrue(told);
    await server.kill();
    await server.restart();
    await expectTrue(told);
  });
});
