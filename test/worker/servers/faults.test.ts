import { afterEach, describe, expect, test } from 'vitest';
import {
  type CloudServer,
  expectOrder,
  gated,
  letGo,
  sshOf,
  startCloud,
  submitRunning,
} from '../../support/cloud.js';
import { endsOf, everyEnd, historyOf, jobOf, submit } from '../../support/jobs.js';
import { atPace } from '../../support/pace.js';
import { type Machine, noSshd, startMachine } from '../../support/sshd.js';
import { waitFor } from '../../support/wait-for.js';

let machines: Machine[] = [];
let cloud: CloudServer;

/** A cloud of so many machines, and how it tries to reach them. */
async function start(
  count: number,
  application: Record<string, unknown> = {},
  ssh: Record<string, unknown> = {},
): Promise<void> {
  machines = [];
  for (let each = 0; each < count; each += 1) machines.push(await startMachine());
  cloud = await startCloud(
    { CONNECTOR: 'static', IDLE_TIMEOUT: 60, MAX_ACTIVE_TASKS: count, ...application },
    sshOf(machines, ssh),
  );
}
afterEach(async () => {
  await cloud?.remove();
  for (const machine of machines) await machine.remove();
});

/** The machine that a job runs on. */
async function machineOf(uuid: string): Promise<Machine> {
  const runs = async () => (await historyOf(cloud, uuid)).filter(({ name }) => name === 'run');
  // The program may be ahead of what is told of it.
  await waitFor(async () => (await runs()).length > 0, 'the job to be told as running');
  const run = (await runs()).at(-1);
  const server = (await cloud.servers()).find(({ name }) => name === run?.data?.host);
  const found = machines.find(({ address }) => address === (server as { address?: string }).address);
  if (found === undefined) throw new Error(`${uuid} runs nowhere`);
  return found;
}
const cancel = (uuid: string) => cloud.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' });

const name = 'a cloud of real machines';
describe.skipIf(noSshd !== null)(noSshd === null ? name : `${name} (skipped: ${noSshd})`, () => {
  test('one that dies while it runs a job: the job is told so, and goes on another, once', async () => {
    await start(2);
    const job = await submitRunning(cloud, await cloud.register(gated(cloud)));
    (await machineOf(job)).cut();
    await waitFor(async () => (await jobOf(cloud, job)).attempt === 2, 'a second attempt');
    letGo(cloud);
    await everyEnd(cloud, [job]);
    expect(await jobOf(cloud, job)).toMatchObject({ state: 'FINISHED', attempt: 2 });
    const reset = (await historyOf(cloud, job)).find(({ name }) => name === 'reset');
    expect(reset?.data).toMatchObject({
      outcome: { cause: 'lost', reason: expect.stringMatching(/is unknown: for \d+ s, /) },
    });
    const servers = await cloud.servers();
    expect(servers).toHaveLength(2);
    expect(servers[0]?.reason).toMatch(/How the program ended is unknown/);
    expect(await endsOf(cloud, job)).toEqual(['finish']);
  });

  test('none that answers: the job has its attempts, and then has failed, with the reason', async () => {
    await start(1, { MAX_TASK_ATTEMPTS: 2 }, { MAX_CONNECTION_RETRIES: 1 });
    await machines[0]?.killSshd();
    const job = await submit(cloud, await cloud.register({ exec: 'true', executor: 'cloud' }));
    await everyEnd(cloud, [job], 60_000);
    expect(await jobOf(cloud, job)).toMatchObject({
      state: 'FAILED',
      outcome: {
        cause: 'platform',
        reason: expect.stringMatching(/could not be used within 1 s: .*refused/i),
      },
    });
    await waitFor(async () => (await cloud.servers()).every(({ state }) => state === 'deleted'), 'no server');
    expect((await historyOf(cloud, job)).filter(({ name }) => name === 'reset')).toHaveLength(1);
  });

  test('killed while it boots: its server is reached after the restart, and the job runs once', async () => {
    await start(1);
    await machines[0]?.killSshd();
    letGo(cloud);
    const job = await submit(cloud, await cloud.register(gated(cloud)));
    await cloud.serverIn('booting');
    await cloud.kill();
    await machines[0]?.startSshd();
    await cloud.restart();
    await everyEnd(cloud, [job]);
    expect(cloud.lines('ran')).toEqual([job]);
    await cloud.serverIn('idle');
    await expectOrder(cloud, [job]);
    expect(await cloud.servers()).toHaveLength(1);
  });

  test('cancelled while its server boots, or while its files are sent: it ends at once', async () => {
    // A dead link is noticed after a minute: whatever ends sooner did not wait for that.
    await start(1, {}, { KEEPALIVE_INTERVAL: 20, LOST_AFTER: 600 });
    const definition = await cloud.register({ exec: 'cat', executor: 'cloud' });
    await machines[0]?.killSshd();
    const booting = await submit(cloud, definition);
    await cloud.serverIn('booting');
    expect((await cancel(booting)).status).toBe(200);
    expect(await jobOf(cloud, booting)).toMatchObject({ state: 'FAILED', outcome: { cause: 'cancelled' } });
    await machines[0]?.startSshd();
    await cloud.serverIn('idle');
    machines[0]?.freeze();
    const sending = await submit(cloud, definition, 'bytes');
    await cloud.serverIn('busy');
    const before = Date.now();
    expect((await cancel(sending)).status).toBe(200);
    expect(Date.now() - before).toBeLessThan(atPace(20_000));
    expect(await jobOf(cloud, sending)).toMatchObject({ state: 'FAILED', outcome: { cause: 'cancelled' } });
    machines[0]?.thaw();
    const after = await submit(cloud, definition, 'more');
    await everyEnd(cloud, [after], 60_000);
    expect((await jobOf(cloud, after)).state).toBe('FINISHED');
  });
});
