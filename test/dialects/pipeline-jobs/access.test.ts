import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adminToken } from '../../../src/domain/external-jobs/admin-token.js';
import { actor, type ExternalJob, type Manager, manager } from '../../support/manager.js';
import { ask } from '../../support/raw.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const secret = 'a secret of this test alone';
const key = 'its key';
const lifetime = 1000;

let server: TestServer;
let admins: Manager;
let ada: Login;
let adas: Manager;
let bob: Login;
beforeAll(async () => {
  server = await startServer({
    config: {
      'pipelinejobs.yaml': {
        tenant: 'LAB',
        admin_token_secret: secret,
        admin_token_key: key,
        admin_token_lifetime: lifetime,
      },
    },
  });
  ada = await server.addUser('ada');
  bob = await server.addUser('bob');
  admins = await manager(server);
  adas = await manager(server, ada);
});
afterAll(() => server.remove());

const codeOf = (answer: { json: { type?: string } }) =>
  answer.json.type?.replace('/api/docs/errors/#', '') ?? 'none';
/** An event by URL with a nonce, and nothing else. */
const call = (job: ExternalJob, name: string, nonce: string, at = actor) =>
  ask(server, `${at}/messages?uuid=${job.uuid}&token=${job.token}&name=${name}&x-nonce=${nonce}`, {
    method: 'POST',
    as: null,
  });

describe('credentials', () => {
  test('none, wrong and right ones', async () => {
    const job = await adas.create();
    const event = { uuid: job.uuid, token: job.token, name: 'update' };
    const none = await adas.post(event, { as: null });
    expect([none.status, codeOf(none)]).toEqual([401, 'unauthenticated']);
    expect(none.headers['www-authenticate']).toContain('Basic');
    const wrong = await adas.post(event, { as: { username: 'ada', password: 'guess' } });
    expect([wrong.status, wrong.json.status]).toEqual([401, 'error']);
    // Whoever has a login and the job's token may tell: the platform need not be the owner.
    expect((await adas.post(event, { as: bob })).status).toBe(200);
  });
});

describe('a nonce', () => {
  test('is shown once, listed by its name, and deleted', async () => {
    const made = await ask(server, `${actor}/nonces`, {
      json: { level: 'EXECUTE', maxUses: 3, description: 'for the cluster' },
      as: ada,
    });
    expect(made.status).toBe(201);
    const { id } = made.json.result;
    expect(id).toMatch(/^LAB_[A-Za-z0-9]{32}$/);
    expect(made.json.result).toMatchObject({ maxUses: 3, currentUses: 0, remainingUses: 3, owner: 'ada' });

    const job = await adas.create();
    expect((await call(job, 'update', id)).status).toBe(200);
    const list = async (as: Login) =>
      (await ask(server, `${actor}/nonces`, { as })).json.result as { id: string; description: string }[];
    const mine = (await list(ada)).find(({ description }) => description === 'for the cluster');
    expect(mine).toMatchObject({ currentUses: 1, remainingUses: 2, id: id.slice(0, 12) });
    expect(JSON.stringify(await list(ada))).not.toContain(id);
    expect(await list(bob)).toEqual([]);
    expect((await list(server.admin)).map((nonce) => nonce.id)).toContain(id.slice(0, 12));

    const at = `${actor}/nonces/${id.slice(0, 12)}`;
    expect((await ask(server, at, { method: 'DELETE', as: bob })).status).toBe(404);
    expect((await ask(server, `${at}x`, { method: 'DELETE', as: ada })).status).toBe(404);
    expect((await ask(server, at, { method: 'DELETE', as: ada })).status).toBe(200);
    const gone = await call(job, 'update', id);
    expect([gone.status, codeOf(gone)]).toEqual([401, 'nonce-unknown']);
  });

  test('is redeemed as often as it may be and no more, however many ask at once', async () => {
    const job = await adas.create();
    const nonce = await adas.nonce({ maxUses: 50 });
    const answers = await Promise.all(Array.from({ length: 200 }, () => call(job, 'update', nonce)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(50);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(new Set(refused.map((answer) => `${answer.status} ${codeOf(answer)}`))).toEqual(
      new Set(['401 nonce-used-up']),
    );
    const history = (await ask(server, `/api/job/${job.uuid}/history/`, { as: ada })).json.objects;
    expect(history).toHaveLength(51);
  });

  test('keeps its count through a restart', async () => {
    const job = await adas.create();
    const limited = await adas.nonce({ maxUses: 2 });
    const unlimited = await adas.nonce({ description: 'unlimited' });
    expect((await call(job, 'update', limited)).status).toBe(200);
    expect((await call(job, 'update', unlimited)).status).toBe(200);
    await server.stop();
    await server.restart();
    expect((await call(job, 'update', limited)).status).toBe(200);
    expect(codeOf(await call(job, 'update', limited))).toBe('nonce-used-up');
    const list = (await ask(server, `${actor}/nonces`, { as: ada })).json.result as Record<string, unknown>[];
    expect(list.find(({ description }) => description === 'unlimited')).toMatchObject({
      currentUses: 1,
      remainingUses: -1,
    });
  });

  test('ends at its time', async () => {
    const job = await adas.create();
    const nonce = await adas.nonce({ expireTime: new Date(Date.now() + 400).toISOString() });
    expect((await call(job, 'update', nonce)).status).toBe(200);
    await waitFor(async () => (await call(job, 'update', nonce)).status === 401, 'the nonce to end');
    expect(codeOf(await call(job, 'update', nonce))).toBe('nonce-expired');
  });

  test('of a lower level is refused, and the use does not count', async () => {
    const job = await adas.create();
    const reading = await adas.nonce({ level: 'READ', maxUses: 1 });
    const low = await call(job, 'update', reading);
    expect([low.status, codeOf(low)]).toEqual([403, 'nonce-too-low']);
    const list = (nonce: string, method: string) =>
      ask(server, `${actor}/nonces?x-nonce=${nonce}`, {
        method,
        as: null,
        ...(method === 'POST' ? { body: '{}' } : {}),
      });
    expect((await list(reading, 'GET')).status).toBe(200);
    const executing = await adas.nonce({ level: 'EXECUTE' });
    expect((await list(executing, 'POST')).status).toBe(403);
    const updating = await adas.nonce({ level: 'UPDATE' });
    expect((await list(updating, 'POST')).status).toBe(201);
  });

  test("is its actor's alone, and ends with its owner", async () => {
    const carol = await server.addUser('carol');
    const carols = await manager(server, carol);
    const job = await carols.create();
    const nonce = await carols.nonce();
    expect((await call(job, 'update', nonce)).status).toBe(200);
    expect((await call(job, 'update', nonce.slice(0, -1))).status).toBe(401);
    const users = (await ask(server, '/api/user/?username=carol')).json.objects;
    await ask(server, `/api/user/${users[0].id}/`, { method: 'PATCH', json: { active: false } });
    expect(codeOf(await call(job, 'update', nonce))).toBe('nonce-unknown');
  });

  test("of a job's callback is for events of that job: it makes none, and shows no nonces", async () => {
    const job = await adas.create();
    const nonce = new URL(job.callback).searchParams.get('x-nonce') ?? '';
    expect((await call(job, 'update', nonce)).status).toBe(200);
    const name = (await adas.nonce()).slice(0, 12);
    for (const path of [`nonces`, `nonces/${name}`]) {
      const shown = await ask(server, `${actor}/${path}?x-nonce=${nonce}`, { as: null });
      expect([path, shown.status, codeOf(shown)]).toEqual([path, 403, 'nonce-too-low']);
    }
    const other = { pipeline_uuid: adas.pipeline.uuid, data: { of: 'a nonce' } };
    const made = await ask(server, `${actor}/messages?x-nonce=${nonce}`, { json: other, as: null });
    expect([made.status, codeOf(made)]).toEqual([403, 'nonce-too-low']);
  });

  test('without a limit counts its uses, of many nonces together', async () => {
    const nonces = await Promise.all(Array.from({ length: 5 }, () => adas.nonce()));
    const job = await adas.create();
    await Promise.all(
      nonces.flatMap((nonce, index) => Array.from({ length: index }, () => call(job, 'update', nonce))),
    );
    const uses = async () => {
      const { result } = (await ask(server, `${actor}/nonces`, { as: ada })).json;
      const of = (nonce: string) =>
        result.find((one: { id: string }) => nonce.startsWith(one.id))?.currentUses as number;
      return nonces.map(of).join();
    };
    await waitFor(async () => (await uses()) === '0,1,2,3,4', 'the counts');
  });

  test.each([
    [{ maxUses: 0 }, 'maxUses'],
    [{ maxUses: 1.5 }, 'maxUses'],
    [{ level: 'WRITE' }, 'level'],
    [{ expireTime: '2001-01-01T00:00:00Z' }, 'in the past'],
    [{ max_uses: 1 }, 'maxUses'],
  ])('%j is refused', async (body, words) => {
    const answer = await ask(server, `${actor}/nonces`, { json: body });
    expect(answer.status).toBe(400);
    expect(answer.json.message).toContain(words);
  });
});

describe("a job's token", () => {
  test('is needed, is not that of another job, and is enough for its events', async () => {
    const [job, other] = [await adas.create(), await adas.create()];
    const event = (token?: string) => adas.post({ uuid: job.uuid, name: 'run', token });
    expect([(await event()).status, codeOf(await event())]).toEqual([403, 'wrong-token']);
    expect([(await event(other.token)).status, codeOf(await event(other.token))]).toEqual([
      403,
      'wrong-token',
    ]);
    expect((await event(job.token)).status).toBe(200);
  });

  test('is not enough to reset, to make ready, or to delete', async () => {
    const job = await adas.create();
    const status = async (body: object, as: Login = ada) => {
      const answer = await adas.post({ uuid: job.uuid, token: job.token, ...body }, { as });
      return answer.status === 200 ? (answer.json.result.state ?? 200) : [answer.status, codeOf(answer)];
    };
    expect(await status({ name: 'reset' })).toEqual([403, 'forbidden']);
    expect(await status({ action: 'delete' })).toEqual([403, 'forbidden']);
    expect(await status({ name: 'reset' }, server.admin)).toBe('RESET');
    expect(await status({ name: 'ready' })).toEqual([403, 'forbidden']);
    expect(await status({ name: 'ready' }, server.admin)).toBe('CREATED');
    // An admin needs no job's token, but a wrong one is a mistake all the same.
    expect((await admins.post({ uuid: job.uuid, name: 'run' })).status).toBe(200);
    expect(await status({ name: 'run', token: 'x'.repeat(16) }, server.admin)).toEqual([403, 'wrong-token']);
  });

  test("a nonce of an admin is no admin's login", async () => {
    const job = await admins.create();
    const nonce = await admins.nonce();
    expect(codeOf(await call(job, 'reset', nonce))).toBe('forbidden');
  });

  test('an admin token is, for one to two lifetimes', async () => {
    const now = Math.floor(Date.now() / 1000 / lifetime);
    const job = await adas.create();
    const reset = (token: string) => adas.post({ uuid: job.uuid, name: 'reset', token });
    expect(codeOf(await reset(adminToken(secret, key, now - 2)))).toBe('forbidden');
    expect((await reset(adminToken(secret, key, now - 1))).status).toBe(200);
    expect((await reset(adminToken(secret, key, now))).status).toBe(200);
    const nonce = await adas.nonce();
    const ready = await call({ ...job, token: adminToken(secret, key, now) }, 'ready', nonce);
    expect(ready.json.result.state).toBe('CREATED');
  });

  test('no secret is in the database or the log', async () => {
    const job = await adas.create();
    const nonce = await adas.nonce();
    await call(job, 'update', nonce);
    const files = ['penstock.sqlite', 'penstock.sqlite-wal'].map((name) =>
      readFileSync(path.join(server.data, name)).toString('latin1'),
    );
    for (const text of [...files, server.log()]) {
      for (const hidden of [job.token, nonce, secret]) expect(text.includes(hidden)).toBe(false);
    }
  });
});

describe('a hidden job', () => {
  test('is in no list, takes no events, and can be shown again', async () => {
    const job = await adas.create();
    const listed = async (more = '') =>
      (await ask(server, `/api/job/?limit=1000${more}`, { as: ada })).json as {
        meta: { total_count: number };
        objects: { uuid: string }[];
      };
    const has = async (more = '') => (await listed(more)).objects.some(({ uuid }) => uuid === job.uuid);
    const total = (await listed()).meta.total_count;
    const remove = { uuid: job.uuid, action: 'delete', token: job.token };
    expect((await admins.post(remove)).json.result).toMatchObject({ _visible: false, removed: false });
    expect([await has(), await has('&hidden=true'), (await listed()).meta.total_count]).toEqual([
      false,
      true,
      total - 1,
    ]);
    const refused = await adas.send(job, 'run');
    expect([refused.status, codeOf(refused)]).toEqual([409, 'job-hidden']);
    const cancelled = await ask(server, `/api/job/${job.uuid}/cancel/`, { method: 'POST', as: ada });
    expect([cancelled.status, codeOf(cancelled)]).toEqual([409, 'job-hidden']);

    expect((await admins.post({ uuid: job.uuid, action: 'undelete' })).status).toBe(200);
    expect([await has(), (await listed()).meta.total_count]).toEqual([true, total]);
    expect((await adas.send(job, 'run')).status).toBe(200);
  });

  test('with force it is gone, with its history and its nonce', async () => {
    const job = await adas.create();
    const remove = { uuid: job.uuid, action: 'delete', force: true };
    expect((await admins.post(remove)).json.result).toMatchObject({ removed: true });
    expect((await ask(server, `/api/job/${job.uuid}/`)).status).toBe(404);
    expect((await adas.send(job, 'run')).status).toBe(404);
    expect((await fetch(`${job.callback}&status=RUNNING`, { method: 'POST' })).status).toBe(401);
    expect((await admins.post(remove)).status).toBe(404);
  });
});

describe('a job that runs here', () => {
  test('has a token; its start and end are its own, what validators say comes after', async () => {
    const id = await server.register({ exec: 'sleep', args: ['60'] }, ada);
    const made = (await ask(server, `/api/process_definition/${id}/run/`, { method: 'POST', as: ada })).json;
    expect(made.token).toMatch(/^[A-Za-z0-9]{16}$/);
    await waitFor(
      async () => (await ask(server, `/api/job/${made.uuid}/`)).json.state === 'RUNNING',
      'the job to run',
    );
    for (const name of ['finish', 'fail', 'run', 'reset']) {
      const answer = await admins.post({ uuid: made.uuid, name });
      expect([name, answer.status, codeOf(answer)]).toEqual([name, 409, 'runs-here']);
    }
    expect((await adas.send(made, 'update', { progress: 0.5 })).status).toBe(200);
    await ask(server, `/api/job/${made.uuid}/cancel/`, { method: 'POST' });
    expect((await ask(server, `/api/job/${made.uuid}/`)).json).toMatchObject({
      state: 'FAILED',
      outcome: { cause: 'cancelled' },
    });

    const quick = await server.register({ exec: 'true' }, ada);
    const done = (
      await ask(server, `/api/process_definition/${quick}/run/?wait=20`, { method: 'POST', as: ada })
    ).json;
    for (const [name, state] of [
      ['index', 'INDEXING'],
      ['update', 'INDEXING'],
      ['indexed', 'FINISHED'],
      ['validate', 'VALIDATING'],
      ['validated', 'VALIDATED'],
      ['finalize', 'FINALIZED'],
      ['retire', 'RETIRED'],
    ] as const) {
      expect((await adas.send(done, name)).json.result.state).toBe(state);
    }
    expect(codeOf(await admins.post({ uuid: done.uuid, name: 'reset' }))).toBe('runs-here');
  });

  test('one that runs elsewhere can be cancelled, which is an event', async () => {
    const job = await adas.create();
    await adas.send(job, 'run');
    const receipt = await ask(server, `/api/job/${job.uuid}/cancel/`, { method: 'POST', as: ada });
    expect(receipt.json).toMatchObject({ signalled: [], survivors: [], job: { state: 'FAILED' } });
    expect((await ask(server, `/api/job/${job.uuid}/`)).json.outcome.cause).toBe('cancelled');
  });
});

// Last: it slows this address down.
test('guessing nonces is slowed down; who has the right one is not', async () => {
  const job = await adas.create();
  const nonce = await adas.nonce();
  const guess = async () => (await call(job, 'update', `LAB_${'x'.repeat(32)}`)).status;
  await waitFor(async () => (await guess()) === 429, 'guessing to be slowed down');
  expect((await call(job, 'update', nonce)).status).toBe(200);
});
