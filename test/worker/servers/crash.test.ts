import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type CloudServer,
  expectOrder,
  gated,
  letGo,
  makePipe,
  startCloud,
  submitRunning,
} from '../../support/cloud.js';
import { everyEnd, historyOf, jobOf, submit } from '../../support/jobs.js';
import { waitFor } from '../../support/wait-for.js';

let cloud: CloudServer;
beforeEach(async () => {
  cloud = await startCloud({ IDLE_TIMEOUT: 60, MAX_ACTIVE_TASKS: 1 });
});
afterEach(() => cloud.remove());

/** The one server of the ledger, set as a crash would leave it while ours does not run. */
const set = (columns: string, ...values: unknown[]) =>
  cloud.ledger(`UPDATE server SET ${columns} WHERE state != 'deleted'`, ...values);

describe('after kill -9 while the only server is', () => {
  test('requested: it is ordered once more, under its name', async () => {
    const definition = await cloud.register(gated(cloud));
    letGo(cloud);
    await everyEnd(cloud, [await submit(cloud, definition)]);
    await cloud.kill();
    set("state = 'requested', cloud_id = NULL, reach = NULL, uses = 0");
    cloud.ledger('DELETE FROM server_use');
    await cloud.restart();
    const job = await submit(cloud, definition);
    await everyEnd(cloud, [job]);
    expect(await cloud.servers()).toMatchObject([{ uses: 1, jobs: [{ job: `/api/job/${job}/` }] }]);
  });

  test('being prepared: its files are put there anew, and the job that waits for it runs once', async () => {
    makePipe(cloud.file('scripts/setup'));
    const made = await cloud.fetch('/api/application/', {
      json: { name: 'slow', files: [{ path: 'setup', script: 'setup' }] },
    });
    expect(made.status).toBe(201);
    const job = await submit(cloud, await cloud.register(gated(cloud, { application: 'slow' })));
    await cloud.serverIn('ready');
    await cloud.kill();
    rmSync(cloud.file('scripts/setup'));
    writeFileSync(cloud.file('scripts/setup'), 'set up');
    letGo(cloud);
    await cloud.restart();
    await everyEnd(cloud, [job]);
    expect(cloud.lines('ran')).toEqual([job]);
    expect(cloud.lines('remote/setup')).toEqual(['set up']);
    await expectOrder(cloud, [job]);
    expect(await cloud.servers()).toHaveLength(1);
  });

  test('busy: its job goes on, and is taken up once', async () => {
    const definition = await cloud.register(gated(cloud));
    const first = await submitRunning(cloud, definition);
    const second = await submit(cloud, definition);
    await cloud.kill();
    await cloud.restart();
    letGo(cloud);
    await everyEnd(cloud, [first, second]);
    expect(cloud.lines('ran')).toEqual([first, second]);
    await expectOrder(cloud, [first, second]);
    expect(await cloud.servers()).toMatchObject([{ uses: 2 }]);
  });

  test('given to a job that was not begun there: that was no use', async () => {
    const definition = await cloud.register(gated(cloud));
    const first = await submitRunning(cloud, definition);
    const second = await submit(cloud, definition);
    await waitFor(async () => (await jobOf(cloud, second)).waiting !== null, 'the second to wait');
    await cloud.kill();
    // As if another server had just been given to the second, which was not begun there.
    const columns =
      'application, revision, connector, "order", cloud_id, state, reach, created, updated, booted';
    cloud.ledger(`INSERT INTO server (name, uses, ${columns}) SELECT 'other', 1, ${columns} FROM server`);
    cloud.ledger(
      "INSERT INTO server_use (server_id, job_id, attempt, started) SELECT server.id, job.id, 1, server.created FROM server, job WHERE server.name = 'other' AND job.uuid = ?",
      second,
    );
    letGo(cloud);
    await cloud.restart();
    await everyEnd(cloud, [first, second]);
    expect(cloud.lines('ran')).toEqual([first, second]);
    await cloud.serverIn('idle');
    await expectOrder(cloud, [first, second]);
    expect((await cloud.servers()).map(({ uses }) => uses).sort()).toEqual([0, 2]);
  });

  test('busy, with a job that has ended by then: it is looked at, and used again', async () => {
    const definition = await cloud.register(gated(cloud));
    letGo(cloud);
    const first = await submit(cloud, definition);
    await everyEnd(cloud, [first]);
    await cloud.serverIn('idle');
    await cloud.kill();
    set("state = 'busy', idle_since = NULL");
    cloud.ledger('UPDATE server_use SET ended = NULL');
    await cloud.restart();
    await cloud.serverIn('idle');
    const second = await submit(cloud, definition);
    await everyEnd(cloud, [second]);
    await expectOrder(cloud, [first, second]);
    expect(await cloud.servers()).toMatchObject([{ uses: 2 }]);
  });

  test.each([
    ['idle', "idle_since = '2026-01-01T00:00:00.000+00:00'"],
    ['in error', "state = 'error', reason = 'broken'"],
    ['being deleted', "state = 'deleting', reason = 'it was idle for 60 s'"],
  ])('%s: it goes, as it would have', async (_, columns) => {
    letGo(cloud);
    const job = await submit(cloud, await cloud.register(gated(cloud)));
    await everyEnd(cloud, [job]);
    await cloud.serverIn('idle');
    await cloud.kill();
    set(columns);
    await cloud.restart();
    expect(await cloud.serverIn('deleted')).toMatchObject({
      reason: expect.stringMatching(/idle for 60 s|broken/),
    });
    await expectOrder(cloud, [job]);
  });
});

test('what a task wants of its server is known after kill -9, and a task that waits for one gets it', async () => {
  writeFileSync(
    cloud.file('scripts/wait.sh'),
    `echo $TASK_SUBJECT >>${cloud.file('ran')}; until [ -e ${cloud.file('go')} ]; do sleep 0.05; done\n`,
  );
  const task = (subject: string) => ({
    type: 'xnat',
    project: 'p',
    subject,
    session: 's',
    host: 'h',
    user: 'u',
    pwd: 'p',
    script: 'wait.sh',
    image: 'other',
  });
  const answer = await cloud.fetch('/tasks', { json: [task('1'), task('2')] });
  const { content } = (await answer.json()) as { content: { task: { id: string } }[] };
  const ids = content.map((one) => one.task.id);
  await waitFor(() => cloud.lines('ran').length === 1, 'the first task to run');
  await cloud.kill();
  await cloud.restart();
  letGo(cloud);
  await everyEnd(cloud, ids);
  expect(cloud.lines('ran')).toEqual(['1', '2']);
  await expectOrder(cloud, ids);
});

test('stopped politely while jobs wait: none is begun on the way out, and all are after the next start', async () => {
  const definition = await cloud.register(gated(cloud));
  const first = await submitRunning(cloud, definition);
  const others = await Promise.all([submit(cloud, definition), submit(cloud, definition)]);
  await cloud.stop();
  expect(cloud.lines('ran')).toEqual([first]);
  letGo(cloud);
  await cloud.restart();
  await everyEnd(cloud, [first, ...others]);
  expect(cloud.lines('ran').sort()).toEqual([first, ...others].sort());
  await expectOrder(cloud, [first, ...others]);
  for (const uuid of others)
    expect((await historyOf(cloud, uuid)).filter(({ name }) => name === 'run')).toHaveLength(1);
});
