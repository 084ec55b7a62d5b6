import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { actor, type ExternalJob, type Manager, manager } from '../../support/manager.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

const run = promisify(execFile);

let server: TestServer;
let pjm: Manager;
let nonce: string;
beforeAll(async () => {
  server = await startServer({
    config: { 'pipelinejobs.yaml': { actors: ['pipelinejobs-manager', 'another-manager'] } },
  });
  pjm = await manager(server);
  nonce = await pjm.nonce();
});
afterAll(() => server.remove());

const stateOf = async ({ uuid }: ExternalJob): Promise<string> =>
  (await ask(server, `/api/job/${uuid}/`)).json.state as string;
const lastData = async ({ uuid }: ExternalJob): Promise<unknown> =>
  (await ask(server, `/api/job/${uuid}/history/`)).json.objects.at(-1).data;

describe('the commands of the older document, as printed', () => {
  const shell = async (command: string) => JSON.parse((await run('sh', ['-c', command])).stdout);

  test('a document with a Bearer token', async () => {
    const job = await pjm.create();
    await pjm.send(job, 'run');
    const token = (await ask(server, '/api/token/', { json: { name: 'curl' } })).json.token as string;
    const answer = await shell(` curl -s -XPOST -H "Authorization: Bearer ${token}" \\
     --data '{"uuid": "${job.uuid}", \\
     "token": "${job.token}",\\
     "name": "finish"}' \\
     ${server.url}/actors/v2/pipelinejobs-manager/messages`);
    expect(answer).toMatchObject({
      status: 'success',
      result: {
        uuid: job.uuid,
        state_before: 'RUNNING',
        state: 'FINISHED',
        history: { name: 'finish', data: null },
      },
    });
  });

  test('parameters in the URL with a nonce', async () => {
    const job = await pjm.create();
    await pjm.send(job, 'run');
    const answer = await shell(` curl -s -XPOST --data '{"arbitrary": "key value data"}' \\
    "${server.url}/actors/v2/pipelinejobs-manager/messages?uuid=${job.uuid}&\\
name=finish&token=${job.token}&\\
x-nonce=${nonce}"`);
    expect(answer.result).toMatchObject({
      state: 'FINISHED',
      history: { data: { arbitrary: 'key value data' } },
    });
  });
});

describe('an event', () => {
  const url = (job: ExternalJob, more: string) => `?uuid=${job.uuid}&token=${job.token}&${more}`;

  test.each([
    ['name=run', 'RUNNING'],
    ['event=run', 'RUNNING'],
    ['name=RUN', 'RUNNING'],
    ['status=RUNNING', 'RUNNING'],
    ['state=running', 'RUNNING'],
    ['status=STOPPED', 'FAILED'],
    ['status=PENDING', 'CREATED'],
    ['status=SOMETHING_NEW', 'CREATED'],
    ['status=UPDATED', 'CREATED'],
  ])('in the URL: %s', async (more, state) => {
    const job = await pjm.create();
    const answer = await pjm.post({ body: 'is data' }, { query: url(job, more) });
    expect([answer.status, answer.json.result?.state]).toEqual([200, state]);
    expect(await lastData(job)).toMatchObject({ body: 'is data' });
  });

  test('in the URL with a body that looks like another message is data all the same', async () => {
    const job = await pjm.create();
    const body = { action: 'delete', uuid: job.uuid, force: true, pipeline_uuid: pjm.pipeline.uuid };
    expect((await pjm.post(body, { query: url(job, 'name=run') })).json.result.state).toBe('RUNNING');
    expect(await lastData(job)).toEqual(body);
  });

  test.each(['', '{}', '   '])('in the URL with the body %j', async (body) => {
    const job = await pjm.create();
    const path = `${actor}/messages${url(job, 'status=FAILED')}`;
    const answer = await ask(server, path, { method: 'POST', body });
    expect([answer.status, answer.json.result.state]).toEqual([200, 'FAILED']);
    // The platform's own word is kept: FAILED and STOPPED are one event.
    expect(await lastData(job)).toEqual({ status: 'FAILED' });
    const { outcome } = (await ask(server, `/api/job/${job.uuid}/`)).json;
    expect(outcome).toMatchObject({ cause: 'platform', reason: 'FAILED' });
  });

  test('in the older shape, with `event` and `__options`', async () => {
    const { uuid, token, ...job } = await pjm.create();
    const answer = await pjm.post({ uuid, token, event: 'run', __options: {} });
    expect(answer.json.result.state).toBe('RUNNING');
    expect(await stateOf({ uuid, token, ...job })).toBe('RUNNING');
  });

  test('is completed by the URL', async () => {
    const job = await pjm.create();
    const query = `?uuid=${job.uuid}&token=${job.token}`;
    expect((await pjm.post({ name: 'run' }, { query })).json.result.state).toBe('RUNNING');
    const urn = await pjm.post({
      uuid: `uri:urn:${job.uuid.toUpperCase()}`,
      token: job.token,
      name: 'finish',
      data: null,
    });
    expect(urn.json.result.state).toBe('FINISHED');
  });

  test('as the actor platform wraps it', async () => {
    const job = await pjm.create();
    const event = JSON.stringify({ uuid: job.uuid, token: job.token, name: 'run' });
    expect((await pjm.post({ message: event })).json.result.state).toBe('RUNNING');
    expect((await pjm.post({ message: JSON.parse(event) })).status).toBe(200);
    const form = await ask(server, `${actor}/messages`, {
      method: 'POST',
      body: `message=${encodeURIComponent(event)}`,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    });
    expect(form.json.result.state).toBe('RUNNING');
  });

  test("as another platform's callback posts its own job", async () => {
    const job = await pjm.create();
    const body = {
      appId: 'app-1.0',
      executionSystem: 'hpc',
      owner: 'ada',
      archivePath: '/a',
      archiveSystem: 's',
      status: 'RUNNING',
      _links: { self: 'x' },
      retries: 0,
      localId: '77',
      batchQueue: 'normal',
    };
    const query = `?uuid=${job.uuid}&token=${job.token}`;
    expect((await pjm.post(body, { query })).json.result.state).toBe('RUNNING');
    expect(await lastData(job)).toEqual({
      appId: 'app-1.0',
      executionSystem: 'hpc',
      owner: 'ada',
      archivePath: '/a',
      archiveSystem: 's',
      status: 'RUNNING',
      batchQueue: 'normal',
    });
    expect((await pjm.post({ ...body, status: 'ARCHIVING_FAILED' }, { query })).json.result.state).toBe(
      'FAILED',
    );
  });

  test('tells how a job ended, as far as its data say so', async () => {
    const outcomeAfter = async (name: string, data: object) => {
      const job = await pjm.create();
      await pjm.send(job, 'run');
      await pjm.send(job, name, data);
      const { outcome, started, ended } = (await ask(server, `/api/job/${job.uuid}/`)).json;
      expect([typeof started, typeof ended]).toEqual(['string', 'string']);
      return outcome;
    };
    expect(await outcomeAfter('finish', {})).toBeNull();
    expect(await outcomeAfter('finish', { exit_code: 0 })).toMatchObject({ cause: 'exit', exit_code: 0 });
    expect(await outcomeAfter('fail', { exit_code: 3 })).toMatchObject({ cause: 'exit', exit_code: 3 });
    expect(await outcomeAfter('fail', { signal: 'SIGKILL' })).toMatchObject({
      cause: 'signal',
      signal: 'SIGKILL',
    });
    expect(await outcomeAfter('fail', { reason: 'no licence' })).toMatchObject({
      cause: 'platform',
      reason: 'no licence',
    });
  });
});

describe('creating', () => {
  test('the same pipeline, parents and data are the same job, which stays as it is', async () => {
    const message = { pipeline_uuid: pjm.pipeline.uuid, data: { alpha: 0.5, beta: 'é' } };
    const [first, ...others] = await Promise.all(Array.from({ length: 5 }, () => pjm.post(message)));
    const answers = [first, ...others].map((answer) => answer?.status).sort();
    expect(answers).toEqual([200, 200, 200, 200, 201]);
    const created = [first, ...others].find((answer) => answer?.status === 201)?.json.result;
    expect(created).toMatchObject({ state: 'CREATED', pipeline_uuid: pjm.pipeline.uuid });
    expect(created.token).toMatch(/^[A-Za-z0-9]{16}$/);
    expect(created.generated_by).toEqual([pjm.pipeline.uuid]);
    await pjm.send(created, 'run');
    const again = await pjm.post({ data: { beta: 'é', alpha: 0.5 }, pipeline_uuid: pjm.pipeline.uuid });
    expect(again.status).toBe(200);
    expect(again.json.result).toMatchObject({
      uuid: created.uuid,
      state: 'RUNNING',
      token: null,
      callback: null,
    });
    expect((await ask(server, `/api/job/${created.uuid}/history/`)).json.objects).toHaveLength(2);
    const written = await pjm.post({ ...message, child_of: ['10483e8d-6602-532a-8941-176ce20dd05a'] });
    expect(written.status).toBe(201);
    expect(written.json.result.uuid).not.toBe(created.uuid);
  });

  test.each([
    '1.0',
    '12345678901234567890',
    '1e3',
  ])('with %s is the same job, however it is wrapped', async (number) => {
    const message = `{"pipeline_uuid": "${pjm.pipeline.uuid}", "data": {"exactly": ${number}}}`;
    const post = async (body: string) =>
      (await ask(server, `${actor}/messages`, { method: 'POST', body })).json.result.uuid;
    const plain = await post(message);
    expect(plain).toMatch(/^107/);
    expect(await post(JSON.stringify({ message }))).toBe(plain);
    expect(await post(`{"message": ${message}}`)).toBe(plain);
  });

  test('under a UUID of its own, which is not given to other work', async () => {
    const uuid = '107c0ffe-0000-5000-8000-0000000000aa';
    const post = (data: object) => pjm.post({ pipeline_uuid: pjm.pipeline.uuid, uuid, data });
    const statuses = [await post({ a: 1 }), await post({ a: 1 }), await post({ a: 2 })];
    expect(statuses.map(({ status }) => status)).toEqual([201, 200, 409]);
    expect(statuses[0]?.json.result.uuid).toBe(uuid);
  });

  test("the pipeline and the job of the older system's fixtures keep their UUIDs", async () => {
    const uuid = '1064aaf1-459c-5e42-820d-b822aa4b3990';
    const pipeline = { name: 'tacobot', components: [{ id: 'taco' }] };
    const put = () =>
      ask(server, `/api/pipeline/${uuid}/`, { method: 'PUT', body: JSON.stringify(pipeline) });
    expect([(await put()).status, (await put()).status]).toEqual([201, 204]);
    const answer = await pjm.post({
      pipeline_uuid: uuid,
      archive_path: '/products/v1/solid-snake-20180913T162843Z',
      data: { param1: 'value1' },
      session: 'solid-snake',
    });
    expect(answer.json.result).toMatchObject({
      uuid: '10766b61-49f0-524d-a17f-f4bd42bdfce7',
      archive_path: '/products/v1/solid-snake-20180913T162843Z',
      session: 'solid-snake',
    });
  });

  test('without an archive path it gets one of pipeline, parents and data', async () => {
    const hex = pjm.pipeline.uuid.replaceAll('-', '');
    const path = async (more: object) =>
      (await pjm.post({ pipeline_uuid: pjm.pipeline.uuid, ...more })).json.result.archive_path as string;
    expect(await path({ data: {}, instanced: false })).toMatch(
      new RegExp(`^/products/v2/${hex}/[A-Za-z0-9]+/PAVpwrObxp5YjYRvrJOd5yVp$`),
    );
    expect(await path({ data: { alpha: 0.25 }, session: 'mine' })).toMatch(/\/mine-\d{8}T\d{6}Z$/);
    expect(await path({ data: { alpha: 0.75 }, session: 'abc' })).toMatch(/\/[a-z-]+-\d{8}T\d{6}Z$/);
  });

  test('the callback works as it is, for every actor, whatever the session is called', async () => {
    const job = await pjm.create({ session: 'räum&lich?keit=1 #2' });
    const url = new URL(job.callback);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      token: job.token,
      uuid: job.uuid,
      session: 'räum&lich?keit=1 #2',
    });
    const call = (status: string) => fetch(`${job.callback}&status=${status}`, { method: 'POST' });
    expect((await call('RUNNING')).status).toBe(200);
    expect((await call('FINISHED')).status).toBe(200);
    expect(await stateOf(job)).toBe('FINISHED');
    // Good for this one job, and for its events only.
    const other = await pjm.create();
    const foreign = `${actor}/messages?uuid=${other.uuid}&token=${other.token}&name=run&x-nonce=${url.searchParams.get('x-nonce')}`;
    expect((await ask(server, foreign, { method: 'POST', as: null })).status).toBe(403);
    const create = `${actor}/messages?x-nonce=${url.searchParams.get('x-nonce')}`;
    const message = { pipeline_uuid: pjm.pipeline.uuid, data: { by: 'callback' } };
    expect((await ask(server, create, { json: message, as: null })).status).toBe(403);
  });

  test('a lost token is made again by the owner; the one before is good no more', async () => {
    const job = await pjm.create();
    const renewed = await ask(server, `/api/job/${job.uuid}/token/`, { method: 'POST' });
    const { token, callback } = renewed.json;
    expect((await pjm.send(job, 'run')).json.type).toBe('/api/docs/errors/#wrong-token');
    expect((await fetch(`${job.callback}&status=RUNNING`, { method: 'POST' })).status).toBe(401);
    expect((await fetch(`${callback}&status=RUNNING`, { method: 'POST' })).status).toBe(200);
    expect((await pjm.send({ ...job, token }, 'finish')).status).toBe(200);
    const stranger = await server.addUser('stranger');
    const theirs = await ask(server, `/api/job/${job.uuid}/token/`, { method: 'POST', as: stranger });
    expect(theirs.status).toBe(404);
  });
});

describe('what is wrong has its own answer', () => {
  let job: ExternalJob;
  beforeAll(async () => {
    job = await pjm.create();
  });
  const code = (type: unknown) => String(type).replace('/api/docs/errors/#', '');
  const unknown = '10797ce0-d130-a738-60d5-9e854adc67dd';
  const event = () => ({ uuid: job.uuid, token: job.token, name: 'run' });

  test.each([
    [
      'an unknown event',
      () => ({ ...event(), name: 'finnish' }),
      400,
      'invalid-body',
      'did you mean "finish"?',
    ],
    [
      'no event',
      () => ({ ...event(), name: undefined }),
      400,
      'invalid-body',
      'name is required but missing',
    ],
    ['no uuid', () => ({ name: 'run' }), 400, 'invalid-body', 'uuid is required but missing'],
    ['no UUID at all', () => ({ ...event(), uuid: 'x' }), 400, 'invalid-body', 'must be a UUID'],
    ['a misspelt key', () => ({ ...event(), tokn: 'x' }), 400, 'invalid-body', 'did you mean "token"?'],
    ['data that are no object', () => ({ ...event(), data: [] }), 400, 'invalid-body', '/data'],
    ['an array', () => [event()], 400, 'invalid-body', 'must be a JSON object, not an array'],
    ['a text', () => 'run', 400, 'invalid-body', 'must be a JSON object, not a string'],
    ['null', () => null, 400, 'invalid-body', 'must be a JSON object, not null'],
    [
      "a pipeline's UUID",
      () => ({ ...event(), uuid: pjm.pipeline.uuid }),
      400,
      'invalid-body',
      'names a pipeline',
    ],
    ['an unknown job', () => ({ ...event(), uuid: unknown }), 404, 'not-found', unknown],
    [
      'an unknown pipeline',
      () => ({ pipeline_uuid: `106${unknown.slice(3)}`, data: {} }),
      404,
      'not-found',
      '/api/pipeline/',
    ],
    [
      'an unknown action',
      () => ({ uuid: job.uuid, action: 'delet' }),
      400,
      'invalid-body',
      'did you mean "delete"?',
    ],
    [
      'a job without data',
      () => ({ pipeline_uuid: pjm.pipeline.uuid }),
      400,
      'invalid-body',
      'data is required but missing',
    ],
    [
      'a relative archive path',
      () => ({ pipeline_uuid: pjm.pipeline.uuid, data: {}, archive_path: 'a/b' }),
      400,
      'invalid-body',
      'an absolute path',
    ],
    [
      'a job under the UUID of a pipeline',
      () => ({ pipeline_uuid: pjm.pipeline.uuid, data: {}, uuid: pjm.pipeline.uuid }),
      400,
      'invalid-body',
      "a job's UUID must begin with 107",
    ],
  ])('%s', async (_, body, status, expected, words) => {
    const answer = await pjm.post(body());
    expect([answer.status, code(answer.json.type)]).toEqual([status, expected]);
    expect(answer.json).toMatchObject({ status: 'error', result: null });
    expect(JSON.stringify(answer.json)).toContain(words.replaceAll('"', '\\"'));
    expect(await stateOf(job)).toBe('CREATED');
  });

  test('10 MiB of JSON', async () => {
    const answer = await pjm.post({ ...event(), data: { much: 'x'.repeat(10 * 1024 * 1024) } });
    expect([answer.status, code(answer.json.type)]).toEqual([413, 'too-large']);
  });

  test('no JSON', async () => {
    const answer = await ask(server, `${actor}/messages`, { method: 'POST', body: '{"uuid": ' });
    expect([answer.status, code(answer.json.type)]).toEqual([400, 'bad-json']);
  });

  test('another actor, method and path', async () => {
    const at = (path: string, method = 'POST') => ask(server, path, { method, body: '{}' });
    expect((await at('/actors/v2/pipelinejobs-manger/messages')).status).toBe(404);
    expect((await at('/actors/v2/another-manager/messages')).status).toBe(400);
    expect((await at(`${actor}/messages`, 'PUT')).status).toBe(405);
    expect((await at(`${actor}/mesages`)).status).toBe(404);
  });
});
