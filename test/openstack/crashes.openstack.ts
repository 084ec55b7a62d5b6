import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { endsOf, historyOf } from '../support/jobs.js';
import { waitFor } from '../support/wait-for.js';
import { type Fault, type FaultyCloud, faultyCloud, type Only } from './faulty-cloud.js';
import { describeOpenStack } from './openstack.js';
import { type CloudPenstock, contentsOf, nothing, poll, startPenstock, xnat } from './penstock.js';
import { clear, type Key, makeKey, ssh } from './servers.js';
import { type Session, signIn } from './session.js';

/** As the ledger has it, the cloud has one server and it is that. */
async function expectOne(session: Session, penstock: CloudPenstock) {
  const [row, ...more] = (await penstock.ledger()).filter(({ state }) => state !== 'deleted');
  expect(more).toEqual([]);
  // A stack is there before its server.
  const servers = await poll(async () => {
    const all = (await contentsOf(session)).servers;
    return all.length > 0 ? all : null;
  }, 'the server');
  expect(servers.map(({ name }) => name)).toEqual([row?.name]);
  return row;
}

/** Kills a Penstock while the cloud keeps an answer from it, and starts it again. */
const killer =
  (faulty: () => FaultyCloud, penstock: () => CloudPenstock) =>
  async (
    service: keyof FaultyCloud['proxies'],
    fault: Fault,
    only: Only,
    begin: () => Promise<unknown>,
    meanwhile: () => Promise<void> = async () => {},
  ) => {
    const proxy = faulty().proxies[service];
    proxy.fail(fault, Number.POSITIVE_INFINITY, only);
    await begin();
    await waitFor(() => proxy.held() > 0, `${only.method} ${only.path} to be asked`, 60_000);
    await penstock().kill();
    faulty().pass();
    await meanwhile();
  };

const creates = { method: 'POST', path: /\/servers$/ };
const looks = { method: 'GET', path: /\/servers\/[0-9a-f-]{36}$/ };
const deletes = { method: 'DELETE', path: /\/servers\// };
const addresses = { method: 'POST', path: /\/floatingips$/ };
const releases = { method: 'DELETE', path: /\/floatingips\// };
const stackCreates = { method: 'POST', path: /\/stacks$/ };
const stackLooks = { method: 'GET', path: /\/stacks\/.+/ };
const stackDeletes = { method: 'DELETE', path: /\/stacks\// };

describeOpenStack('kill -9 of Penstock, with servers that nobody reaches', ['fake'], (cloud) => {
  let session: Session;
  let faulty: FaultyCloud;
  let penstock: CloudPenstock;
  const killAt = killer(
    () => faulty,
    () => penstock,
  );
  beforeAll(async () => {
    session = await signIn(cloud);
    await clear(session);
    faulty = await faultyCloud(cloud);
  });
  afterEach(async () => {
    faulty.pass();
    await penstock?.remove();
    await clear(session);
  });
  afterAll(() => faulty?.close());

  const steps = {
    nova: [
      ['compute', 'hang', creates],
      ['network', 'hang', addresses],
      ['compute', 'hang', deletes],
      ['network', 'keep-answer', releases],
    ],
    heat: [
      ['orchestration', 'hang', stackCreates],
      ['orchestration', 'keep-answer', stackCreates],
      ['orchestration', 'hang', stackLooks],
      ['orchestration', 'hang', stackDeletes],
      ['orchestration', 'keep-answer', stackDeletes],
    ],
  } as const;

  test.each([
    'nova',
    'heat',
  ] as const)('%s: while the cloud is asked for something: whether it has heard or not, there is one server, and none in the end', async (connector) => {
    const { cloud: behind } = faulty;
    const ssh = { CONNECT_TIMEOUT: 2 };
    penstock = await startPenstock({ cloud: behind, connector, scripts: { 's.sh': 'true' }, ssh });
    const of = (only: Only) => steps[connector].filter(([, , each]) => each.method === only.method);
    let task = '';
    for (const [service, fault, only] of [...of(creates), ...of(looks)]) {
      await killAt(service, fault, only, async () => {
        if (task === '') task = await penstock.post({ ...xnat, script: 's.sh' });
        else await penstock.restart();
      });
    }
    await penstock.restart();
    await penstock.untilWaits(task, /a server is booting/);
    const row = await expectOne(session, penstock);
    await penstock.fetch(`/tasks/${task}`, { method: 'DELETE' });
    expect(await penstock.task(task)).toMatchObject({ status: 'failed' });
    for (const [index, [service, fault, only]] of of(deletes).entries()) {
      await killAt(service, fault, only, () =>
        index === 0 ? penstock.fetch(`/api/server/${row?.id}/`, { method: 'DELETE' }) : penstock.restart(),
      );
    }
    await penstock.restart();
    expect(await penstock.untilDeleted()).toHaveLength(1);
    expect(await endsOf(penstock, task)).toEqual(['fail']);
    expect(await contentsOf(session)).toEqual(nothing);
  });
});

describeOpenStack('kill -9 of Penstock, through the life of a guest', ['qemu'], (cloud) => {
  let session: Session;
  let key: Key;
  let faulty: FaultyCloud;
  let penstock: CloudPenstock;
  const killAt = killer(
    () => faulty,
    () => penstock,
  );
  beforeAll(async () => {
    session = await signIn(cloud);
    await clear(session);
    key = await makeKey(session, 'crashes');
    faulty = await faultyCloud(cloud);
  });
  afterAll(async () => {
    await penstock?.remove();
    await faulty?.close();
    await clear(session);
    await key?.remove();
  });

  test('one server is made, runs its jobs once each, and goes with all that it had', async () => {
    penstock = await startPenstock({
      cloud: faulty.cloud,
      connector: 'nova',
      key,
      scripts: {
        'count.sh': `cd; echo once >>"count$TASK_SESSION"; echo begun
          until [ -e "go$TASK_SESSION" ]; do sleep 0.2; done; cat "count$TASK_SESSION"`,
      },
      application: { VIRTUAL_SERVER_TTL: 5 },
    });
    // What takes a while to be brought to the server.
    writeFileSync(path.join(penstock.scripts, 'ballast'), Buffer.alloc(16 * 1024 * 1024, 'x'));
    const made = await penstock.fetch('/api/application/', {
      json: { name: 'heavy', files: [{ path: 'ballast', script: 'ballast' }] },
    });
    expect(made.status).toBe(201);
    const count = (name: string) =>
      penstock.post({ ...xnat, session: name, script: 'count.sh', application: 'heavy' });
    const restart = () => penstock.restart();
    const stateOf = async () => (await penstock.ledger()).map(({ state }) => state);

    let first = '';
    await killAt('compute', 'keep-answer', creates, async () => {
      first = await count('1');
    });
    expect((await contentsOf(session)).servers).toHaveLength(1);
    await killAt('compute', 'hang', looks, restart);
    await killAt('network', 'keep-answer', addresses, restart, async () => {
      const { floatingIps } = await contentsOf(session);
      expect(floatingIps).toHaveLength(1);
      // It is there, but it is tied to nothing.
      for (const { id } of floatingIps)
        await session.ask('network', 'PUT', `/floatingips/${id}`, { floatingip: { port_id: null } });
    });
    await restart();
    await waitFor(() => penstock.log().includes('"state":"ready"'), 'the server to be ready', 120_000);
    await penstock.kill();
    await restart();
    expect(await stateOf()).toEqual(['ready']);
    const begun = () => penstock.fetch(`/tasks/${first}/stdout`).then(async (answer) => await answer.text());
    await waitFor(async () => (await begun()).includes('begun'), 'the first task to run', 120_000);
    await penstock.kill();
    await restart();
    const server = await expectOne(session, penstock);
    expect(server).toMatchObject({ state: 'busy', uses: 1 });
    const go = (name: string) => ssh(server?.address ?? '', key, `touch /home/debian/go${name}`);
    await go('1');
    expect(await penstock.untilEnded(first)).toMatchObject({ status: 'finished' });
    expect(await begun()).toBe('begun\nonce\n');
    await penstock.untilServer(({ state }) => state === 'idle', 'the server to be idle');
    await penstock.kill();
    await restart();
    const second = await count('2');
    await go('2');
    expect(await penstock.untilEnded(second)).toMatchObject({
      status: 'finished',
      task: { server: server?.name },
    });
    for (const task of [first, second]) {
      expect(await endsOf(penstock, task)).toEqual(['finish']);
      const runs = (await historyOf(penstock, task)).filter(({ name }) => name === 'run');
      expect(runs).toHaveLength(1);
    }
    await killAt('compute', 'keep-answer', deletes, () =>
      penstock.fetch(`/api/server/${server?.id}/`, { method: 'DELETE' }),
    );
    await killAt('network', 'hang', releases, restart);
    await restart();
    expect(await penstock.untilDeleted()).toMatchObject([{ name: server?.name, uses: 2 }]);
    expect(await contentsOf(session)).toEqual(nothing);
  });
});
