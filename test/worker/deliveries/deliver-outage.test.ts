import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Receiver as Known } from '../../../src/worker/deliveries/receiver.js';
import { submit } from '../../support/jobs.js';
import { ask } from '../../support/raw.js';
import { type Receiver, startReceiver } from '../../support/receiver.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const all = ['create', 'run', 'finish'];

// All else is as it is where nobody configures anything.
let server: TestServer;
let receiver: Receiver;
let definition: number;
beforeAll(async () => {
  server = await startServer({ application: { WEBHOOK_PRIVATE_ADDRESSES: true } });
  definition = await server.register({ exec: '/bin/true' });
});
afterAll(() => server.remove());
beforeEach(async () => {
  receiver = await startReceiver();
  await receiver.down();
});
afterEach(() => receiver.down());

async function subscribe(): Promise<number> {
  return (await ask(server, '/api/subscription/', { json: { url: receiver.url } })).json.id;
}
const deliveries = async (query: string) => (await ask(server, `/api/delivery/?limit=0&${query}`)).json;
const run = (count: number) => Promise.all(Array.from({ length: count }, () => submit(server, definition)));
/** The most that any of a subscription's deliveries was tried. */
const attempts = async (id: number) =>
  Math.max(
    0,
    ...(await deliveries(`subscription=${id}`)).objects.map((one: { attempts: number }) => one.attempts),
  );
/** Each job's events in the order in which they were accepted. */
function told(): Map<string, string[]> {
  const jobs = new Map<string, string[]>();
  for (const { body } of receiver.accepted) {
    const { data } = JSON.parse(body) as { data: { job_uuid: string; event_name: string } };
    jobs.set(data.job_uuid, [...(jobs.get(data.job_uuid) ?? []), data.event_name]);
  }
  return jobs;
}
async function everythingTold(uuids: readonly string[], deadline: number): Promise<void> {
  await waitFor(() => receiver.accepted.length >= uuids.length * all.length, 'every event', deadline);
  expect(told()).toEqual(new Map(uuids.map((uuid) => [uuid, all])));
}

test('a receiver that was down for ten seconds gets everything within half as many, once, in order', async () => {
  await subscribe();
  const start = Date.now();
  const uuids = await run(20);
  await waitFor(() => Date.now() - start > 10_000, 'ten seconds of outage');
  await receiver.up();
  await everythingTold(uuids, 10_000);
});

test('a receiver that is back when Penstock starts is told at once', async () => {
  const id = await subscribe();
  const uuids = await run(1);
  await waitFor(async () => (await attempts(id)) >= 4, 'pauses that have grown');
  await server.stop();
  await receiver.up();
  await server.restart();
  await everythingTold(uuids, 1500);
});

test('a receiver that is down is tried twice a minute, oftener at first or where that is configured', () => {
  /** The pauses of an outage without end, in milliseconds, and how long it had lasted before each. */
  const outage = (maximum: number, asked = 0) => {
    const known = new Known('http://127.0.0.1');
    const lane = { rows: [] } as unknown as Parameters<typeof known.add>[0];
    let now = 0;
    return Array.from({ length: 40 }, (_, round) => {
      const backoff = { initial: 1, factor: 2, maximum };
      known.failed('http://127.0.0.1/', now, { answered: false, asked, backoff, random: (round % 10) / 10 });
      known.add(lane);
      const before = now;
      now = Math.max(known.probeAt ?? 0, now);
      return { pause: now - before, before };
    });
  };
  const pauses = (maximum: number, asked = 0) => outage(maximum, asked).map(({ pause }) => pause);
  expect(Math.max(...pauses(300))).toBeLessThanOrEqual(30_000);
  expect(Math.min(...pauses(300).slice(20))).toBeGreaterThanOrEqual(15_000);
  expect(Math.max(...pauses(2))).toBeLessThanOrEqual(2000);
  // Who is back is found out after half the time that it was away, or a second.
  for (const { pause, before } of outage(300)) expect(pause).toBeLessThanOrEqual(Math.max(1000, before / 2));
  // What the receiver itself asks for is respected.
  expect(Math.max(...pauses(300, 120_000))).toBe(120_000);
});

test('a URL that asks to be left alone is, whatever others of its receiver answer, and over a restart', async () => {
  await receiver.up();
  const times: Record<string, number[]> = {};
  receiver.behave = ({ path }, response) => {
    const seen = [...(times[path] ?? []), Date.now()];
    times[path] = seen;
    if (path === '/limited' && seen.length === 1) {
      response.writeHead(503, { 'Retry-After': '8' }).end();
      return undefined;
    }
    return path === '/shaky' && seen.length <= 4 ? 500 : 204;
  };
  for (const [path, events] of [
    ['/limited', ['finish']],
    ['/shaky', all],
  ] as const)
    await ask(server, '/api/subscription/', { json: { url: `${receiver.url}${path}`, events } });
  const first = await run(1);
  await waitFor(() => times['/limited'], 'the first attempt');
  // Enough failures for the receiver to be held to be down, and then one success that opens it up again.
  const others = await run(4);
  await waitFor(() => receiver.accepted.length > 0, 'a message that gets through');
  expect(times['/limited']).toHaveLength(1);
  await server.stop();
  await server.restart();
  const limited = () => receiver.accepted.filter(({ path }) => path === '/limited');
  await waitFor(() => limited().length === first.length + others.length, 'what was held back');
  const [begin = 0, ...later] = times['/limited'] ?? [];
  // The other jobs' messages are not held back over a restart: their turn had not come.
  const again = limited().findIndex(({ body }) => body.includes(first[0] ?? ''));
  expect((later[again] ?? 0) - begin).toBeGreaterThanOrEqual(7900);
});

test('other messages for a URL that asks to be left alone wait, too; other URLs do not', async () => {
  await receiver.up();
  const times: Record<string, number[]> = {};
  receiver.behave = ({ path }, response) => {
    const seen = [...(times[path] ?? []), Date.now()];
    times[path] = seen;
    if (path !== '/busy' || seen.length > 1) return 204;
    response.writeHead(429, { 'Retry-After': new Date(Date.now() + 5000).toUTCString() }).end();
    return undefined;
  };
  for (const path of ['/busy', '/free'])
    await ask(server, '/api/subscription/', {
      json: { url: `${receiver.url}${path}`, events: ['finish'] },
    });
  await run(1);
  await waitFor(() => times['/busy'], 'the first attempt');
  await run(3);
  await waitFor(() => times['/free']?.length === 4, 'what is told elsewhere');
  expect(times['/busy']).toHaveLength(1);
  await waitFor(() => times['/busy']?.length === 5, 'everything');
  const [begin = 0, ...later] = times['/busy'] ?? [];
  // A date has whole seconds.
  for (const time of later) expect(time - begin).toBeGreaterThanOrEqual(3900);
});

test('a replay keeps the time of the event, and is tried and kept for as long as if it were new', async () => {
  await receiver.up();
  const id = await subscribe();
  await submit(server, definition);
  const settled = async () => (await deliveries(`subscription=${id}&state=delivered`)).objects;
  const before = await waitFor(async () => ((await settled()).length === 3 ? settled() : null), 'all');
  expect(before[0].replayed).toBe(null);
  await ask(server, `/api/delivery/${before[0].id}/replay/`, { method: 'POST' });
  await waitFor(() => receiver.accepted.length === 4, 'it once more');
  await waitFor(async () => (await settled()).length === 3, 'its state');
  const [after] = await settled();
  expect(after.created).toBe(before[0].created);
  expect(Date.parse(after.replayed)).toBeGreaterThan(Date.parse(after.created));
});

test('deliveries are kept for as long as it is configured, those that wait in any case', async () => {
  const own = await startServer({ application: { WEBHOOK_PRIVATE_ADDRESSES: true, KEEP_DELIVERIES: 1 } });
  await receiver.up();
  receiver.behave = ({ body }) => (body.includes('job.finish') ? 500 : 200);
  await ask(own, '/api/subscription/', { json: { url: receiver.url } });
  const nothing = await own.register({ exec: '/bin/true' });
  const uuids = await Promise.all(Array.from({ length: 4 }, () => submit(own, nothing)));
  const list = async () => (await ask(own, '/api/delivery/?limit=0')).json.objects as { state: string }[];
  const states = async () =>
    (await list())
      .map(({ state }) => state)
      .sort()
      .join(' ');
  const rest = `${Array(8).fill('delivered').join(' ')} ${Array(4).fill('pending').join(' ')}`;
  await waitFor(async () => (await states()) === rest, 'what can be told');
  await own.stop();
  // Two days pass for all but one that was told a moment ago, and one that was replayed.
  const database = new Database(path.join(own.data, 'penstock.sqlite'));
  const old = new Date(Date.now() - 2 * 86_400_000).toISOString().replace('Z', '+00:00');
  database.prepare('UPDATE delivery SET created = ?').run(old);
  const told = database
    .prepare("SELECT id FROM delivery WHERE state = 'delivered'")
    .pluck()
    .all() as number[];
  database
    .prepare(`UPDATE delivery SET updated = ? WHERE state = 'pending' OR id NOT IN (?, ?)`)
    .run(old, told[0], told[1]);
  database.prepare("UPDATE delivery SET state = 'dead' WHERE id = ?").run(told[2]);
  database.close();
  await own.restart();
  await waitFor(async () => (await list()).length === 6, 'the old ones to be forgotten');
  expect(await states()).toBe('delivered delivered pending pending pending pending');
  const jobs = await Promise.all(uuids.map((uuid) => ask(own, `/api/job/${uuid}/history/`)));
  expect(jobs.map(({ json }) => json.objects.length)).toEqual([3, 3, 3, 3]);
  await own.remove();
});
