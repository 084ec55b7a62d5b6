import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { listProcesses, variableOf } from '../../../src/drivers/processes/processes.js';
import { filter, jobOf, submit } from '../../support/jobs.js';
import { type Node, startNode } from '../../support/node-home.js';
import { waitFor } from '../../support/wait-for.js';

let node: Node;
afterEach(async () => {
  await node.end();
});

/** A job of somebody else's that goes on until it is let go. */
async function elsewhere(): Promise<{ uuid: string; release: () => void }> {
  const go = path.join(node.aside, 'go');
  const user = await node.server.addUser('somebody');
  const wait = `until [ -e ${go} ]; do sleep 0.02; done`;
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
});

test('a run starts at once, however many jobs of others run and wait', async () => {
  node = await startNode({ run: 'echo x >output/x' }, {}, { MAX_RUNNING_JOBS: 1, MAX_QUEUED_JOBS: 1 });
  const other = await elsewhere();
  const id = await node.server.register({ exec: '/bin/true' });
  const waiting = await submit(node.server, id);
  expect((await node.server.fetch(`/api/process_definition/${id}/run/`, { method: 'POST' })).status).toBe(
    429,
  );
  const { json, headers } = await node.post('run', { timeout: 5 });
  expect(json).toMatchObject({ result: { x: 'x\n' }, message: { returncode: 0 } });
  expect((await jobOf(node.server, String(headers['x-job-uuid']))).state).toBe('FINISHED');
  expect((await filter(node.server, 'state=CREATED')).objects.map(({ uuid }) => uuid)).toEqual([waiting]);
  expect(await node.busy()).toBe(false);
  other.release();
  expect((await jobOf(node.server, waiting, 10)).state).toBe('FINISHED');
});
