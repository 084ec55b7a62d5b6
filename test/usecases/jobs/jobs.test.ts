import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { typedUuids } from '../../../src/domain/external-jobs/typed-uuid.js';
import { externalExecutor, newJob } from '../../../src/domain/jobs/job.js';
import { openLog } from '../../../src/lib/log.js';
import { JobFiles } from '../../../src/store/folder/job-files.js';
import { openStore, type Store } from '../../../src/store/store.js';
import { type JobService, jobService } from '../../../src/usecases/jobs/jobs.js';
import { clearAway } from '../../../src/worker/retention.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-jobs-'));
const file = path.join(folder, 'penstock.sqlite');
let store: Store;
let jobs: JobService;
let owner: number;
beforeAll(async () => {
  store = await openStore(file);
  const database = new Database(file);
  owner = Number(
    database
      .prepare(
        `INSERT INTO "user" ("username", "password_hash", "created", "updated")
         VALUES ('ada', '', '2026-01-01T00:00:00.000+00:00', '2026-01-01T00:00:00.000+00:00')`,
      )
      .run().lastInsertRowid,
  );
  database.close();
  jobs = jobService(store, typedUuids(), () => new Date());
  await jobs.start();
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const create = (uuid = jobs.newUuid()) =>
  jobs.create({ ...newJob(uuid, owner, externalExecutor), tokenHash: 'first' }, null);

test('an event is tried again on what is there now, where meanwhile the job got another token or was hidden', async () => {
  const job = await create();
  const seen: [string | null, boolean][] = [];
  const recorded = jobs.record(job, 'run', (current) => {
    // What others decide after our look is written before our event.
    const second = { ...job, tokenHash: 'second' };
    if (seen.length === 0) void store.nonces.replaceOfJob(second, null, new Date());
    if (seen.length === 1) void store.jobs.setHidden(job.id, true);
    seen.push([current.tokenHash, current.hidden]);
    return {};
  });
  expect((await recorded).job).toMatchObject({ revision: 1, tokenHash: 'second', hidden: true });
  expect(seen).toEqual([
    ['first', false],
    ['second', false],
    ['second', true],
  ]);
  expect(await jobs.current(job.uuid)).toEqual(await store.jobs.byUuid(job.uuid));

  // It may refuse then, and nothing is stored.
  const refused = jobs.record(job, 'update', ({ hidden }) => {
    if (hidden) throw new Error('it is hidden');
    return {};
  });
  await expect(refused).rejects.toThrow('it is hidden');
  expect(await store.jobs.history(job.id)).toHaveLength(2);
});

test('what ran elsewhere has no files that could be cleared away', async () => {
  const job = await create();
  await jobs.record(job, 'fail', { ended: new Date(0) });
  const options = {
    store,
    files: new JobFiles(folder),
    log: openLog('silent'),
    keepJobs: null,
    keepDeliveries: null,
  };
  const done = await clearAway({ ...options, keepFiles: 1000 }, new Date(), new AbortController().signal);
  expect(done.cleared).toBe(0);
  expect((await store.jobs.byUuid(job.uuid))?.cleared).toBeNull();
  await jobs.remove(job);
});

test('of a service that goes on, old starts and ends are forgotten, and nothing else', async () => {
  const create = async (service: object | null) => {
    const uuid = jobs.newUuid();
    const job = await jobs.create({ ...newJob(uuid, owner, 'local'), service }, null);
    for (const name of ['run', 'resource', 'run'] as const) {
      await jobs.record((await store.jobs.byUuid(uuid)) ?? job, name, {});
    }
    return job;
  };
  const [service, plain] = [await create({ health: 'ready' }), await create(null)];
  const later = new Date(Date.now() + 60_000);
  const options = {
    store,
    files: new JobFiles(folder),
    log: openLog('silent'),
    keepFiles: 1000,
    keepJobs: null,
    keepDeliveries: null,
  };
  await clearAway(options, new Date(), new AbortController().signal);
  expect(await store.jobs.history(service.id)).toHaveLength(4);
  await clearAway(options, later, new AbortController().signal);
  expect((await store.jobs.history(service.id)).map(({ name }) => name)).toEqual(['create']);
  expect(await store.jobs.history(plain.id)).toHaveLength(4);
  expect(await store.jobs.byUuid(service.uuid)).toMatchObject({ state: 'RUNNING', cleared: null });
  for (const job of [service, plain]) await jobs.remove(job);
});

test('servers that are deleted are forgotten as jobs are, others never', async () => {
  const created = new Date(0);
  const more = { networks: [], securityGroups: [], userData: null, floatingIp: false, more: {} };
  const wanted = { name: 'wanted', image: null, flavor: null, keyName: null, ...more };
  const order = { application: 'default', revision: 1, connector: 'local', order: wanted, created };
  const gone = await store.servers.add({ ...order, name: 'gone' });
  const held = await store.servers.add({ ...order, name: 'held' });
  for (const { id } of [gone, held]) await store.servers.change(id, 'deleting', {}, created);
  await store.servers.change(gone.id, 'deleted', { deleted: created }, created);
  const options = {
    store,
    files: new JobFiles(folder),
    log: openLog('silent'),
    keepFiles: null,
    keepJobs: null,
    keepDeliveries: null,
  };
  await clearAway(options, new Date(), new AbortController().signal);
  expect(await store.servers.byId(gone.id)).toMatchObject({ state: 'deleted' });
  await clearAway({ ...options, keepJobs: 1000 }, new Date(), new AbortController().signal);
  expect(await store.servers.byId(gone.id)).toBeNull();
  expect(await store.servers.byId(held.id)).toMatchObject({ state: 'deleting' });
});

test('nothing is remembered of a job that retention deleted, and everything of its successor', async () => {
  const job = await create();
  await jobs.record(job, 'fail', { ended: new Date(0) });
  const options = {
    store,
    files: new JobFiles(folder),
    log: openLog('silent'),
    keepFiles: 1000,
    keepJobs: 1000,
    keepDeliveries: null,
    forget: jobs.forget,
  };
  const done = await clearAway(options, new Date(), new AbortController().signal);
  expect(done.deleted).toBe(1);
  expect(await jobs.current(job.uuid)).toBeNull();
  const again = await create(job.uuid);
  jobs.forget(job);
  expect(await jobs.setHidden(again, true)).toMatchObject({ id: again.id, hidden: true });
  expect(await jobs.current(job.uuid)).toMatchObject({ id: again.id, hidden: true, revision: 0 });
  await expect(jobs.setHidden(job, true)).rejects.toThrow('is gone');
});
