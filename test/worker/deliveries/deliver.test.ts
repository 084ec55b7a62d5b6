import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { everyEnd, jobOf, submit } from '../../support/jobs.js';
import { ask } from '../../support/raw.js';
import { type Receiver, startReceiver } from '../../support/receiver.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const quick = {
  WEBHOOK_PRIVATE_ADDRESSES: true,
  WEBHOOK_MAX_PAUSE: 0.2,
  WEBHOOK_TIMEOUT: 0.5,
  LOG_LEVEL: 'info',
};
const all = ['create', 'run', 'finish'];

let server: TestServer;
let receiver: Receiver;
let definition: number;
beforeAll(async () => {
  server = await startServer({ application: quick });
  definition = await server.register({ exec: '/bin/true' });
});
afterAll(() => server.remove());
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(async () => {
  // Each test tells its own receiver only.
  for (const { id } of (await ask(server, '/api/subscription/?limit=0')).json.objects) {
    await ask(server, `/api/subscription/${id}/`, { method: 'DELETE' });
  }
  await receiver.down().catch(() => {});
});

/** Subscribes and gives what the API answered, the secret with it. */
async function subscribe(more: object = {}, as?: Login, by = server) {
  const json = { url: `${receiver.url}/hook`, ...more };
  const answer = await ask(by, '/api/subscription/', { json, ...(as === undefined ? {} : { as }) });
  expect([answer.status, answer.text]).toEqual([201, expect.stringContaining('whsec_')]);
  return answer.json as { id: number; url: string; secret: string };
}
const runs = (count: number, as?: Login) =>
  Promise.all(Array.from({ length: count }, () => submit(server, definition, undefined, as)));
const list = async (query: string, by = server, as?: Login) =>
  (await ask(by, `/api/delivery/?limit=0&${query}`, as === undefined ? {} : { as })).json;
const patch = (id: number, json: object) =>
  ask(server, `/api/subscription/${id}/`, { method: 'PATCH', json });

/** For each job the names of its events as they were accepted for the first time. */
function told(by = receiver): Map<string, string[]> {
  const seen = new Set<string | undefined>();
  const jobs = new Map<string, string[]>();
  for (const { headers, body } of by.accepted) {
    const id = headers['webhook-id'];
    if (seen.has(id)) continue;
    seen.add(id);
    const { data } = JSON.parse(body) as { data: { job_uuid: string; event_name: string } };
    jobs.set(data.job_uuid, [...(jobs.get(data.job_uuid) ?? []), data.event_name]);
  }
  return jobs;
}
/** Returns when every event of these jobs was accepted, each job's in order. */
async function everythingTold(uuids: readonly string[], deadline?: number): Promise<void> {
  await waitFor(
    () => uuids.every((uuid) => told().get(uuid)?.length === all.length),
    `the events of ${uuids.length} jobs`,
    deadline,
  );
  for (const uuid of uuids) expect(told().get(uuid)).toEqual(all);
}

test('every event is told once, in order, signed, with what it is about', async () => {
  const { id, secret } = await subscribe();
  const [uuid = ''] = await runs(1);
  await everythingTold([uuid]);
  const history = (await ask(server, `/api/job/${uuid}/history/`)).json.objects;
  for (const [index, { headers, body }] of receiver.accepted.entries()) {
    expect(headers['content-type']).toBe('application/json');
    expect(headers['webhook-id']).toBe(history[index].uuid);
    expect(new Webhook(secret).verify(body, headers)).toMatchObject({
      type: `job.${all[index]}`,
      timestamp: history[index].date,
      data: {
        job_uuid: uuid,
        event_name: all[index],
        job_state: history[index].state,
        revision: index,
        event_uuid: history[index].uuid,
        data: history[index].data,
        job: { uuid, owner: 'root', process_definition: `/api/process_definition/${definition}/` },
      },
    });
    expect(() => new Webhook(secret).verify(`${body} `, headers)).toThrow();
  }
  await waitFor(async () => (await list('state=delivered')).meta.total_count === 3, 'the deliveries');
  const { objects } = await list(`job=/api/job/${uuid}/&subscription=${id}&order_by=id`);
  expect(objects.map((one: { event_name: string }) => one.event_name)).toEqual(all);
  expect(objects[0]).toMatchObject({ state: 'delivered', attempts: 1, status: 204, error: null });
  expect((await ask(server, `/api/subscription/${id}/secret/`)).json).toEqual({ secret });
  expect((await ask(server, `/api/subscription/${id}/`)).text).not.toContain('whsec_');
});

test('cloudevents, some events only, of one job only', async () => {
  await subscribe({ events: ['finish'], format: 'cloudevents' });
  const first = await startReceiver();
  const sleeper = await server.register({ exec: '/bin/sh', argv: ['-c', 'sleep 0.4'] });
  const uuid = await submit(server, sleeper);
  await subscribe({ url: first.url, job: `/api/job/${uuid}/` });
  const [other = ''] = await runs(1);
  await waitFor(() => receiver.accepted.length === 2, 'both ends');
  await waitFor(() => first.accepted.length > 0, 'the end of the one');
  const { headers, body } =
    receiver.accepted.find((one) => one.body.includes(uuid)) ?? receiver.accepted[0] ?? {};
  expect(headers?.['content-type']).toBe('application/cloudevents+json');
  expect(JSON.parse(body ?? '')).toEqual({
    specversion: '1.0',
    id: headers?.['webhook-id'],
    source: `/api/job/${uuid}/`,
    type: 'penstock.job.finish',
    subject: uuid,
    time: expect.stringMatching(/Z$/),
    datacontenttype: 'application/json',
    data: expect.objectContaining({ job_uuid: uuid, event_name: 'finish', job_state: 'FINISHED' }),
  });
  expect([...told(first).keys()]).not.toContain(other);
  await first.down();
});

describe('a receiver in trouble', () => {
  test('that fails and recovers gets everything, in order', async () => {
    await subscribe();
    let left = 25;
    receiver.behave = () => {
      left -= 1;
      return left > 0 ? 500 : 200;
    };
    await everythingTold(await runs(20));
    expect(receiver.seen.length).toBeGreaterThan(60);
  });

  test('that is down and comes back on the same port', async () => {
    await subscribe();
    await receiver.down();
    const uuids = await runs(20);
    await everyEnd(server, uuids);
    await waitFor(
      async () => (await list('state=pending')).objects.some((o: { attempts: number }) => o.attempts > 1),
      'attempts',
    );
    const waiting = await list('state=pending');
    expect(waiting.meta.total_count).toBe(60);
    expect(waiting.objects.find((o: { error: string | null }) => o.error !== null).error).toMatch(
      /ECONNREFUSED/,
    );
    await receiver.up();
    await everythingTold(uuids);
    expect(receiver.accepted.length).toBe(60);
  });

  test('that hangs holds up nobody else', async () => {
    await subscribe();
    const other = await startReceiver();
    await subscribe({ url: other.url });
    receiver.behave = () => undefined;
    const uuids = await runs(10);
    await waitFor(() => other.accepted.length === 30, 'the other receiver');
    await waitFor(
      async () =>
        (await list('state=pending')).objects.some((o: { error: string }) =>
          o.error?.includes('did not answer within'),
        ),
      'a time-out',
    );
    receiver.behave = () => 200;
    await everythingTold(uuids);
    await other.down();
  });

  test('that redirects is not followed; one that answers slowly is waited for', async () => {
    const { url } = await subscribe();
    const target = await startReceiver();
    receiver.behave = (_request, response) => {
      response.writeHead(302, { Location: target.url }).end();
      return undefined;
    };
    const uuids = await runs(1);
    const refused = async () =>
      (await list('state=pending')).objects.find((o: { status: number | null }) => o.status === 302);
    expect(await waitFor(refused, 'the redirect')).toMatchObject({
      url,
      error: expect.stringContaining('redirects are not followed'),
    });
    expect(target.seen).toEqual([]);
    receiver.behave = () => new Promise((resolve) => setTimeout(() => resolve(200), 200));
    await everythingTold(uuids);
    await target.down();
  });

  test('that refuses one job gets the others', async () => {
    await subscribe();
    const [bad = ''] = await runs(1);
    receiver.behave = ({ body }) => (body.includes(bad) ? 400 : 200);
    const uuids = await runs(5);
    await everythingTold(uuids);
    receiver.behave = () => 200;
    await waitFor(() => told().get(bad)?.includes('finish'), 'the refused job');
  });

  test('that is gone for good is not told any more', async () => {
    const { id } = await subscribe();
    receiver.behave = () => 410;
    await everyEnd(server, await runs(3));
    await waitFor(async () => !(await ask(server, `/api/subscription/${id}/`)).json.active, 'the switch');
    await waitFor(async () => (await list('state=pending')).meta.total_count === 0, 'the dead');
    const { objects } = await list('state=dead');
    expect(objects[0].error).toMatch(/410 Gone; the subscription was switched off/);
    const before = receiver.seen.length;
    await everyEnd(server, await runs(2));
    expect(receiver.seen.length).toBe(before);
  });
});

test('everything is told, in order, across kill -9', async () => {
  await subscribe();
  const uuids: string[] = [];
  receiver.behave = () => (Math.random() < 0.3 ? 503 : 200);
  for (let round = 0; round < 3; round += 1) {
    uuids.push(...(await runs(15)));
    await waitFor(() => receiver.accepted.length > round * 10, 'some of them');
    await server.kill();
    await server.restart();
  }
  await everyEnd(server, uuids);
  await waitFor(() => uuids.every((uuid) => told().get(uuid)?.includes('finish')), 'all ends');
  for (const uuid of uuids) {
    const history = (await ask(server, `/api/job/${uuid}/history/`)).json.objects;
    expect(told().get(uuid)).toEqual(history.map(({ name }: { name: string }) => name));
  }
});

test('what is switched off waits and is told when it is on again, at its new place', async () => {
  const { id } = await subscribe();
  receiver.behave = () => 500;
  const uuids = await runs(2);
  await everyEnd(server, uuids);
  expect((await patch(id, { active: false })).status).toBe(202);
  const [untold = ''] = await runs(1);
  await everyEnd(server, [untold]);
  const old = receiver;
  receiver = await startReceiver();
  await old.down();
  expect((await patch(id, { url: receiver.url })).status).toBe(202);
  expect((await list('state=pending')).meta.total_count).toBe(6);
  expect((await patch(id, { active: true })).status).toBe(202);
  await everythingTold(uuids);
  expect(told().has(untold)).toBe(false);
});

describe('with little patience', () => {
  let brief: TestServer;
  beforeAll(async () => {
    brief = await startServer({ application: { ...quick, WEBHOOK_KEEP_TRYING: 0.5 } });
  });
  afterAll(() => brief.remove());

  test('deliveries die, the lane goes on, and they can be replayed', async () => {
    const { id } = await subscribe({}, undefined, brief);
    receiver.behave = () => 500;
    const uuid = await submit(brief, await brief.register({ exec: '/bin/true' }));
    await waitFor(async () => (await list('state=dead', brief)).meta.total_count === 3, 'three dead ones');
    const [one] = (await list('state=dead&order_by=id', brief)).objects;
    expect(one).toMatchObject({
      job: `/api/job/${uuid}/`,
      status: 500,
      error: expect.stringContaining('500'),
    });
    receiver.behave = () => 200;
    const replay = (path: string, json?: object) =>
      ask(brief, path, { method: 'POST', ...(json === undefined ? {} : { json }) });
    expect((await replay(`/api/delivery/${one.id}/replay/`)).json).toEqual({ replayed: 1 });
    await waitFor(() => receiver.accepted.length === 1, 'the replayed one');
    expect((await replay(`/api/subscription/${id}/replay/`)).json).toEqual({ replayed: 2 });
    await waitFor(() => receiver.accepted.length === 3, 'the others');
    expect(told().get(uuid)).toEqual(all);
    await waitFor(async () => (await list('state=delivered', brief)).meta.total_count === 3, 'their state');
    const since = new Date(Date.now() + 60_000).toISOString();
    expect((await replay(`/api/subscription/${id}/replay/`, { state: 'all', since })).json.replayed).toBe(0);
    expect((await replay(`/api/subscription/${id}/replay/`, { state: 'all' })).json.replayed).toBe(3);
    await waitFor(() => receiver.accepted.length === 6, 'all of them again');
    const ids = receiver.accepted.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(3);
    for (const wrong of [{ state: 'lost' }, { since: '2020-01-01T00:00:00' }, { since: 1 }, { from: null }]) {
      expect((await replay(`/api/subscription/${id}/replay/`, wrong)).status).toBe(400);
    }
    const numbers = (await ask(brief, '/metrics', { as: null })).text;
    expect(numbers).toMatch(/penstock_deliveries_total\{result="dead"\} 3/);
    expect(numbers).toMatch(/penstock_deliveries_pending \d/);
  });
});

test('private addresses are refused unless they are allowed, and the delivery says so', async () => {
  const careful = await startServer();
  const json = { url: `${receiver.url}/` };
  const refused = await ask(careful, '/api/subscription/', { json });
  expect(refused.json).toMatchObject({ status: 400, errors: [{ pointer: '/url' }] });
  expect((await ask(careful, '/api/subscription/', { json: { url: 'http://localhost/' } })).status).toBe(400);
  await careful.remove();

  // The same where a delivery is on its way when it is no longer allowed.
  const open = await startServer({ application: quick });
  await subscribe({}, undefined, open);
  receiver.behave = () => 500;
  await submit(open, await open.register({ exec: '/bin/true' }));
  await waitFor(() => receiver.seen.length > 0, 'an attempt');
  await open.stop();
  const file = path.join(open.data, 'config', 'application.yaml');
  writeFileSync(file, stringify({ ...quick, WEBHOOK_PRIVATE_ADDRESSES: false }));
  const count = receiver.seen.length;
  await open.restart();
  const why = async () => (await list('state=pending', open)).objects[0].error;
  await waitFor(async () => /127\.0\.0\.1 has no public address/.test(await why()), 'the reason');
  expect(receiver.seen.length).toBe(count);
  await open.remove();
});

describe('who may what', () => {
  let alice: Login;
  let bob: Login;
  beforeAll(async () => {
    alice = await server.addUser('alice');
    bob = await server.addUser('bob');
  });

  test('another user’s subscriptions, deliveries and events stay unseen', async () => {
    const mine = await server.register({ exec: '/bin/true' }, alice);
    const { id } = await subscribe({}, alice);
    const [foreign = ''] = await runs(1);
    const uuid = await submit(server, mine, undefined, alice);
    await everythingTold([uuid]);
    await jobOf(server, foreign, 5);
    expect(told().has(foreign)).toBe(false);
    await waitFor(async () => (await list('', server, alice)).meta.total_count === 3, 'her deliveries');
    const [delivery] = (await list('', server, alice)).objects;
    expect((await list('', server, bob)).meta.total_count).toBe(0);
    expect((await ask(server, '/api/subscription/', { as: bob })).json.meta.total_count).toBe(0);
    const post = { method: 'POST', as: bob };
    const answers = await Promise.all([
      ask(server, `/api/subscription/${id}/`, { as: bob }),
      ask(server, `/api/subscription/${id}/`, { as: bob, method: 'PATCH', json: { active: false } }),
      ask(server, `/api/subscription/${id}/`, { as: bob, method: 'DELETE' }),
      ask(server, `/api/subscription/${id}/secret/`, { as: bob }),
      ask(server, `/api/subscription/${id}/ping/`, post),
      ask(server, `/api/subscription/${id}/replay/`, post),
      ask(server, `/api/delivery/${delivery.id}/`, { as: bob }),
      ask(server, `/api/delivery/${delivery.id}/replay/`, post),
      ask(server, '/api/subscription/', { as: bob, json: { url: receiver.url, job: uuid } }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 404, 404, 404, 400]);
    expect((await ask(server, `/api/subscription/${id}/secret/`)).status).toBe(403);
  });

  test('everybody’s events are for admins', async () => {
    const json = { url: `${receiver.url}/hook`, everyones: true };
    expect((await ask(server, '/api/subscription/', { as: bob, json })).status).toBe(403);
    const chief = await server.addUser('chief', 'admin');
    const { id } = await subscribe({ everyones: true }, chief);
    const theirs = await submit(
      server,
      await server.register({ exec: '/bin/true' }, alice),
      undefined,
      alice,
    );
    await everythingTold([theirs]);
    const chiefs = (await ask(server, '/api/user/?username=chief')).json.objects[0].id;
    await ask(server, `/api/user/${chiefs}/`, { method: 'PATCH', json: { role: 'user' } });
    const count = receiver.accepted.length;
    await everyEnd(server, await runs(1));
    await waitFor(
      async () => (await list(`state=dead&subscription=${id}`)).meta.total_count === 3,
      'the dead',
    );
    expect(receiver.accepted.length).toBe(count);
  });

  test('what is wrong is named', async () => {
    const post = async (json: object) => (await ask(server, '/api/subscription/', { json })).json;
    const url = 'https://example.org/hook';
    expect((await post({ url, events: ['finsh'] })).errors).toEqual([
      { pointer: '/events/0', detail: 'there is no event "finsh"; did you mean "finish"?' },
    ]);
    expect((await post({ url: 'https://a:b@example.org/' })).errors[0].pointer).toBe('/url');
    expect((await post({ url: 'ftp://example.org/' })).errors[0].detail).toMatch(/http or https/);
    expect((await post({ urll: url })).errors[0].detail).toMatch(/did you mean "url"/);
    expect((await post({})).errors[0].pointer).toBe('/url');
    expect((await post({ url, format: 'xml' })).errors[0].pointer).toBe('/format');
    expect((await post({ url, pipeline: 99 })).errors[0].pointer).toBe('/pipeline');
    expect((await post({ url, job: 'nowhere' })).errors[0].pointer).toBe('/job');
  });
});

test('a receiver can be tried out', async () => {
  const { id, secret } = await subscribe();
  const ping = async () => (await ask(server, `/api/subscription/${id}/ping/`, { method: 'POST' })).json;
  expect(await ping()).toEqual({ accepted: true, status: 204, error: null });
  const { headers, body } = receiver.accepted[0] ?? { headers: {}, body: '' };
  expect(new Webhook(secret).verify(body, headers)).toMatchObject({ type: 'ping' });
  receiver.behave = () => 500;
  expect(await ping()).toMatchObject({ accepted: false, status: 500 });
});
