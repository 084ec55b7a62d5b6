import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { listProcesses, variableOf } from '../../../src/hosts/processes.js';
import { filter, jobOf, submit } from '../../support/jobs.js';
import { type Node, startNode } from '../../support/node-home.js';
import { alive } from '../../support/programs.js';
import { waitFor } from '../../support/wait-for.js';

let node: Node;
afterEach(async () => {
  await node.end();
});

/** A job of somebody else's that goes on until it is let go, and for so many seconds more. */
async function elsewhere(more = 0): Promise<{ uuid: string; release: () => void }> {
  const go = path.join(node.aside, 'go');
  const user = await node.server.addUser('somebody');
  const wait = `until [ -e ${go} ]; do sleep 0.02; done; sleep ${more}`;
  const id = await node.server.register({ exec: '/bin/sh', argv: ['-c', wait] }, user);
  const uuid = await submit(node.server, id, undefined, user);
  await waitFor(async () => (await jobOf(node.server, uuid)).state === 'RUNNING', 'it to run');
  return { uuid, release: () => writeFileSync(go, '') };
}

test('500 runs, one after the other, leave no descriptor or process behind', async () => {
  const run = 'cat input/a >output/b';
  node = await startNode({ run });
  const once = async (n: number) => {
    const { json } = await node.post('run', { input: { a: `${n}` } });
    expect(json).toMatchObject({ result: { b: `${n}` }, message: { stderr: '', returncode: 0 } });
  };
  const counted = () => ({
    descriptors: node.open().filter((name) => !name.startsWith('socket:')).length,
    processes: listProcesses().filter(
      ({ pid, parent }) => parent === node.server.pid || variableOf(pid, 'INPUTDIR') === `${node.home}/input`,
    ).length,
  });
  for (let n = 0; n < 20; n += 1) await once(n);
  const before = counted();
  for (let n = 0; n < 500; n += 1) await once(n);
  const after = counted();
  expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 2);
  expect(after.processes).toBeLessThanOrEqual(before.processes);
  expect(node.openFiles()).toEqual([]);
  expect((await filter(node.server, 'state=FINISHED&limit=1')).total).toBe(520);
}, 180_000);

test('a run waits for its turn among the jobs of others, and that is not of its time', async () => {
  node = await startNode({ run: 'echo x >output/x' }, { timeout: 30 }, { MAX_RUNNING_JOBS: 1 });
  const other = await elsewhere(0.5);
  const run = node.post('run', { timeout: 0.2 });
  await waitFor(async () => (await filter(node.server, 'state=CREATED')).total === 1, 'the run to wait');
  // The node is busy with it, as everybody else is told.
  expect((await node.put('config')).status).toBe(409);
  expect((await filter(node.server, 'state=CREATED')).objects[0]?.waiting).toBe('its turn');
  const before = Date.now();
  other.release();
  const { json, headers } = await run;
  expect(json).toMatchObject({ result: { x: 'x\n' }, message: { returncode: 0 } });
  const { started } = await jobOf(node.server, String(headers['x-job-uuid']));
  expect(Date.parse(started ?? '') - before).toBeGreaterThan(300);
  expect(await node.busy()).toBe(false);
});

test('a run that waits can be cancelled, and was never begun', async () => {
  const ran = () => path.join(node.aside, 'ran');
  node = await startNode({}, {}, { MAX_RUNNING_JOBS: 1 });
  node.script('run', `echo >${ran()}`);
  const other = await elsewhere();
  const run = node.post('run');
  const [job] = await waitFor(async () => {
    const { objects } = await filter(node.server, 'state=CREATED');
    return objects.length === 1 ? objects : null;
  }, 'the run to wait');
  expect((await node.server.fetch(`/api/job/${job?.uuid}/cancel/`, { method: 'POST' })).status).toBe(200);
  const { status, json } = await run;
  expect(status).toBe(200);
  expect(json.result).toBeLessThan(0);
  expect(json.message).toMatchObject({ stdout: '', stderr: '', returncode: json.result });
  expect(json.message.message).toContain('Cancelled by root');
  expect(await node.busy()).toBe(false);
  other.release();
  expect((await jobOf(node.server, other.uuid, 10)).state).toBe('FINISHED');
  expect(existsSync(ran())).toBe(false);
});

test('where no more may wait, a run is refused in the node’s shape, and the node is free', async () => {
  node = await startNode({}, {}, { MAX_RUNNING_JOBS: 1, MAX_QUEUED_JOBS: 1 });
  const other = await elsewhere();
  const id = await node.server.register({ exec: '/bin/true' });
  await submit(node.server, id);
  const { status, json } = await node.post('run');
  expect(status).toBeGreaterThanOrEqual(429);
  expect(json.message).toMatch(new RegExp(`^${status} .*MAX_QUEUED_JOBS`));
  expect(Object.keys(json)).toEqual(['error', 'message', 'timestamp']);
  expect(await node.busy()).toBe(false);
  other.release();
  await waitFor(async () => (await node.post('run')).status === 200, 'room for it');
});

test('a run that waits when the server is killed is run after the restart, once', async () => {
  node = await startNode({ run: 'echo x >output/x' }, {}, { MAX_RUNNING_JOBS: 1 });
  const other = await elsewhere();
  const cut = node.post('run', { input: { a: 'x' } }).catch(() => 'cut off');
  await waitFor(async () => (await filter(node.server, 'state=CREATED')).total === 1, 'the run to wait');
  await node.server.kill();
  expect(await cut).toBe('cut off');
  await node.server.restart();
  expect(await node.busy()).toBe(true);
  other.release();
  await waitFor(async () => !(await node.busy()), 'the node to be free');
  const { objects } = await filter(node.server, 'state=FINISHED&limit=5');
  expect(objects.map(({ attempt }) => attempt)).toEqual([1, 1]);
  expect(
    listProcesses().filter(({ pid }) => variableOf(pid, 'INPUTDIR') === `${node.home}/input` && alive(pid)),
  ).toEqual([]);
});
