import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addExternalJobs } from '../../support/external-jobs.js';
import { type FollowedEvent, type Follower, followJobs } from '../../support/follow.js';
import { everyEnd, jobOf, submit } from '../../support/jobs.js';
import { actor, manager } from '../../support/manager.js';
import { atPace } from '../../support/pace.js';
import { ask } from '../../support/raw.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
let quick: number;
let ada: Login;
beforeAll(async () => {
  server = await startServer({ application: { MAX_RUNNING_JOBS: 8 } });
  quick = await server.register({ exec: '/bin/true' });
  ada = await server.addUser('ada');
});
afterAll(() => server.remove());

/** The ids of the events in the database, in their order: of those that are not hidden. */
function stored(where = 'NOT j."hidden"'): number[] {
  const database = new Database(path.join(server.data, 'penstock.sqlite'), { readonly: true });
  const ids = database
    .prepare(
      `SELECT e."id" FROM "job_event" AS e JOIN "job" AS j ON j."id" = e."job_id" WHERE ${where} ORDER BY e."id"`,
    )
    .pluck()
    .all() as number[];
  database.close();
  return ids;
}

const idsOf = (follower: Follower) => follower.received.map(({ id }) => id);
const has = (follower: Follower, count: number) =>
  waitFor(() => follower.received.length >= count, `${count} events`);

async function run(count: number, as?: Login): Promise<string[]> {
  const definition = as === undefined ? quick : await server.register({ exec: '/bin/true' }, as);
  const uuids = await Promise.all(Array.from({ length: count }, () => submit(server, definition, 'x', as)));
  await everyEnd(server, uuids, 30_000);
  return uuids;
}

test('the events of several jobs at once arrive complete, once, in order', async () => {
  const follower = await followJobs(server);
  const before = Number(follower.place());
  const uuids = await run(20);
  await has(follower, 60);
  follower.cut();
  expect(idsOf(follower)).toEqual(stored(`e."id" > ${before}`));
  for (const uuid of uuids) {
    const mine = follower.received.filter(({ event }) => event.job_uuid === uuid);
    expect(mine.map(({ event }) => event.name)).toEqual(['create', 'run', 'finish']);
  }
  const first = follower.received[0]?.event as FollowedEvent;
  expect(first).toEqual({
    uuid: expect.stringMatching(/^108/),
    name: 'create',
    state: 'CREATED',
    revision: 0,
    date: expect.any(String),
    data: { process_definition: quick, revision: 1 },
    job: `/api/job/${first.job_uuid}/`,
    job_uuid: first.job_uuid,
    owner: 'root',
    pipeline: null,
    process_definition: `/api/process_definition/${quick}/`,
    session: null,
  });
});

describe('after a disconnect', () => {
  test('Last-Event-ID goes on behind it; the query does the same; the header wins', async () => {
    await run(3);
    const ids = stored();
    const from = ids.at(-6);
    const byHeader = await followJobs(server, { after: String(from) });
    const byQuery = await followJobs(server, { query: `&last_event_id=${from}` });
    const both = await followJobs(server, { query: '&last_event_id=1', after: String(from) });
    for (const follower of [byHeader, byQuery, both]) {
      await has(follower, 5);
      expect(idsOf(follower)).toEqual(ids.slice(-5));
      follower.cut();
    }
    const whole = await followJobs(server, { after: '0' });
    await has(whole, ids.length);
    expect(idsOf(whole)).toEqual(ids);
    whole.cut();
  });

  test('who was cut off before the first event knows where to go on', async () => {
    const follower = await followJobs(server);
    follower.cut();
    const place = follower.place();
    expect(Number(place)).toBe(stored().at(-1));
    await run(2);
    const again = await followJobs(server, { after: place });
    await has(again, 6);
    expect(idsOf(again)).toEqual(stored(`e."id" > ${place}`));
    again.cut();
  });

  test('after kill -9 and a new start exactly what is missing comes', async () => {
    const before = stored().at(-1) ?? 0;
    const follower = await followJobs(server);
    const slow = await server.register({ exec: '/bin/sleep', argv: ['0.3'] });
    const uuids = await Promise.all(Array.from({ length: 12 }, () => submit(server, slow)));
    await has(follower, 15);
    await server.kill();
    expect(await follower.closed).toBe(false);
    await server.restart();
    await everyEnd(server, uuids, 30_000);
    const again = await followJobs(server, { after: follower.place() });
    const all = stored(`e."id" > ${before}`);
    await has(again, all.length - follower.received.length);
    expect([...idsOf(follower), ...idsOf(again)]).toEqual(all);
    again.cut();
  });
});

describe('who may see what', () => {
  test("another user's jobs are not seen; an admin sees all", async () => {
    const [hers, everyones] = [await followJobs(server, { as: ada }), await followJobs(server)];
    await run(2, ada);
    await run(2);
    await has(everyones, 12);
    await run(1, ada);
    await has(hers, 9);
    expect(new Set(hers.received.map(({ event }) => event.owner))).toEqual(new Set(['ada']));
    expect(new Set(everyones.received.map(({ event }) => event.owner))).toEqual(new Set(['ada', 'root']));
    for (const follower of [hers, everyones]) follower.cut();
    // Nor may she by asking for them.
    const other = await followJobs(server, { as: ada, query: '&owner=root', after: '0' });
    await run(1);
    await run(1, ada);
    await pause(300);
    expect(other.received).toEqual([]);
    other.cut();
  });

  test('a token that was taken away takes its streams along, before the next event', async () => {
    const talks = 'until [ -e go ]; do sleep 0.1; done; echo late; touch said; sleep 60';
    const id = await server.register({ exec: '/bin/sh', argv: ['-c', talks], cwd: '${work_dir}' });
    const uuid = await submit(server, id);
    const made = await ask(server, '/api/token/', { json: { name: 'for a while' } });
    const streams = await Promise.all(
      ['?follow=1', `${uuid}/history/?follow=1`, `${uuid}/stdout/?follow=1`].map((path) =>
        fetch(new URL(`/api/job/${path}`, server.url), {
          headers: { Authorization: `Bearer ${made.json.token}` },
        }),
      ),
    );
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
    await waitFor(async () => (await jobOf(server, uuid)).state === 'RUNNING', 'the job to run');
    expect((await ask(server, made.json.resource_uri, { method: 'DELETE' })).status).toBe(204);
    await pause(5100);
    const work = path.join(server.data, 'jobs', uuid.slice(3, 5), uuid, '1', 'work');
    writeFileSync(path.join(work, 'go'), '');
    await waitFor(() => existsSync(path.join(work, 'said')), 'what the job says');
    await ask(server, `/api/job/${uuid}/cancel/`, { method: 'POST' });
    const [all = '', history = '', log = ''] = await Promise.all(streams.map((stream) => stream.text()));
    expect(all).toMatch(/^id: \d+\n\n/);
    expect(`${all}${history}`).not.toContain('"fail"');
    expect(history).toContain('"create"');
    expect(log).not.toContain('late');
    expect(`${history}${log}`).not.toContain('event: end');
    await ask(server, `/api/job/${uuid}/`, { method: 'DELETE' });
  });

  test('a history that goes on is read from where it was, and ends with its job', async () => {
    const job = await (await manager(server)).create();
    const url = `/api/job/${job.uuid}/history/?follow=1`;
    const followed = ask(server, url);
    const behind = ask(server, url, { headers: { 'Last-Event-ID': '3' } });
    for (const name of ['run', 'update', 'update', 'update', 'finish']) {
      await ask(server, `${actor}/messages`, { json: { uuid: job.uuid, token: job.token, name } });
    }
    const ids = ({ text }: { text: string }) =>
      [...text.matchAll(/^event: event\nid: (\d+)$/gm)].map(([, id]) => Number(id));
    expect(ids(await followed)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(ids(await behind)).toEqual([4, 5]);
    expect((await followed).text).toMatch(/event: end\nid: 5\n/);
  });

  test('a history of many pages is whole, in order, read and followed', async () => {
    const job = await (await manager(server)).create();
    const names = ['run', ...Array.from({ length: 450 }, () => 'update'), 'finish'];
    for (const name of names) {
      await ask(server, `${actor}/messages`, { json: { uuid: job.uuid, token: job.token, name } });
    }
    const { meta, objects } = (await ask(server, `/api/job/${job.uuid}/history/`)).json;
    expect(meta).toEqual({ limit: 453, next: null, offset: 0, previous: null, total_count: 453 });
    expect(objects.map(({ name }: { name: string }) => name)).toEqual(['create', ...names]);
    expect(objects.map(({ revision }: { revision: number }) => revision)).toEqual(
      Array.from({ length: 453 }, (_, index) => index),
    );
    const { text } = await ask(server, `/api/job/${job.uuid}/history/?follow=1`);
    expect([...text.matchAll(/^event: event\nid: (\d+)$/gm)].map(([, id]) => Number(id))).toEqual(
      Array.from({ length: 453 }, (_, index) => index),
    );
  });

  test.each<[string, number, string | undefined]>([
    ['follow=nonsense', 400, 'bad-query'],
    ['follow=1&state__contains=x', 400, 'bad-query'],
    ['follow=1&stat=FAILED', 400, 'bad-query'],
    ['follow=1&created__gt=x', 400, 'bad-query'],
    ['follow=1&limit=-1', 400, 'bad-query'],
    ['follow=1&last_event_id=x', 400, 'bad-query'],
    ['follow=1&last_event_id=999999999', 400, 'bad-header'],
    ['follow=0', 200, undefined],
  ])('%s: %i', async (query, status, code) => {
    const answer = await ask(server, `/api/job/?${query}`);
    expect([answer.status, answer.json.type?.split('#')[1]]).toEqual([status, code]);
    expect(answer.headers['content-type']).toBe('application/json');
  });

  test('no login: 401; HEAD: the headers; a wrong header: 400; other methods as ever', async () => {
    expect((await ask(server, '/api/job/?follow=1', { as: null })).status).toBe(401);
    expect((await ask(server, '/api/job/?follow=nonsense', { as: null })).status).toBe(401);
    const head = await ask(server, '/api/job/?follow=1', { method: 'HEAD' });
    expect([head.status, head.headers['content-type'], head.text]).toEqual([200, 'text/event-stream', '']);
    const headers = { 'Last-Event-ID': 'x' };
    expect((await ask(server, '/api/job/?follow=1', { headers })).status).toBe(400);
    expect((await ask(server, '/api/job/?follow=1', { method: 'POST', json: {} })).status).toBe(405);
  });
});

test('filters: of the event, of its job, and of hidden jobs', async () => {
  const made = await addExternalJobs(server, [
    { session: 'calm.river', owner: 'ada' },
    { session: 'calm.sea' },
    { session: 'calm.sea', hidden: true },
  ]);
  const failing = await server.register({ exec: '/bin/false' });
  await jobOf(server, await submit(server, failing), 30);
  const collect = async (query: string, as?: Login): Promise<FollowedEvent[]> => {
    const follower = await followJobs(server, { query, after: '0', ...(as === undefined ? {} : { as }) });
    let last = -1;
    await waitFor(async () => {
      const quiet = follower.received.length === last;
      last = follower.received.length;
      await pause(150);
      return quiet;
    }, 'the stream to be quiet');
    follower.cut();
    return follower.received.map(({ event }) => event);
  };
  const count = async (query: string, as?: Login) => (await collect(query, as)).length;

  const failed = await collect('&state=FAILED');
  expect(failed.map(({ name, process_definition }) => [name, process_definition])).toEqual([
    ['fail', `/api/process_definition/${failing}/`],
  ]);
  expect(await count('&last_event=fail')).toBe(1);
  expect(await count('&cause=exit&exit_code=1')).toBe(3);
  expect(await count('&state__in=FAILED,RUNNING')).toBe(stored(`e."state" IN ('FAILED', 'RUNNING')`).length);
  expect(await count(`&process_definition=${failing}`)).toBe(3);
  expect(await count(`&pipeline=${made.pipeline}`)).toBe(2);
  expect(await count(`&pipeline=${made.pipeline}`, ada)).toBe(1);
  expect(await count(`&pipeline=${made.pipeline}&hidden=true`)).toBe(1);
  expect((await collect('&session=calm.sea')).map(({ job_uuid }) => job_uuid)).toEqual([made.jobs[1]?.uuid]);
  expect(await count('&session__startswith=calm')).toBe(2);
  expect(await count('&owner=ada')).toBe(
    stored(`j."owner_id" = (SELECT "id" FROM "user" WHERE "username" = 'ada')`).length,
  );
  expect(await count('&updated__lt=2001-01-01')).toBe(0);
  expect(await count(`&uuid=${made.jobs[1]?.uuid}`)).toBe(1);
});

test('with random disconnects, while 200 jobs run: all events, none twice', async () => {
  const before = stored().at(-1) ?? 0;
  const uuids: string[] = [];
  const working = (async () => {
    for (let left = 200; left > 0; left -= 10) {
      uuids.push(...(await Promise.all(Array.from({ length: 10 }, () => submit(server, quick)))));
    }
    await everyEnd(server, uuids, 60_000);
  })();
  let over = false;
  const received: number[][] = [];
  const followers = Array.from({ length: 4 }, async (_, index) => {
    const mine: number[] = [];
    received[index] = mine;
    let after = String(before);
    for (;;) {
      const follower = await followJobs(server, { after });
      if (over) {
        await waitFor(() => Number(follower.place()) >= (stored().at(-1) ?? 0), 'the last event');
      } else await pause(Math.random() * 120);
      follower.cut();
      await follower.closed;
      mine.push(...idsOf(follower));
      after = follower.place();
      if (over && Number(after) >= (stored().at(-1) ?? 0)) return;
    }
  });
  await working;
  over = true;
  await Promise.all(followers);
  const all = stored(`e."id" > ${before}`);
  expect(all.length).toBe(600);
  for (const mine of received) expect(mine).toEqual(all);
});

test('more than one page, and a client that does not read for a while', async () => {
  const all = stored();
  expect(all.length).toBeGreaterThan(600);
  const follower = await followJobs(server, { after: '0' });
  follower.pause();
  await run(5);
  follower.resume();
  await has(follower, all.length + 15);
  expect(idsOf(follower)).toEqual(stored());
  follower.cut();
  // A filter that nothing passes still gets on.
  const none = await followJobs(server, { query: '&process_definition=999', after: '0' });
  await waitFor(() => Number(none.place()) >= 500, 'the place to move');
  expect(none.received).toEqual([]);
  none.cut();
});

test('a hundred idle followers cost little, and all hear of the next job', async () => {
  const busy = () => {
    const [, user = 0, system = 0] =
      /\) \S+ (?:\S+ ){10}(\d+) (\d+)/.exec(readFileSync(`/proc/${server.pid}/stat`, 'utf8'))?.map(Number) ??
      [];
    return (user + system) / 100;
  };
  const followers = await Promise.all(
    Array.from({ length: 100 }, (_, index) =>
      followJobs(server, index < 50 ? {} : { query: '&state=FINISHED' }),
    ),
  );
  await pause(500);
  const before = busy();
  await pause(2000);
  expect(busy() - before).toBeLessThan(0.4);
  await run(1);
  for (const [index, follower] of followers.entries()) await has(follower, index < 50 ? 3 : 1);
  for (const follower of followers) follower.cut();
});

test('a server that stops ends its streams at once, the live log and history included', async () => {
  const slow = await server.register({ exec: '/bin/sleep', argv: ['20'] });
  const uuid = await submit(server, slow);
  const follower = await followJobs(server);
  const others = ['stdout', 'history'].map((part) => ask(server, `/api/job/${uuid}/${part}/?follow=1`));
  await pause(300);
  const begin = Date.now();
  await server.stop();
  expect(await follower.closed).toBe(true);
  for (const other of others) expect((await other).status).toBe(200);
  expect(Date.now() - begin).toBeLessThan(atPace(3000));
  expect(server.log()).not.toContain('request failed');
  await server.restart();
  await ask(server, `/api/job/${uuid}/cancel/`, { method: 'POST' });
});
