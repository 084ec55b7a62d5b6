import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { actor, type ExternalJob, type Manager, manager } from '../../support/manager.js';
import { type Answer, ask } from '../../support/raw.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
let pjm: Manager;
let ada: Login;
beforeAll(async () => {
  server = await startServer({ application: { WEBHOOK_PRIVATE_ADDRESSES: true } });
  pjm = await manager(server);
  ada = await server.addUser('ada');
});
afterAll(async () => {
  expect(server.log()).not.toMatch(/"level":[56]0/);
  await server.remove();
});

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const statuses = (answers: readonly Answer[]) => answers.map(({ status }) => status).sort();
const jobOf = (uuid: string) => ask(server, `/api/job/${uuid}/`);
const historyOf = async (
  uuid: string,
): Promise<{ uuid: string; name: string; data: { n?: number } | null }[]> =>
  (await ask(server, `/api/job/${uuid}/history/`)).json.objects;
const remove = (uuid: string) => pjm.post({ uuid, action: 'delete', force: true });
const hide = (uuid: string, action = 'delete') => pjm.post({ uuid, action });
const renew = (uuid: string) => ask(server, `/api/job/${uuid}/token/`, { method: 'POST' });
const typeOf = (answer: Answer) => String(answer.json?.type).replace('/api/docs/errors/#', '');

/** Rows of a table that belong to no job, which there must never be. */
function orphans(): number[] {
  const database = new Database(path.join(server.data, 'penstock.sqlite'), { readonly: true });
  const counts = ['job_event', 'nonce', 'delivery', 'subscription'].map((table) =>
    database
      .prepare(
        `SELECT COUNT(*) FROM "${table}" WHERE "job_id" IS NOT NULL AND "job_id" NOT IN (SELECT "id" FROM "job")`,
      )
      .pluck()
      .get(),
  );
  database.close();
  return counts as number[];
}

/** Sends updates, one after the other, until told to stop; gives the answers. */
function chatter(job: ExternalJob): { answers: Answer[]; stop: () => Promise<Answer[]> } {
  const answers: Answer[] = [];
  let over = false;
  const work = (async () => {
    for (let n = 0; !over; n += 1) answers.push(await pjm.send(job, 'update', { n }));
  })();
  return {
    answers,
    stop: async () => {
      over = true;
      await work;
      return answers;
    },
  };
}

describe('the very same job, by 30 clients at once', () => {
  const uuid = '107c0ffe-0000-5000-8000-00000000000a';
  test.each<[string, object]>([
    ['of the same data', { data: { same: 1 } }],
    ['with parents', { data: { same: 1 }, child_of: ['10483e8d-6602-532a-8941-176ce20dd05a'] }],
    ['under a UUID', { data: { same: 2 }, uuid }],
    ['with subscriptions', { data: { same: 3 }, subscriptions: [{ url: 'http://127.0.0.1:9/' }] }],
  ])('%s', async (_, message) => {
    const body = { pipeline_uuid: pjm.pipeline.uuid, ...message };
    const answers = await Promise.all(times(30, () => pjm.post(body)));
    expect(statuses(answers)).toEqual([...times(29, () => 200), 201]);
    expect(new Set(answers.map(({ json }) => json.result.uuid)).size).toBe(1);
    const made = answers.find(({ status }) => status === 201)?.json.result as ExternalJob;
    expect(await historyOf(made.uuid)).toHaveLength(1);
    expect((await fetch(`${made.callback}&status=RUNNING`, { method: 'POST' })).status).toBe(200);
    expect((await pjm.send(made, 'finish')).status).toBe(200);
    const subscriptions = (await ask(server, '/api/subscription/?limit=0')).json.objects;
    expect(subscriptions.filter(({ job }: { job: string | null }) => job?.includes(made.uuid)).length).toBe(
      'subscriptions' in message ? 1 : 0,
    );
    expect(orphans()).toEqual([0, 0, 0, 0]);
  });

  test('by two users: it is the one’s, and the other is told so', async () => {
    const hers = await manager(server, ada);
    const shared = '107c0ffe-0000-5000-8000-00000000000b';
    const answers = await Promise.all(
      times(30, (index) =>
        index % 2 === 0
          ? pjm.post({ pipeline_uuid: pjm.pipeline.uuid, data: {}, uuid: shared })
          : hers.post({ pipeline_uuid: hers.pipeline.uuid, data: {}, uuid: shared }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    // An admin may have everybody's.
    expect(answers.every(({ status }) => [200, 201, 409].includes(status))).toBe(true);
    expect(await historyOf(shared)).toHaveLength(1);
    const foreign = await hers.post({ pipeline_uuid: pjm.pipeline.uuid, data: { not: 'hers' } });
    expect([foreign.status, typeOf(foreign)]).toEqual([404, 'not-found']);
  });

  test('while its pipeline is deleted: one of both is refused', async () => {
    for (let round = 0; round < 8; round += 1) {
      const short = await manager(server);
      const [created, deleted] = await Promise.all([
        short.post({ pipeline_uuid: short.pipeline.uuid, data: {} }),
        ask(server, `/api/pipeline/${short.pipeline.id}/`, { method: 'DELETE' }),
      ]);
      expect(['201 409', '404 204']).toContain(`${created.status} ${deleted.status}`);
    }
  });
});

describe('hiding, removing and a new token, while events come', () => {
  test('nothing is taken after it was hidden, all again after it is shown', async () => {
    const job = await pjm.create();
    for (let round = 0; round < 5; round += 1) {
      const talk = chatter(job);
      await waitFor(() => talk.answers.filter(({ status }) => status === 200).length > 2, 'some events');
      expect((await hide(job.uuid)).status).toBe(200);
      const { revision } = (await jobOf(job.uuid)).json;
      expect((await Promise.all(times(5, () => pjm.send(job, 'update')))).map(typeOf)).toEqual(
        times(5, () => 'job-hidden'),
      );
      const answers = await talk.stop();
      expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
      expect((await jobOf(job.uuid)).json).toMatchObject({ revision, hidden: true });
      expect((await hide(job.uuid, 'undelete')).status).toBe(200);
      expect((await pjm.send(job, 'update')).status).toBe(200);
    }
  });

  test('a removed job stays away, and its successor has nothing of it', async () => {
    for (let round = 0; round < 6; round += 1) {
      const message = { pipeline_uuid: pjm.pipeline.uuid, data: { removed: round } };
      const job = (await pjm.post(message)).json.result as ExternalJob;
      const hidden = round % 3 === 1;
      if (round % 3 === 2) expect((await renew(job.uuid)).status).toBe(200);
      if (hidden) expect((await hide(job.uuid)).status).toBe(200);
      const [talk, other] = [chatter(job), chatter(job)];
      await waitFor(() => talk.answers.length > 3, 'some events');
      const removed = await Promise.all([remove(job.uuid), renew(job.uuid), hide(job.uuid)]);
      expect(removed.every(({ status }) => status === 200 || status === 404)).toBe(true);
      expect((await jobOf(job.uuid)).status).toBe(404);
      const answers = [...(await talk.stop()), ...(await other.stop())];
      expect(answers.every(({ status }) => [200, 403, 404, 409].includes(status))).toBe(true);
      expect((await pjm.send(job, 'update')).status).toBe(404);
      expect(orphans()).toEqual([0, 0, 0, 0]);

      const again = await pjm.post(message);
      expect([again.status, again.json.result.uuid]).toEqual([201, job.uuid]);
      const successor = again.json.result as ExternalJob;
      expect((await pjm.send(job, 'update')).status).toBe(403);
      expect((await pjm.send(successor, 'run')).status).toBe(200);
      expect((await fetch(`${successor.callback}&status=FINISHED`, { method: 'POST' })).status).toBe(200);
      expect((await jobOf(job.uuid)).json).toMatchObject({ state: 'FINISHED', revision: 2, hidden: false });
    }
  });

  test('after a new token was told the one before is good for nothing', async () => {
    let job = await pjm.create();
    for (let round = 0; round < 5; round += 1) {
      const [talk, other] = [chatter(job), chatter(job)];
      await waitFor(() => talk.answers.length > 3, 'some events');
      const renewed = await renew(job.uuid);
      const { revision } = (await jobOf(job.uuid)).json;
      const late = await Promise.all(times(10, () => pjm.send(job, 'update')));
      const called = await fetch(`${job.callback}&name=update`, { method: 'POST' });
      expect(late.map(typeOf)).toEqual(times(10, () => 'wrong-token'));
      // 429: guessing at nonces is slowed down.
      expect([401, 429]).toContain(called.status);
      await Promise.all([talk.stop(), other.stop()]);
      expect((await jobOf(job.uuid)).json.revision).toBe(revision);
      job = { ...job, token: renewed.json.token, callback: renewed.json.callback };
      expect((await pjm.send(job, 'update')).status).toBe(200);
    }
    // Of several at once the last one counts, and what is told is true.
    const several = await Promise.all(times(10, () => renew(job.uuid)));
    const works = await Promise.all(
      several.map(({ json }) => pjm.send({ ...job, token: json.token as string }, 'update')),
    );
    expect(statuses(works)).toEqual([200, ...times(9, () => 403)]);
  });
});

describe('who comes with a nonce', () => {
  const use = (nonce: string, job: ExternalJob, n = 0) =>
    ask(server, `${actor}/messages?x-nonce=${nonce}`, {
      json: { uuid: job.uuid, token: job.token, name: 'update', data: { n } },
      as: null,
    });

  test('is let in as often as it says, whoever else asks at the same time', async () => {
    const jobs = await Promise.all(times(5, () => pjm.create()));
    const nonce = await pjm.nonce({ maxUses: 40 });
    const answers = await Promise.all(times(120, (n) => use(nonce, jobs[n % 5] as ExternalJob, n)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(40);
    expect(answers.filter(({ status }) => status !== 200).map(typeOf)).toEqual(
      times(80, () => 'nonce-used-up'),
    );
    const stored = await Promise.all(jobs.map(async ({ uuid }) => (await historyOf(uuid)).length - 1));
    expect(stored.reduce((sum, count) => sum + count)).toBe(40);
  });

  test.each([-1, 1000])('is not let in after it was deleted (maxUses %i)', async (maxUses) => {
    const job = await pjm.create();
    const nonce = await pjm.nonce({ maxUses });
    let told = false;
    const late: Answer[] = [];
    const early: Answer[] = [];
    const clients = times(4, async () => {
      for (let n = 0; n < 10_000 && late.length < 8; n += 1) {
        const list = told ? late : early;
        list.push(await use(nonce, job));
      }
    });
    await waitFor(() => early.length > 20, 'some uses');
    expect((await ask(server, `${actor}/nonces/${nonce.slice(0, -24)}`, { method: 'DELETE' })).status).toBe(
      200,
    );
    told = true;
    await Promise.all(clients);
    expect(late.every(({ status }) => status === 401 || status === 429)).toBe(true);
    const stored = (await historyOf(job.uuid)).length - 1;
    expect(stored).toBe(early.filter(({ status }) => status === 200).length);
  });
});
