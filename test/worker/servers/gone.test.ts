import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { type CloudServer, gated, letGo, sshOf, startCloud, submitRunning } from '../../support/cloud.js';
import { endsOf, jobOf, leftOf, type ShownJob } from '../../support/jobs.js';
import { type Machine, noSshd, startMachine } from '../../support/sshd.js';
import { waitFor } from '../../support/wait-for.js';

let cloud: CloudServer;
let machine: Machine | null = null;
afterEach(async () => {
  letGo(cloud);
  expect(cloud.log()).not.toContain('"code":"internal"');
  await cloud.remove();
  await machine?.remove();
  machine = null;
});

/** A cancel's answer, and the job as it has ended. */
async function cancel(uuid: string): Promise<{ status: number; detail?: string; job?: ShownJob }> {
  const answer = await cloud.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' });
  return { status: answer.status, ...((await answer.json()) as object) };
}
async function endOf(uuid: string): Promise<ShownJob> {
  await waitFor(async () => (await jobOf(cloud, uuid)).state === 'FAILED', 'its end');
  expect(await endsOf(cloud, uuid)).toEqual(['fail']);
  return jobOf(cloud, uuid);
}
/** The machines of ssh.yaml are these from now on. */
async function list(machines: readonly object[]): Promise<void> {
  const file = sshOf(machine === null ? [] : [machine], { MACHINES: machines });
  writeFileSync(path.join(cloud.data, 'config/ssh.yaml'), stringify(file));
  expect((await cloud.fetch('/config', { method: 'PUT' })).status).toBe(200);
}
const other = { NAME: 'other', ADDRESS: '127.0.0.1', PORT: 9 };

describe('a cancel when the server is gone behind our back', () => {
  test('from the ledger; one that runs a job cannot be let go by its door', async () => {
    cloud = await startCloud({ IDLE_TIMEOUT: 60, RECONCILE_INTERVAL: 1 });
    const job = await submitRunning(cloud, await cloud.register(gated(cloud)));
    const { id } = await cloud.serverIn('busy');
    expect((await cloud.fetch(`/api/server/${id}/`, { method: 'DELETE' })).status).toBe(409);
    cloud.ledger('DELETE FROM "server"');
    expect(await cancel(job)).toMatchObject({ status: 200, survivors: [], job: { state: 'FAILED' } });
    expect((await endOf(job)).outcome?.cause).toBe('cancelled');
    expect(leftOf([job])).toEqual([]);
    // There is another one for the next.
    const next = await submitRunning(cloud, await cloud.register(gated(cloud)));
    expect((await cancel(next)).status).toBe(200);
  });
});

const name = 'a cancel on a real machine that is gone';
describe.skipIf(noSshd !== null)(noSshd === null ? name : `${name} (skipped: ${noSshd})`, () => {
  async function start(more: object = {}, ssh: object = {}): Promise<string> {
    machine = await startMachine();
    cloud = await startCloud(
      { CONNECTOR: 'static', IDLE_TIMEOUT: 60, RECONCILE_INTERVAL: 1 },
      sshOf([machine], { ...ssh }),
    );
    return submitRunning(cloud, await cloud.register(gated(cloud, { kill_grace: 1, ...more })));
  }

  test('at the moment when its server is given up: there is nothing left to end', async () => {
    const job = await start();
    await cloud.serverIn('busy');
    await list([other]);
    await waitFor(async () => (await cloud.servers())[0]?.state !== 'busy', 'its server to be given up');
    expect(await cancel(job)).toMatchObject({ status: 200, job: { state: 'FAILED' } });
    // What came first is told; it is not tried again after that.
    const { outcome, attempt } = await endOf(job);
    expect(['lost', 'cancelled']).toContain(outcome?.cause);
    expect(attempt).toBe(1);
  });

  test('that does not answer for longer than it may: the cancel says so, and the job is not tried again', async () => {
    const job = await start();
    machine?.cut();
    const { status, detail } = await cancel(job);
    expect([status, detail]).toEqual([502, expect.stringContaining('and may still be running: ')]);
    expect(await endOf(job)).toMatchObject({ attempt: 1, outcome: { cause: 'lost' } });
  });

  test('that is not in ssh.yaml any more: the cancel says so, and does it once the machine is there again', async () => {
    const job = await start({ executor: 'ssh', host: 'machine-1' }, { LOST_AFTER: 600 });
    const machines = sshOf([machine as Machine]).MACHINES;
    await list([other]);
    const { status, detail } = await cancel(job);
    expect([status, detail]).toEqual([
      502,
      expect.stringContaining('there is no machine machine-1 in ssh.yaml'),
    ]);
    expect((await jobOf(cloud, job)).state).toBe('RUNNING');
    await list(machines);
    expect(await cancel(job)).toMatchObject({ status: 200, survivors: [] });
    expect((await endOf(job)).outcome?.cause).toBe('cancelled');
    expect(leftOf([job])).toEqual([]);
  });
});
