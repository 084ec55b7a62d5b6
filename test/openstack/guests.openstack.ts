import { afterAll, beforeAll, expect, test } from 'vitest';
import { endsOf, historyOf } from '../support/jobs.js';
import { crash } from './faults.js';
import { describeOpenStack } from './openstack.js';
import { type CloudPenstock, contentsOf, nothing, poll, startPenstock, xnat } from './penstock.js';
import { clear, deleteServer, type Key, makeKey, ssh } from './servers.js';
import { type Session, signIn } from './session.js';

describeOpenStack('guests that die', ['qemu'], (cloud) => {
  let session: Session;
  let admin: Session;
  let key: Key;
  let penstock: CloudPenstock;
  beforeAll(async () => {
    session = await signIn(cloud);
    admin = await signIn(cloud, cloud.admin, { project: 'admin' });
    await clear(session);
    key = await makeKey(session, 'guests');
  });
  afterAll(async () => {
    await penstock?.remove();
    await clear(session);
    await key?.remove();
  });

  test('are replaced, and their tasks are run on others: whether they were idle or had one, were stopped or deleted', async () => {
    penstock = await startPenstock({
      cloud,
      connector: 'nova',
      key,
      scripts: { 'quick.sh': 'hostname', 'long.sh': 'cd; until [ -e go ]; do sleep 0.2; done; hostname' },
      application: { VIRTUAL_SERVER_TTL: 5, MAX_TASK_ATTEMPTS: 3, MAX_SERVERS: 2 },
      ssh: { KEEPALIVE_INTERVAL: 1, CONNECT_TIMEOUT: 3 },
    });
    const stateOf = (name: string | null, state: string) =>
      penstock.untilServer((one) => one.name === name && one.state === state, `${name} to be ${state}`);
    const resetsOf = async (id: string) =>
      (await historyOf(penstock, id)).filter(({ name }) => name === 'reset').map(({ data }) => data?.outcome);
    const runsOf = async (id: string) =>
      (await historyOf(penstock, id)).filter(({ name }) => name === 'run').map(({ data }) => data?.host);

    const quick = await penstock.post({ ...xnat, script: 'quick.sh' });
    const { task: first } = await penstock.untilEnded(quick);
    const idle = await stateOf(first.server, 'idle');

    // It dies while it is idle, and is given a task before anybody can know.
    await crash(cloud, admin, idle.cloud_id ?? '');
    const task = await penstock.post({ ...xnat, script: 'long.sh' });
    const second = await penstock.untilServer(
      ({ name, state }) => name !== idle.name && state === 'busy',
      'another server to have the task',
      120_000,
    );
    expect(await resetsOf(task)).toMatchObject([{ cause: expect.stringMatching(/platform|lost/) }]);
    await stateOf(idle.name, 'deleted');

    // It is deleted behind our back while it runs the task.
    await poll(async () => (await runsOf(task)).includes(second.name), 'the task to run there');
    await deleteServer(session, second.cloud_id ?? '');
    const third = await penstock.untilServer(
      ({ name, state }) => ![idle.name, second.name].includes(name) && state === 'busy',
      'a third server to have the task',
      60_000,
    );
    expect((await resetsOf(task))[1]).toMatchObject({
      cause: 'lost',
      reason: expect.stringContaining('deleted behind our back'),
    });
    await ssh(third.address ?? '', key, 'touch /home/debian/go');
    expect(await penstock.untilEnded(task)).toMatchObject({
      status: 'finished',
      task: { exit_code: 0, server: third.name },
    });
    expect(await (await penstock.fetch(`/tasks/${task}/stdout`)).text()).toBe(`${third.name}\n`);
    expect(await endsOf(penstock, task)).toEqual(['finish']);

    // The last one is deleted while it is idle: what it had besides is given back.
    await stateOf(third.name, 'idle');
    await deleteServer(session, third.cloud_id ?? '');
    const gone = await stateOf(third.name, 'deleted');
    expect(gone.reason).toContain('deleted behind our back');
    await penstock.untilDeleted();
    expect(await contentsOf(session)).toEqual(nothing);
  });
});
