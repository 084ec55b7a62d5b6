import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { actor, type ExternalJob, type Manager, manager } from '../../support/manager.js';
import { ask } from '../../support/raw.js';
import { type Receiver, startReceiver } from '../../support/receiver.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const seed = Number(process.env.CRASH_SEED ?? 20260101);
const rounds = Number(process.env.CRASH_ROUNDS ?? 5);
const clients = 20;
const maxUses = 400;

let server: TestServer;
let receiver: Receiver;
let pjm: Manager;
beforeAll(async () => {
  server = await startServer({ application: { WEBHOOK_PRIVATE_ADDRESSES: true, WEBHOOK_MAX_PAUSE: 0.2 } });
  receiver = await startReceiver();
  pjm = await manager(server);
});
afterAll(async () => {
  await receiver.down();
  await server.remove();
});

/** The same seed makes the same run, as far as the machine lets it. */
let state = seed >>> 0;
function below(limit: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
}

/** What a client has sent and was told. */
interface Client {
  job: ExternalJob;
  nonce: string | null;
  sent: number;
  accepted: number[];
}

/** Around through all states; the last two need an admin, whom no nonce makes. */
const round = ['run', 'update', 'finish', 'index', 'indexed', 'validate', 'validated', 'reset', 'ready'];

async function next(client: Client): Promise<void> {
  const { job, nonce } = client;
  client.sent += 1;
  const n = client.sent;
  const name = nonce === null ? round[n % round.length] : n === 1 ? 'run' : 'update';
  const query = nonce === null ? '' : `?x-nonce=${nonce}`;
  const answer = await ask(server, `${actor}/messages${query}`, {
    json: { uuid: job.uuid, token: job.token, name, data: { n } },
    as: nonce === null ? server.admin : null,
  });
  if (answer.status === 200) client.accepted.push(n);
  // What the crash left undone or did makes the next step impossible; a used-up nonce lets nobody in.
  else if (![409, 401].includes(answer.status)) throw new Error(`${answer.status}: ${answer.text}`);
}

/** Does something again and again until the server is gone; what fails for another reason is thrown. */
async function untilKilled(isKilled: () => boolean, work: () => Promise<void>): Promise<void> {
  while (!isKilled()) {
    try {
      await work();
    } catch (error) {
      if (/ECONN|socket hang up|aborted/.test(String(error))) return;
      throw error;
    }
  }
}

function rows<T>(sql: string): T[] {
  const database = new Database(path.join(server.data, 'penstock.sqlite'), { readonly: true });
  try {
    return database.prepare(sql).all() as T[];
  } finally {
    database.close();
  }
}

async function expectTotals(): Promise<void> {
  const totalOf = async (query: string): Promise<number> => {
    let read = 0;
    for (;;) {
      const { meta, objects } = (await ask(server, `/api/job/?limit=500&offset=${read}&${query}`)).json;
      read += objects.length;
      if (objects.length > 0) continue;
      expect([query, meta.total_count]).toEqual([query, read]);
      return read;
    }
  };
  const states = rows<{ state: string; count: number }>(
    'SELECT "state", COUNT(*) AS "count" FROM "job" WHERE NOT "hidden" GROUP BY "state"',
  );
  for (const one of states)
    expect([one.state, await totalOf(`state=${one.state}`)]).toEqual([one.state, one.count]);
  expect(await totalOf('')).toBe(states.reduce((sum, { count }) => sum + count, 0));
}

test(`killed at ${rounds} random moments under load (seed ${seed}): what was answered is true, the rest whole or not there`, async () => {
  const limited = await pjm.nonce({ maxUses });
  const unlimited = await pjm.nonce();
  const nonces = [null, unlimited, limited];
  const talking: Client[] = [];
  for (let index = 0; index < clients; index += 1) {
    talking.push({ job: await pjm.create(), nonce: nonces[index % 3] ?? null, sent: 0, accepted: [] });
  }
  const created: ExternalJob[] = [];
  const shy = await pjm.create();
  let hidden: boolean[] = [false];
  const subscriptions = ['/one', '/two'].map((place) => ({ url: `${receiver.url}${place}` }));
  const accepted = () => talking.reduce((sum, client) => sum + client.accepted.length, 0) + created.length;

  for (let number = 0; number < rounds; number += 1) {
    let killed = false;
    const isKilled = () => killed;
    const work = [
      ...talking.map((client) => untilKilled(isKilled, () => next(client))),
      ...[1, 2, 3].map(() =>
        untilKilled(isKilled, async () => {
          created.push(await pjm.create({ subscriptions }));
        }),
      ),
      untilKilled(isKilled, async () => {
        const hide = !hidden.at(-1);
        // Until it is answered it may be the one or the other.
        hidden = [!hide, hide];
        await pjm.post({ uuid: shy.uuid, action: hide ? 'delete' : 'undelete' });
        hidden = [hide];
      }),
    ];
    const enough = accepted() + 20 + below(300);
    await waitFor(() => accepted() >= enough, 'some answers');
    await server.kill();
    killed = true;
    await Promise.all(work);
    await server.restart();

    for (const { job, accepted: told, sent } of talking) {
      const { objects } = (await ask(server, `/api/job/${job.uuid}/history/`)).json;
      const stored: number[] = objects.slice(1).map(({ data }: { data: { n: number } }) => data.n);
      expect([...new Set(stored)].sort((a, b) => a - b)).toEqual(stored);
      expect(stored).toEqual(expect.arrayContaining(told));
      // Beside what was answered there is at most what a kill cut off, once each.
      expect(stored.length - told.length).toBeLessThanOrEqual(number + 1);
      expect(stored.at(-1) ?? 0).toBeLessThanOrEqual(sent);
    }
    const wrong = rows(`SELECT j."uuid" FROM "job" AS j WHERE
      j."revision" + 1 <> (SELECT COUNT(*) FROM "job_event" WHERE "job_id" = j."id")
      OR j."last_event_uuid" <> (SELECT "uuid" FROM "job_event" WHERE "job_id" = j."id" ORDER BY "id" DESC LIMIT 1)
      OR j."state" <> (SELECT "state" FROM "job_event" WHERE "job_id" = j."id" ORDER BY "id" DESC LIMIT 1)
      OR 1 <> (SELECT COUNT(*) FROM "nonce" WHERE "job_id" = j."id")`);
    expect(wrong).toEqual([]);
    const halves =
      rows(`SELECT j."uuid" FROM "job" AS j JOIN "job_event" AS e ON e."job_id" = j."id" AND e."name" = 'create'
      WHERE (SELECT COUNT(*) FROM "subscription" WHERE "job_id" = j."id")
         <> (SELECT COUNT(*) FROM "delivery" WHERE "event_id" = e."id")
      OR (SELECT COUNT(*) FROM "subscription" WHERE "job_id" = j."id") NOT IN (0, 2)`);
    expect(halves).toEqual([]);
    const [{ hidden: shyIs = 0 } = {}] = rows<{ hidden: number }>(
      `SELECT "hidden" FROM "job" WHERE "uuid" = '${shy.uuid}'`,
    );
    expect(hidden).toContain(shyIs === 1);
    hidden = [shyIs === 1];
    await expectTotals();
  }

  const known = new Set(rows<{ uuid: string }>('SELECT "uuid" FROM "job"').map(({ uuid }) => uuid));
  expect(created.length).toBeGreaterThan(rounds);
  for (const job of created) {
    expect(known.has(job.uuid)).toBe(true);
    expect((await pjm.send(job, 'run')).status).toBe(200);
    const called = await ask(
      server,
      `${new URL(job.callback).pathname}${new URL(job.callback).search}&name=finish`,
      {
        method: 'POST',
        as: null,
      },
    );
    expect(called.status).toBe(200);
  }
  const toldOf = (place: string) =>
    receiver.accepted
      .filter(({ path: where }) => where === place)
      .map(({ body }) => JSON.parse(body).data as { job_uuid: string; event_name: string })
      .filter(({ event_name }) => event_name === 'create')
      .map(({ job_uuid }) => job_uuid);
  for (const place of ['/one', '/two']) {
    await waitFor(
      () => {
        const told = new Set(toldOf(place));
        return created.every(({ uuid }) => told.has(uuid));
      },
      `${place} to be told of every job`,
      30_000,
    );
  }

  // The rest of the nonce, to its end.
  const last = talking.find(({ nonce }) => nonce === limited) as Client;
  const usesOf = () =>
    talking.filter(({ nonce }) => nonce === limited).reduce((sum, client) => sum + client.accepted.length, 0);
  for (let before = -1; before !== usesOf(); ) {
    before = usesOf();
    await Promise.all(Array.from({ length: 20 }, () => next(last)));
  }
  expect(usesOf()).toBeLessThanOrEqual(maxUses);
  expect(usesOf()).toBeGreaterThan(maxUses - 20 * rounds);
  expect(server.log()).not.toMatch(/"level":[56]0/);
});
