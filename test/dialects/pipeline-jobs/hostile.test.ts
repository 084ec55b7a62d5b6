import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { followJobs } from '../../support/follow.js';
import { actor, type ExternalJob, type Manager, manager } from '../../support/manager.js';
import { atPace } from '../../support/pace.js';
import { type Answer, type Ask, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
let pjm: Manager;
let job: ExternalJob;
beforeAll(async () => {
  server = await startServer({ application: { WEBHOOK_PRIVATE_ADDRESSES: true } });
  pjm = await manager(server);
  job = await pjm.create();
  await pjm.send(job, 'run');
});
afterAll(() => server.remove());

const messages = `${actor}/messages`;
const post = (path: string, options: Ask = {}) =>
  ask(server, path, { method: 'POST', deadline: 15_000, ...options });
const raw = (body: string | Buffer) => post(messages, { body });
/** An event of the job with this text as its data. */
const eventWith = (data: string) =>
  raw(`{"uuid": "${job.uuid}", "token": "${job.token}", "name": "update", "data": ${data}}`);
/** A new job with this text as its data, and more keys. */
const createWith = (data: string, more = '') =>
  raw(`{"pipeline_uuid": "${pjm.pipeline.uuid}", "data": ${data}${more}}`);
const typeOf = (answer: Answer) => String(answer.json?.type).replace('/api/docs/errors/#', '');

/** Whatever was sent: all that is stored can be read, and nothing failed in the server. */
async function allReadable(): Promise<void> {
  const list = await ask(server, '/api/job/?limit=0&hidden=false');
  expect(list.status).toBe(200);
  for (const { uuid, revision } of list.json.objects) {
    expect((await ask(server, `/api/job/${uuid}/`)).status).toBe(200);
    const history = await ask(server, `/api/job/${uuid}/history/`);
    expect(history.status).toBe(200);
    expect(history.json.objects).toHaveLength(revision + 1);
  }
  const last = (await ask(server, `/api/job/${job.uuid}/`)).json.revision;
  const follower = await followJobs(server, { after: '0' });
  await waitFor(
    () => follower.received.some(({ event }) => event.job_uuid === job.uuid && event.revision === last),
    'the live stream to tell the last event',
  );
  follower.cut();
  expect(server.log()).not.toMatch(/"level":[56]0/);
}

const surrogate = '\\ud800';
const digits = '1'.repeat(400);

describe('data of any kind are kept or refused, and hinder nobody from reading', () => {
  test.each<[string, string, number]>([
    ['__proto__', '{"__proto__": {"admin": true}}', 200],
    [
      'constructor',
      '{"constructor": {"prototype": {"admin": true}}, "toString": 1, "hasOwnProperty": null}',
      200,
    ],
    ['a half of a character', `{"a": "${surrogate}", "${surrogate}": 1}`, 200],
    ['NUL', '{"a": "x\\u0000y", "\\u0000": "\\u0000"}', 200],
    ['a number beyond all', '{"a": 1e400, "b": -1e400}', 400],
    ['one beside what is deep', `{"a": ${'['.repeat(50_000)}${']'.repeat(50_000)}, "b": -1e400}`, 400],
    ['an integer of 400 digits', `{"a": ${digits}, "b": [-0, -0.0, 1E5]}`, 400],
    ['an integer of 300 digits', `{"a": ${digits.slice(0, 300)}, "b": [-0, -0.0, 1E5]}`, 200],
    ['nested 190 deep', `{"a": ${'['.repeat(190)}${']'.repeat(190)}}`, 200],
    ['nested 200 deep', `{"a": ${'['.repeat(200)}${']'.repeat(200)}}`, 400],
    ['nested 100,000 deep', `{"a": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 400],
    ['5,000 keys', `{${Array.from({ length: 5000 }, (_, n) => `"k${n}": ${n}`).join(',')}}`, 200],
    ['the same key twice', '{"a": 1, "a": {"b": 2}}', 200],
  ])('%s', async (_, data, expected) => {
    const event = await eventWith(data);
    expect(event.status).toBe(expected);
    const created = await createWith(data);
    expect(created.status).toBe(expected === 200 ? 201 : 400);
    if (expected === 200) {
      const again = await createWith(data);
      expect([again.status, again.json.result.uuid]).toEqual([200, created.json.result.uuid]);
      const { token } = created.json.result;
      const told = { uuid: created.json.result.uuid, token, name: 'run' };
      expect((await pjm.post(told)).status).toBe(200);
    }
    await allReadable();
  });

  test('what JSON can say comes back as it was said, from memory and from the disk', async () => {
    const data = JSON.parse('{"__proto__": {"a": "\\ud800"}, "n\\u0000": "\\u0000", "": [[], {}]}');
    const made = await pjm.post({ pipeline_uuid: pjm.pipeline.uuid, data });
    expect(made.status).toBe(201);
    const shown = async () =>
      JSON.stringify((await ask(server, `/api/job/${made.json.result.uuid}/`)).json.data);
    const kept = JSON.parse(await shown());
    expect(Object.keys(kept).sort()).toEqual(['', '__proto__', 'n\0']);
    expect(Object.getOwnPropertyDescriptor(kept, '__proto__')?.value).toEqual({ a: '\ud800' });
    expect(kept['n\0']).toBe('\0');
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test('millions of digits do not hold up the server', async () => {
    const made = createWith(`{"a": ${'7'.repeat(4_000_000)}}`);
    const begin = Date.now();
    expect((await ask(server, '/healthz', { as: null })).status).toBe(200);
    expect((await made).status).toBe(400);
    expect(Date.now() - begin).toBeLessThan(atPace(5000));
  });

  test.each<[number, number | null]>([
    [3_221_225_477, 3_221_225_477],
    [-(2 ** 31) - 1, -(2 ** 31) - 1],
    [2 ** 32, null],
    [2 ** 53, null],
    [1e21, null],
    [1e308, null],
    [1.5, null],
    [-0, 0],
  ])('an exit code of %d', async (code, kept) => {
    const ended = await pjm.create();
    const answer = await pjm.send(ended, 'fail', { exit_code: code });
    expect(answer.status).toBe(200);
    const { outcome } = (await ask(server, `/api/job/${ended.uuid}/`)).json;
    expect([outcome.exit_code, outcome.cause]).toEqual([kept, kept === null ? 'platform' : 'exit']);
    await allReadable();
  });
});

describe('texts that a database or a URL cannot hold', () => {
  const texts: [string, string][] = [
    ['half a character', `four${surrogate}`],
    ['NUL', 'four\\u0000more'],
    ['a line break', 'four\\nmore'],
    ['DEL', 'four\\u007fmore'],
    ['halves in the wrong order', 'four\\udc00\\ud800'],
  ];
  const places: [string, (text: string) => string][] = [
    ['session', (text) => `"session": "${text}"`],
    ['archive_path', (text) => `"archive_path": "/${text}"`],
    ['archive_system', (text) => `"archive_system": "${text}"`],
    ['agent', (text) => `"agent": "${text}"`],
    ['archive_patterns', (text) => `"archive_patterns": [{"${text}": "${text}"}]`],
    ['subscriptions', (text) => `"subscriptions": [{"url": "http://127.0.0.1:9/${text}"}]`],
    [
      'subscriptions/events',
      (text) => `"subscriptions": [{"url": "http://127.0.0.1:9/", "events": ["${text}"]}]`,
    ],
  ];
  let number = 0;
  test.each(places)('%s', async (_, place) => {
    for (const [what, text] of texts) {
      number += 1;
      const answer = await createWith(`{"odd": ${number}}`, `, ${place(text)}`);
      expect([201, 400], `${what}: ${answer.text}`).toContain(answer.status);
      if (answer.status !== 201) continue;
      // What the answer says is what is stored.
      const { uuid, session, archive_path, archive_system } = answer.json.result;
      expect((await ask(server, `/api/job/${uuid}/`)).json).toMatchObject({
        session,
        archive_path,
        archive_system,
      });
    }
    await allReadable();
  });

  test('in the texts of an end, a nonce and a pipeline', async () => {
    for (const [, text] of texts) {
      for (const key of ['reason', 'signal']) {
        const ended = await pjm.create();
        const { uuid, token } = ended;
        expect(
          (
            await raw(
              `{"uuid": "${uuid}", "token": "${token}", "name": "fail", "data": {"${key}": "${text}"}}`,
            )
          ).status,
        ).toBe(200);
      }
      const nonce = await post(`${actor}/nonces`, { body: `{"description": "${text}"}` });
      expect([201, 400]).toContain(nonce.status);
      const pipeline = await post('/api/pipeline/', {
        body: `{"name": "${text}", "components": [{"${text}": "${text}"}]}`,
        headers: { Prefer: 'return=representation' },
      });
      expect([201, 400]).toContain(pipeline.status);
    }
    expect((await ask(server, `${actor}/nonces`)).status).toBe(200);
    expect((await ask(server, '/api/pipeline/')).status).toBe(200);
    await allReadable();
  });
});

describe('requests of any kind have a right answer', () => {
  const good = () => `{"uuid": "${job.uuid}", "token": "${job.token}", "name": "update"}`;

  test('top-level keys of the prototype are unknown keys', async () => {
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const answer = await raw(good().replace('{', `{"${key}": {"force": true, "data": {}}, `));
      expect([key, answer.status, typeOf(answer)]).toEqual([key, 400, 'invalid-body']);
      const made = await createWith('{"x": 1}', `, "${key}": {"uuid": "x"}`);
      expect([key, made.status, typeOf(made)]).toEqual([key, 400, 'invalid-body']);
      const hidden = await raw(`{"${key}": {"action": "delete"}, "uuid": "${job.uuid}"}`);
      expect([key, hidden.status]).toEqual([key, 400]);
    }
    await allReadable();
  });

  test('bodies that are not UTF-8, packed, in pieces, or wrapped', async () => {
    expect(typeOf(await raw(Buffer.from([0x7b, 0xff, 0x7d])))).toBe('bad-json');
    const packed = await post(messages, {
      body: gzipSync(good()),
      headers: { 'Content-Encoding': 'gzip', 'Content-Type': 'application/json' },
    });
    expect([packed.status, typeOf(packed)]).toEqual([415, 'unsupported-media-type']);
    const pieces = [...good()].map((letter) => Buffer.from(letter));
    expect((await post(messages, { body: pieces })).status).toBe(200);
    expect((await post(messages, { body: '' })).status).toBe(400);
    let wrapped = good();
    for (let level = 0; level < 12; level += 1) {
      const answer = await raw(wrapped);
      expect([level, answer.status]).toEqual([level, level < 2 ? 200 : 400]);
      wrapped = `{"message": ${level < 6 ? JSON.stringify(wrapped) : wrapped}}`;
    }
    expect((await raw(`${'{"message": '.repeat(5000)}1${'}'.repeat(5000)}`)).status).toBe(400);
    expect((await raw(`message=${encodeURIComponent(good())}`)).status).toBe(200);
    expect((await raw('message=%E0%A4%A')).status).toBe(400);
    expect((await raw(`\ufeff${good()}`)).status).toBe(200);
    await allReadable();
  });

  test('parameters twice, long, odd', async () => {
    const at = (query: string, options: Ask = {}) => post(`${messages}?${query}`, options);
    const mine = `uuid=${job.uuid}&token=${job.token}`;
    const other = await pjm.create();
    // The last one counts.
    const twice = await at(`uuid=${other.uuid}&token=x&${mine}&name=fail&name=update`);
    expect([twice.status, twice.json?.result?.uuid]).toEqual([200, job.uuid]);
    expect((await ask(server, `/api/job/${other.uuid}/`)).json.revision).toBe(0);
    for (const [query, status] of [
      [`${mine}${'x'.repeat(8192)}&name=update`, 400],
      [`uuid=${job.uuid}&name=update&token=${encodeURIComponent('\0'.repeat(16))}`, 403],
      [`uuid=${job.uuid}&name=update&token=%ff%fe`, 403],
      [`uuid=${job.uuid}&name=update&token=${encodeURIComponent('é'.repeat(16))}`, 403],
      [`uuid=%00&name=update&token=x`, 400],
      [`${mine}&name=__proto__`, 400],
      [`${mine}&name=constructor`, 400],
      [`${mine}&name=%00`, 400],
      [`${mine}&status=__proto__`, 200],
      [`${mine}&status=constructor`, 200],
      [`${mine}&status=${'x'.repeat(4000)}`, 200],
      [`${mine}&status=%00`, 200],
      [`${mine}&status=`, 200],
      [`${mine}&name=UPDATE`, 200],
    ] as const) {
      const answer = await at(query);
      expect([query.slice(-60), answer.status]).toEqual([query.slice(-60), status]);
    }
    const nonce = (text: string) => at(`${mine}&name=update&x-nonce=${text}`, { as: null });
    for (const text of ['%00', 'x'.repeat(8192), '%ff', '']) {
      expect([401, 429]).toContain((await nonce(text)).status);
    }
    await allReadable();
  });

  test('actors and nonces by odd names, and other methods', async () => {
    for (const name of ['pipelinejobs%2Dmanager', '%70ipelinejobs-manager'])
      expect((await post(`/actors/v2/${name}/messages`, { body: good() })).status).toBe(200);
    for (const name of [
      '%00',
      '%2e%2e',
      '__proto__',
      'constructor',
      'x'.repeat(4000),
      '%F0%9F%98%80',
      'a%2Fb',
    ])
      expect([name, (await post(`/actors/v2/${name}/messages`, { body: good() })).status]).toEqual([
        name,
        404,
      ]);
    for (const name of ['%E0%A4%A', '%'])
      expect([400, 404]).toContain((await post(`/actors/v2/${name}/messages`, { body: good() })).status);
    for (const id of ['%00', '__proto__', 'x'.repeat(4000), '%F0%9F%98%80', "'%20OR%201=1"])
      expect((await ask(server, `${actor}/nonces/${id}`)).status).toBe(404);
    for (const method of ['HEAD', 'GET', 'PUT', 'PATCH', 'DELETE', 'TRACE'])
      expect([method, (await ask(server, messages, { method })).status]).toEqual([method, 405]);
    expect((await ask(server, messages, { method: 'OPTIONS' })).status).toBeLessThan(500);
    expect((await ask(server, `${actor}/nonces`, { method: 'HEAD' })).status).toBe(200);
    for (const method of ['GET', 'DELETE', 'nonsense', 'PUT']) {
      const answer = await post(messages, { body: good(), headers: { 'X-HTTP-Method-Override': method } });
      expect([200, 400, 405, 501]).toContain(answer.status);
    }
    await allReadable();
  });
});
