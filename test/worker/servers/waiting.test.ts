import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type CloudServer,
  expectOrder,
  gated,
  letGo,
  startCloud,
  submitRunning,
} from '../../support/cloud.js';
import { endsOf, everyEnd, jobOf, submit } from '../../support/jobs.js';
import { waitFor } from '../../support/wait-for.js';

let cloud: CloudServer;
beforeAll(async () => {
  cloud = await startCloud({ MAX_ACTIVE_TASKS: 1, IDLE_TIMEOUT: 60 });
});
afterAll(() => cloud.remove());

const application = async (body: Record<string, unknown>): Promise<number> => {
  const answer = await cloud.fetch('/api/application/', { json: body });
  expect(answer.status).toBe(201);
  return Number(/(\d+)\/$/.exec(answer.headers.get('location') ?? '')?.[1]);
};
const run = async (definition: number, json: Record<string, unknown>) => {
  const answer = await cloud.fetch(`/api/process_definition/${definition}/run/`, { json });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
};
const waiting = (uuid: string, reason: RegExp) =>
  waitFor(async () => reason.test((await jobOf(cloud, uuid)).waiting ?? ''), `${uuid} to wait: ${reason}`);

test('what could never have a server is refused at once, whatever the body is, and says what is wrong', async () => {
  await application({ name: 'genes' });
  await application({ name: 'heaven', connector: 'heat' });
  const definition = await cloud.register({ exec: 'true', executor: 'cloud' });
  expect(await run(definition, { application: 'gene' })).toMatchObject({
    status: 400,
    body: {
      errors: [{ pointer: '/application', detail: 'there is no application "gene"; did you mean genes?' }],
    },
  });
  expect(await run(definition, { application: 'heaven' })).toMatchObject({
    status: 400,
    body: {
      errors: [{ pointer: '/executor', detail: expect.stringContaining('heat.yaml in the config folder') }],
    },
  });
  expect(await run(definition, { executor: 'ssh', host: 'mars' })).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: '/host', detail: expect.stringContaining('there is no machine mars') }] },
  });
  const nowhere = await cloud.register({ exec: 'true', executor: 'cloud', application: 'nowhere' });
  await expect(submit(cloud, nowhere, 'bytes')).rejects.toThrow(
    /there is no application .*nowhere.*; there are:/,
  );
  const { total_count } = (
    (await (await cloud.fetch('/api/job/')).json()) as { meta: { total_count: number } }
  ).meta;
  expect(total_count).toBe(0);
});

test('a job whose servers nobody makes any more says so while it waits, and runs when somebody does', async () => {
  const definition = await cloud.register({ exec: 'true', executor: 'cloud' });
  const busy = await submitRunning(cloud, await cloud.register(gated(cloud)));
  const job = await submit(cloud, definition);
  await cloud.configure({ CONNECTOR: null, MAX_ACTIVE_TASKS: 2, MAX_SERVERS: 2 });
  await waiting(
    job,
    /the application default has no connector: set connector in the application, or CONNECTOR in application\.yaml/,
  );
  await expect(submit(cloud, definition)).rejects.toThrow(/has no connector/);
  await cloud.configure({});
  letGo(cloud);
  await everyEnd(cloud, [busy, job]);
  await expectOrder(cloud, [busy, job]);
});

test('an application is kept while its jobs wait; if it is gone all the same, they are told so, and end once', async () => {
  const id = await application({ name: 'short', max_servers: 1 });
  const definition = await cloud.register(gated(cloud, { application: 'short', argv: ['-c', 'sleep 300'] }));
  await cloud.configure({ MAX_SERVERS: 1, MAX_ACTIVE_TASKS: 3 });
  const first = await submit(cloud, definition);
  await waitFor(async () => (await jobOf(cloud, first)).state === 'RUNNING', 'the first to run');
  const second = await submit(cloud, definition);
  await waiting(second, /the limit of 1 server of the application short is reached/);
  expect((await cloud.fetch(`/api/application/${id}/`, { method: 'DELETE' })).status).toBe(409);
  await cloud.kill();
  cloud.ledger('DELETE FROM application WHERE id = ?', id);
  await cloud.restart();
  expect(await jobOf(cloud, second, 30)).toMatchObject({
    state: 'FAILED',
    attempt: 1,
    outcome: { cause: 'platform', reason: 'the application short no longer exists' },
  });
  expect(await endsOf(cloud, second)).toEqual(['fail']);
  expect((await jobOf(cloud, first)).state).toBe('RUNNING');
  await cloud.fetch(`/api/job/${first}/cancel/`, { method: 'POST' });
  await waitFor(
    async () =>
      (await cloud.servers()).filter((one) => one.application === 'short' && one.state !== 'deleted')
        .length === 0,
    'its server to go',
  );
});

test('who is cancelled while it waits for a server leaves the others their turn', async () => {
  await cloud.configure({ MAX_SERVERS: 1, MAX_ACTIVE_TASKS: 3, IDLE_TIMEOUT: 0 });
  const hold = await cloud.register({ exec: 'sleep', argv: ['300'], executor: 'cloud' });
  const quick = await cloud.register({ exec: 'true', executor: 'cloud' });
  const first = await submit(cloud, hold);
  await waitFor(async () => (await jobOf(cloud, first)).state === 'RUNNING', 'the first to run');
  const [second, third] = [await submit(cloud, hold), await submit(cloud, quick)];
  await waiting(second, /limit of 1 server/);
  for (const uuid of [second, first]) {
    const answer = await cloud.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' });
    expect(answer.status).toBe(200);
    expect(await jobOf(cloud, uuid)).toMatchObject({ state: 'FAILED', outcome: { cause: 'cancelled' } });
  }
  await everyEnd(cloud, [third]);
  await waitFor(
    async () => (await cloud.servers()).every(({ state }) => state === 'deleted'),
    'the servers to go',
  );
  await expectOrder(cloud, [first, second, third]);
});

test('an application whose servers cannot be had keeps the jobs of no other waiting', async () => {
  await cloud.configure({ MAX_ACTIVE_TASKS: 1 });
  await application({ name: 'listed', connector: 'local' });
  const stuck = await cloud.register({ exec: 'true', executor: 'cloud' });
  const other = await cloud.register({ exec: 'true', executor: 'cloud', application: 'listed' });
  const first = await submit(cloud, stuck);
  await everyEnd(cloud, [first]);
  // One that waits forever: the default application has no connector.
  const hold = await cloud.register({ exec: 'sleep', argv: ['300'], executor: 'cloud' });
  const running = await submit(cloud, hold);
  await waitFor(async () => (await jobOf(cloud, running)).state === 'RUNNING', 'one to run');
  const waits = await submit(cloud, stuck);
  await cloud.configure({ CONNECTOR: null, MAX_ACTIVE_TASKS: 1 });
  await cloud.fetch(`/api/job/${running}/cancel/`, { method: 'POST' });
  await waiting(waits, /has no connector/);
  const job = await submit(cloud, other);
  await everyEnd(cloud, [job]);
  expect((await jobOf(cloud, waits)).state).toBe('CREATED');
  await cloud.configure({});
  await everyEnd(cloud, [waits]);
});

test('an application that is changed lets its servers go, when their jobs have ended, and new ones are made', async () => {
  const id = await application({ name: 'changing' });
  const definition = await cloud.register({ exec: 'true', executor: 'cloud', application: 'changing' });
  const first = await submit(cloud, definition);
  await everyEnd(cloud, [first]);
  const changed = await cloud.fetch(`/api/application/${id}/`, { method: 'PATCH', json: { ssh_user: 'me' } });
  expect(changed.status).toBeLessThan(300);
  const own = async () => (await cloud.servers()).filter((one) => one.application === 'changing');
  await waitFor(async () => (await own()).every(({ state }) => state === 'deleted'), 'the first to go');
  const second = await submit(cloud, definition);
  await everyEnd(cloud, [second]);
  expect(await own()).toMatchObject([{ reason: 'its application has changed', uses: 1 }, { uses: 1 }]);
});

test('so many are kept idle as are to be, up to what there may be', async () => {
  await application({ name: 'warm', min_idle: 2, idle_timeout: 0 });
  const warm = async () =>
    (await cloud.servers()).filter((one) => one.application === 'warm' && one.state === 'idle').length;
  await cloud.configure({ MAX_SERVERS: 4 });
  await waitFor(async () => (await warm()) === 2, 'two idle ones');
  await cloud.configure({ MAX_SERVERS: 4, IDLE_TIMEOUT: 0 });
  expect(await warm()).toBe(2);
});
