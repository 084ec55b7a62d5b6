import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { endsOf, historyOf } from '../support/jobs.js';
import { limitNeutron, limitNova } from './faults.js';
import { type Fault, type FaultyCloud, faultyCloud } from './faulty-cloud.js';
import { describeOpenStack } from './openstack.js';
import { type CloudPenstock, contentsOf, nothing, poll, startPenstock, xnat } from './penstock.js';
import { clear } from './servers.js';
import { type Session, signIn } from './session.js';

/** It is being made: nobody answers there, which is told after a while. */
const booting = /^a server is booting$|^the server cannot be used yet: debian@/;
const task = { ...xnat, script: 's.sh' };

describeOpenStack('tasks that wait for a cloud', ['fake'], (cloud) => {
  let session: Session;
  let admin: Session;
  let faulty: FaultyCloud;
  let penstock: CloudPenstock | undefined;
  const start = async (more: Partial<Parameters<typeof startPenstock>[0]> = {}) => {
    penstock = await startPenstock({
      cloud: faulty.cloud,
      connector: 'nova',
      scripts: { 's.sh': 'true' },
      ssh: { CONNECT_TIMEOUT: 2 },
      ...more,
    });
    return penstock;
  };
  beforeAll(async () => {
    session = await signIn(cloud);
    admin = await signIn(cloud, cloud.admin, { project: 'admin' });
    await clear(session);
    faulty = await faultyCloud(cloud);
  });
  afterEach(async () => {
    faulty.pass();
    await penstock?.remove();
    await clear(session);
  });
  afterAll(() => faulty?.close());

  /** Waits until a task's server is made after all, and lets both go. */
  async function goesOn(running: CloudPenstock, id: string): Promise<void> {
    await running.untilWaits(id, booting);
    const server = await running.untilServer(({ state }) => state === 'booting', 'a server that boots');
    await running.fetch(`/tasks/${id}`, { method: 'DELETE' });
    await running.fetch(`/api/server/${server.id}/`, { method: 'DELETE' });
    await running.untilDeleted();
    expect(await contentsOf(session)).toEqual(nothing);
    // However often it was in vain: it has ended once, and that was no attempt of its own.
    expect(await endsOf(running, id)).toEqual(['fail']);
    const resets = (await historyOf(running, id)).filter(({ name }) => name === 'reset');
    expect(resets.map(({ data }) => data?.outcome)).toEqual([]);
  }

  /** Closes the fake compute to new servers. */
  async function closeCompute(): Promise<() => Promise<void>> {
    const { services } = await admin.ask('compute', 'GET', '/os-services?binary=nova-compute');
    const { aggregates } = await admin.ask('compute', 'GET', '/os-aggregates');
    const hosts = aggregates.find(({ name }: { name: string }) => name === 'fake').hosts as string[];
    const { id } = services.find(({ host }: { host: string }) => hosts.includes(host));
    const set = (status: string) => admin.ask('compute', 'PUT', `/os-services/${id}`, { status });
    await set('disabled');
    return () => set('enabled');
  }

  const obstacles = {
    'the quota of servers': {
      put: () => limitNova(admin, session.project, { instances: 0 }),
      reason: /quota exceeded for instances/i,
    },
    'the quota of floating IPs': {
      put: () => limitNeutron(admin, session.project, { floatingip: 0 }),
      reason: /quota.*floatingip/i,
    },
    'the quota of ports': {
      put: () => limitNeutron(admin, session.project, { port: 0 }),
      reason: /quota.*port|number of (defined )?ports/i,
    },
    'no valid host': { put: closeCompute, reason: /no valid host/i },
  };

  // Heat's stacks take their time; that it tells all of these is tested of the connector.
  test.each([
    ['nova', Object.keys(obstacles)],
    ['heat', ['the quota of servers', 'the quota of floating IPs']],
  ] as [
    'nova' | 'heat',
    (keyof typeof obstacles)[],
  ][])('%s: quotas and no valid host: the reason is told, and the task goes on when it is over', async (connector, those) => {
    const running = await start({ connector });
    for (const what of those) {
      const { put, reason } = obstacles[what];
      const takeBack = await put();
      const id = await running.post(task);
      try {
        await running.untilWaits(id, reason);
        const { status, task: shown } = await running.task(id);
        expect([what, status, shown.state]).toEqual([what, 'active', 'CREATED']);
      } finally {
        await takeBack();
      }
      await goesOn(running, id);
    }
  });

  test.each([
    ['503', { status: 503 }, /answered 503/],
    ['a reset connection', 'reset', /did not answer/],
    ['an API that hangs', 'hang', /did not answer within 1 s/],
  ] as [
    string,
    Fault,
    RegExp,
  ][])('%s: told, and gone on with, whether the server is being asked for or booting', async (_, fault, reason) => {
    const running = await start({ file: { REQUEST_TIMEOUT: 1, REQUEST_RETRIES: 0 } });
    faulty.proxies.compute.fail(fault, Number.POSITIVE_INFINITY, { method: 'POST' });
    const id = await running.post(task);
    await running.untilWaits(id, reason);
    faulty.pass();
    await running.untilWaits(id, booting);
    faulty.proxies.compute.fail(fault, Number.POSITIVE_INFINITY);
    await running.untilWaits(id, reason);
    await poll(async () => running.log().includes('cannot list the servers of a cloud'), 'a look in vain');
    faulty.pass();
    await goesOn(running, id);
  });

  test('a token that is refused, or ends: nobody notices', async () => {
    const running = await start({ cloud: { ...cloud, authUrl: cloud.shortAuthUrl } });
    const began = Date.now();
    const id = await running.post(task);
    await running.untilWaits(id, booting);
    await poll(async () => Date.now() - began > cloud.shortTokenSeconds * 1000, 'the first token to end');
    await goesOn(running, id);
    expect(running.log()).not.toMatch(/cannot be (listed|deleted)/);
    await running.remove();

    const other = await start();
    faulty.proxies.compute.fail({ status: 401 }, 1, { method: 'POST', path: /servers$/ });
    faulty.proxies.network.fail({ status: 401 }, 1, { method: 'POST', path: /floatingips$/ });
    await goesOn(other, await other.post(task));
    expect(faulty.proxies.compute.requests.filter(({ status }) => status === 401)).toHaveLength(1);
    expect(other.log()).not.toMatch(/cannot be (listed|deleted)/);
  });

  test('a guest that never answers: its task is tried on another, and fails with the reason when that was enough', async () => {
    const tries = { MAX_CONNECTION_RETRIES: 4, CONNECTION_RETRY_INTERVAL: 3 };
    const running = await start({
      file: tries,
      ssh: { ...tries, CONNECT_TIMEOUT: 2 },
      application: { MAX_TASK_ATTEMPTS: 2 },
    });
    const id = await running.post(task);
    await running.untilWaits(id, /debian@198\.51\.100\.\d+ (cannot be reached|did not answer)/);
    expect(await running.untilEnded(id)).toMatchObject({
      status: 'failed',
      task: { reason: expect.stringMatching(/could not be used within 12 s: debian@198\.51\.100\.\d+/) },
    });
    const servers = await running.untilDeleted();
    expect(servers).toHaveLength(2);
    const names = (await historyOf(running, id)).map(({ name }) => name);
    expect(names.filter((name) => name === 'reset')).toHaveLength(1);
    expect(await endsOf(running, id)).toEqual(['fail']);
    expect(await contentsOf(session)).toEqual(nothing);
  });
});
