import { afterAll, beforeAll, expect, test } from 'vitest';
import { newInstance, openNova, orderOf } from './connectors.js';
import { describeOpenStack } from './openstack.js';
import { type CloudPenstock, contentsOf, poll, startPenstock, xnat } from './penstock.js';
import { clear, createServer, untilStatus } from './servers.js';
import { type Session, signIn } from './session.js';

describeOpenStack('servers of others in the same project', ['fake'], (cloud) => {
  let session: Session;
  let penstock: CloudPenstock;
  let theirs: Session;
  beforeAll(async () => {
    session = await signIn(cloud);
    theirs = await signIn(cloud, cloud.other);
    await clear(session);
    penstock = await startPenstock({
      cloud,
      connector: 'nova',
      scripts: { 's.sh': 'true' },
      ssh: { CONNECT_TIMEOUT: 2 },
    });
  });
  afterAll(async () => {
    await penstock?.remove();
    await clear(session);
  });

  const untracked = async (query = '') => {
    const answer = await penstock.fetch(`/servers/untracked${query}`, { method: 'DELETE' });
    const { request, content } = (await answer.json()) as { request: string; content: string[] };
    expect([answer.status, request]).toEqual([200, 'success']);
    return content;
  };
  const ids = async () => (await contentsOf(session)).servers.map(({ id }) => id).sort();

  test('are never touched, unless an admin says so; leaks of ours go by themselves', async () => {
    const task = await penstock.post({ ...xnat, script: 's.sh' });
    const row = await penstock.untilServer(({ state }) => state === 'booting', 'our server');
    const ours = row.cloud_id ?? '';
    const { metadata } =
      (await poll(
        async () => (await contentsOf(session)).servers.find(({ id }) => id === ours),
        'our server in the cloud',
      )) ?? {};
    const instance = metadata?.['penstock-instance'] ?? '';

    // Somebody's by hand, one of the same name as ours, and one of another Penstock.
    const plain = await createServer(cloud, theirs, { name: 'theirs', flavor: 'fake.tiny' });
    const namesake = await createServer(cloud, theirs, { name: row.name, flavor: 'fake.tiny' });
    const other = openNova(cloud, newInstance());
    const otherPenstocks = await other.create(orderOf(cloud, 'another', { floatingIp: true }));
    await poll(
      () =>
        other.reach({ name: 'another', id: otherPenstocks }, orderOf(cloud, 'another', { floatingIp: true })),
      "another Penstock's server",
    );
    await other.close();
    for (const id of [plain, namesake]) await untilStatus(session, id, 'ACTIVE');

    expect(await untracked('?dry_run=1')).toEqual([]);
    expect(await untracked()).toEqual([]);
    const foreign = [plain, otherPenstocks];
    expect((await untracked('?all=1&dry_run=1')).sort()).toEqual(expect.arrayContaining(foreign));
    expect(await untracked('?all=1&dry_run=1')).not.toContain(ours);
    expect(await ids()).toEqual([ours, plain, namesake, otherPenstocks].sort());

    // What carries our mark and is in no ledger, as after a database was restored, is a leak.
    const leak = await createServer(cloud, session, {
      name: 'leak',
      flavor: 'fake.tiny',
      metadata: { 'penstock-instance': instance },
    });
    await poll(async () => !(await ids()).includes(leak), 'the leak to be deleted');
    expect(await ids()).toEqual([ours, plain, namesake, otherPenstocks].sort());

    // Ours goes without its namesake.
    await penstock.fetch(`/tasks/${task}`, { method: 'DELETE' });
    await penstock.fetch(`/api/server/${row.id}/`, { method: 'DELETE' });
    await penstock.untilDeleted();
    expect(await ids()).toEqual([plain, namesake, otherPenstocks].sort());
    expect((await contentsOf(session)).floatingIps).toHaveLength(1);

    // A task's server that is on its way stays, also when all others are to go.
    const next = await penstock.post({ ...xnat, script: 's.sh' });
    const kept = await penstock.untilServer(({ state }) => state === 'booting', 'the next server');
    expect((await untracked('?all=1')).sort()).toEqual([plain, namesake, otherPenstocks].sort());
    await poll(async () => (await ids()).length === 1, 'the others to be deleted');
    expect(await ids()).toEqual([kept.cloud_id]);
    await penstock.fetch(`/tasks/${next}`, { method: 'DELETE' });
    await penstock.fetch(`/api/server/${kept.id}/`, { method: 'DELETE' });
    await penstock.untilDeleted();
    // What another Penstock has besides its server is its own matter.
    const { floatingIps, ...rest } = await contentsOf(session);
    expect(rest).toEqual({ servers: [], ports: [], stacks: [] });
    expect(floatingIps).toHaveLength(1);
  });
});
