import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readProcess } from '../../../src/drivers/processes/processes.js';
import { endsOf, filter, jobOf, leftOf } from '../../support/jobs.js';
import { type Node, startNode } from '../../support/node-home.js';
import { atPace } from '../../support/pace.js';
import { linesOf } from '../../support/programs.js';
import { waitFor } from '../../support/wait-for.js';

let node: Node;
beforeEach(async () => {
  node = await startNode({}, { timeout: 60, calc: 'own' }, { MAX_RUNNING_JOBS: 1 });
});
afterEach(async () => {
  await node.end();
});

/** Begins a run that goes on until the file `go` is there. */
async function begin() {
  const [begun, go] = [path.join(node.aside, 'begun'), path.join(node.aside, 'go')];
  for (const file of [begun, go]) rmSync(file, { force: true });
  const wait = `until [ -e ${go} ]; do sleep 0.02; done`;
  node.script('run', `echo $$ >>${begun}; ${wait}; echo said; cat input/a >output/b; echo new >output/c`);
  const cut = node.post('run', { input: { a: 'given' } }).then(
    () => 'answered',
    () => 'cut off',
  );
  await waitFor(() => existsSync(begun), 'the script to begin');
  const [job] = (await filter(node.server, 'state=RUNNING')).objects;
  return { uuid: job?.uuid ?? '', begun, cut, release: () => writeFileSync(go, '') };
}

describe.each([
  'kill',
  'stop',
] as const)('a server that is ended (%s) while a script runs, and started again', (how) => {
  test('is busy until the script has ended; then it is free, and the output is whole', async () => {
    const { uuid, begun, cut, release } = await begin();
    await node.server[how]();
    expect(await cut).toBe('cut off');
    await node.server.restart();
    const { status, json } = await node.post('run');
    expect([status, json.error]).toEqual([409, 'Conflict. Updating.']);
    expect(json.message).toMatch(/^409 .*latest start/);
    expect(await node.busy()).toBe(true);
    release();
    await waitFor(async () => !(await node.busy()), 'the node to be free');
    expect(await jobOf(node.server, uuid)).toMatchObject({ state: 'FINISHED', attempt: 1 });
    expect(await endsOf(node.server, uuid)).toEqual(['finish']);
    const output = await node.server.fetch(`/api/job/${uuid}/output/`);
    expect(await output.json()).toEqual({ b: 'given', c: 'new\n' });
    expect(linesOf(begun)).toHaveLength(1);
    expect((await node.post('sleep/0')).json.result).toBe(0);
  });

  test('finds a script that ended meanwhile, and is free at once', async () => {
    const { uuid, begun, cut, release } = await begin();
    await node.server[how]();
    await cut;
    release();
    await waitFor(() => leftOf([uuid]).length === 0, 'the script to end');
    await node.server.restart();
    await waitFor(async () => !(await node.busy()), 'the node to be free');
    expect(await jobOf(node.server, uuid)).toMatchObject({ state: 'FINISHED', attempt: 1 });
    const output = await node.server.fetch(`/api/job/${uuid}/output/`);
    expect(await output.json()).toEqual({ b: 'given', c: 'new\n' });
    expect(linesOf(begun)).toHaveLength(1);
  });
});

test('a server that was killed ends the script in its time when it is started again', async () => {
  node.script('config', 'echo begun; sleep 1000');
  const cut = node.put('config', { timeout: 3 }).catch(() => {});
  await waitFor(async () => (await filter(node.server, 'state=RUNNING')).total === 1, 'the script to begin');
  const [job] = (await filter(node.server, 'state=RUNNING')).objects;
  const started = await waitFor(async () => (await jobOf(node.server, job?.uuid ?? '')).started, 'its start');
  await node.server.kill();
  await cut;
  await node.server.restart();
  expect(await node.busy()).toBe(true);
  await waitFor(async () => !(await node.busy()), 'the node to be free');
  const { state, outcome, ended } = await jobOf(node.server, job?.uuid ?? '');
  expect([state, outcome?.cause]).toEqual(['FAILED', 'timeout']);
  expect(Date.parse(ended ?? '') - Date.parse(started)).toBeLessThan(atPace(4000));
  expect(leftOf([job?.uuid ?? ''])).toEqual([]);
});

test('a server that is stopped gives the answer of a script that ends in a moment', async () => {
  const { uuid, cut, release } = await begin();
  const stopped = node.server.stop();
  await waitFor(
    () =>
      node.post('echo', 1).then(
        () => false,
        () => true,
      ),
    'the server to take no requests',
  );
  release();
  expect(await cut).toBe('answered');
  await stopped;
  await node.server.restart();
  expect(await node.busy()).toBe(false);
  expect(await jobOf(node.server, uuid)).toMatchObject({ state: 'FINISHED', attempt: 1 });
});

test('a calculation keeps the node from nothing, also after a restart', async () => {
  const go = path.join(node.aside, 'go');
  const wait = `until [ -e ${go} ]; do sleep 0.02; done`;
  await node.server.register({ name: 'own', exec: '/bin/sh', argv: ['-c', wait] });
  const cut = node.post('calc').catch(() => {});
  const [job] = await waitFor(async () => {
    const { objects } = await filter(node.server, 'state=RUNNING');
    return objects.length === 1 ? objects : null;
  }, 'it to run');
  expect(await node.busy()).toBe(false);
  await node.server.kill();
  await cut;
  await node.server.restart();
  expect(await node.busy()).toBe(false);
  writeFileSync(go, '');
  expect((await jobOf(node.server, job?.uuid ?? '', 10)).state).toBe('FINISHED');
});

test('a script whose definition was removed meanwhile keeps the node busy after a restart, too', async () => {
  const { uuid, cut, release } = await begin();
  const { process_definition: definition } = await jobOf(node.server, uuid);
  expect((await node.server.fetch(String(definition), { method: 'DELETE' })).status).toBe(204);
  await node.server.kill();
  expect(await cut).toBe('cut off');
  await node.server.restart();
  expect(await node.busy()).toBe(true);
  release();
  await waitFor(async () => !(await node.busy()), 'the node to be free');
  expect(await jobOf(node.server, uuid)).toMatchObject({ state: 'FINISHED', attempt: 1 });
});

test('a script that waits when the server is killed is begun at once after the restart, and once', async () => {
  // As a crash leaves it: accepted, and not begun yet.
  const { uuid, begun, cut, release } = await begin();
  release();
  expect(await cut).toBe('answered');
  await node.server.stop();
  const database = new Database(path.join(node.server.data, 'penstock.sqlite'));
  database
    .prepare(
      "UPDATE job SET state = 'CREATED', attempt = 0, handle = NULL, outcome = NULL, ended = NULL WHERE uuid = ?",
    )
    .run(uuid);
  database.close();
  rmSync(path.join(node.server.data, 'jobs', uuid.slice(3, 5), uuid, '1'), { recursive: true });
  await node.server.restart();
  await waitFor(async () => (await jobOf(node.server, uuid)).state === 'FINISHED', 'it to be run');
  expect(linesOf(begun)).toHaveLength(2);
  expect(await node.busy()).toBe(false);
});

test('a script whose watcher is killed is told as lost, and the node is free', async () => {
  const { uuid, begun, cut } = await begin();
  const [pid = ''] = linesOf(begun);
  process.kill(readProcess(Number(pid))?.session ?? 0, 'SIGKILL');
  expect(await cut).toBe('answered');
  expect(await jobOf(node.server, uuid)).toMatchObject({ state: 'FAILED', outcome: { cause: 'lost' } });
  expect(leftOf([uuid])).toEqual([]);
  expect(await node.busy()).toBe(false);
});
