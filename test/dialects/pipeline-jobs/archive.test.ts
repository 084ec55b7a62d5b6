import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ExternalJob, type Manager, manager } from '../../support/manager.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
let pjm: Manager;
let root: string;
beforeAll(async () => {
  root = mkdtempSync(path.join(os.tmpdir(), 'penstock-archive-'));
  mkdirSync(path.join(root, 'products/v2'), { recursive: true });
  server = await startServer({
    config: { 'pipelinejobs.yaml': { archive_systems: { 'data-sd2e-community': { root } } } },
  });
  pjm = await manager(server);
});
afterAll(async () => {
  await server.remove();
  rmSync(root, { recursive: true, force: true });
});

/** A job with one file among its results. */
async function withResults(more: object = {}): Promise<{ job: ExternalJob; file: string }> {
  const job = (await pjm.create({ ...more })) as ExternalJob & { archive_path: string };
  const folder = path.join(root, job.archive_path);
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'result.txt');
  writeFileSync(file, 'precious');
  return { job, file };
}
const reset = async (job: ExternalJob, data: object = {}) => (await pjm.send(job, 'reset', data)).json.result;

test('a reset empties the archive path of the job, and nothing beside it', async () => {
  const { job, file } = await withResults();
  const other = await withResults();
  await pjm.send(job, 'run');
  const result = await reset(job);
  expect(result).toMatchObject({ state: 'RESET', archive: { cleared: true } });
  expect(readdirSync(path.dirname(file))).toEqual([]);
  expect(existsSync(other.file)).toBe(true);
  expect((await pjm.send(job, 'ready')).json.result.state).toBe('CREATED');
});

test.each([
  ['outside of the prefixes', { archive_path: '/products/v1/mine' }, 'not below a prefix'],
  ['a prefix itself', { archive_path: '/products/v2/' }, 'it also holds the results of the job'],
  ['on another system', { archive_system: 'tape', archive_path: '/products/v2/tape' }, "'tape'"],
])('an archive path %s is left alone', async (_, more, reason) => {
  const { job, file } = await withResults(more);
  const { state, archive } = await reset(job);
  expect([state, archive.cleared]).toEqual(['RESET', false]);
  expect(archive.reason).toContain(reason);
  expect(existsSync(file)).toBe(true);
});

test('one that could lead elsewhere than it says is refused, and others have one form', async () => {
  const create = (archive_path: string) =>
    pjm.post({ pipeline_uuid: pjm.pipeline.uuid, data: { archive_path }, archive_path });
  const refused = await create('/products/v2/../v1/mine');
  expect([refused.status, refused.json.errors[0].pointer]).toEqual([400, '/archive_path']);
  const { result } = (await create('//products/./v2///many/slashes/')).json;
  expect(result.archive_path).toBe('/products/v2/many/slashes');

  const outer = await withResults({ archive_path: '/products/v2/tidy' });
  const inner = await withResults({ archive_path: '/products//v2/./tidy//inner/' });
  expect((await reset(outer.job)).archive.reason).toContain(inner.job.uuid);
  expect([existsSync(outer.file), existsSync(inner.file)]).toEqual([true, true]);
});

test("so is one with another job's results in it, and where no_clear_path is asked for", async () => {
  const outer = await withResults({ archive_path: '/products/v2/outer' });
  const inner = await withResults({ archive_path: '/products/v2/outer/inner' });
  expect((await reset(outer.job)).archive.reason).toContain(inner.job.uuid);
  expect((await reset(inner.job, { no_clear_path: true })).archive.cleared).toBe(false);
  expect([existsSync(outer.file), existsSync(inner.file)]).toEqual([true, true]);
  expect((await reset(inner.job)).archive.cleared).toBe(true);
});

test('a reset by whoever may not reset clears nothing', async () => {
  const { job, file } = await withResults();
  const bob = await server.addUser('bob');
  const answer = await pjm.post({ uuid: job.uuid, token: job.token, name: 'reset' }, { as: bob });
  expect([answer.status, existsSync(file)]).toEqual([403, true]);
});
