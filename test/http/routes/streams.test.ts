import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { followStream } from '../../support/follow-stream.js';
import { ask } from '../../support/raw.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
let ada: Login;
let bob: Login;
beforeAll(async () => {
  server = await startServer({ application: { MAX_MESSAGE_SIZE: 1000, MAX_STREAMS_PER_USER: 20 } });
  ada = await server.addUser('ada');
  bob = await server.addUser('bob');
});
afterAll(() => server.remove());

const put = (name: string, json: object = {}, as = ada) =>
  ask(server, `/api/stream/${name}/`, { method: 'PUT', json, as });
const publish = (name: string, body: string | Buffer, headers: Record<string, string> = {}, as = ada) =>
  ask(server, `/api/stream/${name}/messages/`, { method: 'POST', body, headers, as });

describe('the noun', () => {
  test('is made by its name, shown with its state, changed, listed, and deleted', async () => {
    expect((await put('readings', { description: 'of the sensors' })).status).toBe(201);
    const shown = (await ask(server, '/api/stream/readings/', { as: ada })).json;
    expect(shown).toMatchObject({
      name: 'readings',
      owner: 'ada',
      type: 'memory',
      durable: true,
      max_messages: 10000,
      description: 'of the sensors',
      queues: [],
      published: 0,
      error: null,
      resource_uri: '/api/stream/readings/',
    });
    // What was read may be sent back.
    expect((await put('readings', { ...shown, max_messages: 5 })).status).toBe(204);
    expect((await ask(server, '/api/stream/readings/', { as: ada })).json.max_messages).toBe(5);
    const made = await ask(server, '/api/stream/', { json: { name: 'other', durable: false }, as: ada });
    expect(made.headers.location).toBe(`${server.url}/api/stream/other/`);
    const { objects } = (await ask(server, '/api/stream/?order_by=name', { as: ada })).json;
    expect(objects.map(({ name }: { name: string }) => name)).toEqual(['other', 'readings']);
    expect((await ask(server, '/api/stream/other/', { method: 'DELETE', as: ada })).status).toBe(204);
    expect((await ask(server, '/api/stream/other/', { as: ada })).status).toBe(404);
    expect((await put('readings', {}, server.admin)).status).toBe(204);
  });

  test.each<[string, string, object, number, RegExp]>([
    ['a name that is none', 'a%20b', {}, 400, /\/name/],
    ['another name than the address', 'one', { name: 'two' }, 400, /the URL names one/],
    ['a type that there is not', 'one', { type: 'amqq' }, 400, /\/type.*did you mean .*amqp/],
    ['a broker that there is not', 'one', { type: 'amqp' }, 400, /no message broker/],
    ['a bound that is none', 'one', { max_messages: 0 }, 400, /\/max_messages/],
    ['a key that there is not', 'one', { durabel: true }, 400, /durable/],
    ["the installation's own", 'job_events', {}, 409, /reserved for the installation/],
    [
      'what the installation makes for operations',
      'operation-1-dead',
      {},
      409,
      /reserved for the installation/,
    ],
    ['what the API needs', 'set', {}, 409, /reserved for the installation/],
  ])('refuses %s', async (_what, name, body, status, text) => {
    const answer =
      name === 'set'
        ? await ask(server, '/api/stream/', { json: { name, ...body }, as: ada })
        : await put(name, body);
    expect([answer.status, answer.json.error]).toEqual([status, expect.stringMatching(text)]);
  });

  test('keeps what it is kept by', async () => {
    await put('kept');
    for (const body of [{ type: 'amqp' }, { durable: false }, { name: 'else' }]) {
      const answer = await ask(server, '/api/stream/kept/', { method: 'PATCH', json: body, as: ada });
      expect([answer.status, answer.json.error]).toEqual([409, expect.stringMatching(/cannot be changed/)]);
    }
  });

  test("others' are not there; their names are taken, without telling by whom", async () => {
    await put('secret');
    expect((await ask(server, '/api/stream/secret/', { as: bob })).status).toBe(404);
    const near = await ask(server, '/api/stream/secrte/messages/?follow=1', { as: bob });
    expect([near.status, near.json.error]).toEqual([404, expect.not.stringMatching(/mean/)]);
    const own = await publish('secrte', 'x');
    expect([own.status, own.json.error]).toEqual([404, expect.stringMatching(/Did you mean secret\?/)]);
    expect((await publish('secret', 'x', {}, bob)).status).toBe(404);
    const taken = await put('secret', {}, bob);
    expect([taken.status, taken.json.error]).toEqual([409, expect.not.stringMatching(/ada/)]);
    expect((await ask(server, '/api/stream/secret/', { method: 'DELETE', as: bob })).status).toBe(404);
    const mine = await Promise.all(
      ['a', 'b', 'c'].map(() => ask(server, '/api/stream/', { json: { name: 'wanted' }, as: bob })),
    );
    expect(mine.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
  });

  test('there is a limit to how many one user has', async () => {
    const cid = await server.addUser('cid');
    for (let number = 0; number < 20; number += 1)
      expect((await put(`cid-${number}`, {}, cid)).status).toBe(201);
    const answer = await put('cid-20', {}, cid);
    expect([answer.status, answer.json.error]).toEqual([409, expect.stringMatching(/MAX_STREAMS_PER_USER/)]);
  });
});

describe('messages', () => {
  test('what is published reaches every follower as it was', async () => {
    await put('live');
    const followers = [await followStream(server, 'live', ada), await followStream(server, 'live')];
    const sent = await publish('live', Buffer.from('grüße'), {
      'Content-Type': 'text/plain; charset=utf-8',
      'Message-Id': 'first',
      'Message-Header-Level': 'high',
      'Message-Header-Place': Buffer.from('Köln').toString('latin1'),
    });
    expect([sent.status, sent.json]).toEqual([201, { id: 'first' }]);
    const bytes = Buffer.from([0xff, 0, 0x80]);
    const second = await publish('live', bytes);
    expect(second.json.id).toMatch(/^[0-9a-f-]{36}$/);
    for (const follower of followers) {
      await waitFor(() => follower.messages.length === 2, 'both messages');
      expect(follower.messages).toEqual([
        {
          id: 'first',
          content_type: 'text/plain; charset=utf-8',
          headers: { level: 'high', place: 'Köln' },
          text: 'grüße',
        },
        {
          id: second.json.id,
          content_type: 'application/octet-stream',
          headers: {},
          base64: bytes.toString('base64'),
        },
      ]);
      follower.cut();
    }
    expect((await ask(server, '/api/stream/live/', { as: ada })).json.published).toBe(2);
    const metrics = (await ask(server, '/metrics', { as: null })).text;
    expect(metrics).toMatch(/penstock_stream_messages_total\{type="memory",result="published"\} [1-9]/);
  });

  test('one message for each line, in order', async () => {
    await put('lines');
    const follower = await followStream(server, 'lines', ada);
    const count = 3000;
    const body = Array.from({ length: count }, (_, index) => `{"n":${index}}\n`).join('');
    const sent = await ask(server, '/api/stream/lines/messages/?framing=line', {
      method: 'POST',
      body: [body.slice(0, 7), body.slice(7, 9000), body.slice(9000)],
      headers: { 'Content-Type': 'application/x-ndjson', 'Message-Id': 'batch' },
      as: ada,
    });
    expect([sent.status, sent.json]).toEqual([201, { published: count }]);
    await waitFor(() => follower.messages.length + follower.others.length >= 1, 'messages');
    const text = await ask(server, '/api/stream/lines/messages/?framing=line', {
      method: 'POST',
      body: 'a\r\n\nb',
      headers: { 'Content-Type': 'text/plain' },
      as: ada,
    });
    expect(text.json).toEqual({ published: 3 });
    await waitFor(() => follower.messages.at(-1)?.text === 'b', 'the last line');
    const [first] = follower.messages;
    expect(first).toMatchObject({ id: 'batch-1', content_type: 'application/json', text: '{"n":0}' });
    expect(follower.messages.slice(-3).map((each) => [each.content_type, each.text])).toEqual([
      ['text/plain', 'a'],
      ['text/plain', ''],
      ['text/plain', 'b'],
    ]);
    const numbers = follower.messages.slice(0, -3).map((each) => JSON.parse(each.text ?? '').n as number);
    expect(numbers).toEqual([...numbers].sort((one, other) => one - other));
    follower.cut();
  });

  test.each<[string, string, Record<string, string>, string | Buffer, number, RegExp]>([
    ['a message that is too large', '', {}, Buffer.alloc(1001), 413, /MAX_MESSAGE_SIZE/],
    [
      'a line that is too large',
      '?framing=line',
      {},
      `x\n${'y'.repeat(1001)}\n`,
      413,
      /Line 2.*published before that: 1/,
    ],
    ['a framing that there is not', '?framing=nul', {}, 'x', 400, /framing/],
    ['an id that is too long', '', { 'Message-Id': 'x'.repeat(300) }, 'x', 400, /Message-Id/],
    ['a header that is too long', '', { [`Message-Header-${'x'.repeat(300)}`]: '1' }, 'x', 400, /header/],
    ['a packed body', '', { 'Content-Encoding': 'gzip' }, 'x', 415, /encoding/],
  ])('refuses %s', async (_what, query, headers, body, status, text) => {
    await put('refuses');
    const path = `/api/stream/refuses/messages/${query}`;
    const answer = await ask(server, path, { method: 'POST', body, headers, as: ada });
    expect([answer.status, answer.json.error]).toEqual([status, expect.stringMatching(text)]);
  });

  test('who asks without follow is told to', async () => {
    await put('refuses');
    const answer = await ask(server, '/api/stream/refuses/messages/', { as: ada });
    expect([answer.status, answer.json.error]).toEqual([400, expect.stringMatching(/follow=1/)]);
  });

  test('a follower that does not read holds up nobody, and is told what it missed', async () => {
    await put('busy', { durable: false });
    const [slow, quick] = [await followStream(server, 'busy', ada), await followStream(server, 'busy', ada)];
    slow.pause();
    const count = 40_000;
    const body = `${'x'.repeat(900)}\n`.repeat(1000);
    for (let sent = 0; sent < count; sent += 1000) {
      const path = '/api/stream/busy/messages/?framing=line';
      const answer = await ask(server, path, { method: 'POST', body, as: ada });
      expect(answer.json).toEqual({ published: 1000 });
    }
    const left = (follower: typeof slow) =>
      follower.others.reduce(
        (sum, { event, data }) => sum + (event === 'left_out' ? Number(data.count) : 0),
        0,
      );
    await waitFor(() => quick.messages.length + left(quick) === count, 'the quick one to have all');
    slow.resume();
    await waitFor(() => slow.messages.length + left(slow) === count, 'the slow one to be told of all');
    expect(left(slow)).toBeGreaterThan(0);
    slow.cut();
    quick.cut();
  });

  test('followers are let go when the stream is removed, and when the server stops', async () => {
    await put('leaving');
    const removed = await followStream(server, 'leaving', ada);
    expect((await ask(server, '/api/stream/leaving/', { method: 'DELETE', as: ada })).status).toBe(204);
    await removed.closed;
    expect(removed.others).toEqual([{ event: 'end', data: { reason: 'the stream was removed' } }]);
    await put('leaving');
    const stopped = await followStream(server, 'leaving', ada);
    await server.stop();
    await stopped.closed;
    await server.restart();
    expect((await ask(server, '/api/stream/leaving/', { as: ada })).status).toBe(200);
  });
});

describe('a queue that nobody reads', () => {
  test('collects, is full at its bound, outlives a kill, and keeps its stream from being deleted', async () => {
    await put('bounded', { max_messages: 3 });
    const definition = await server.register({ exec: 'cat' }, ada);
    const operation = await ask(server, '/api/operation/', {
      json: { name: 'reads', process_definition: definition, input_stream: 'bounded', active: false },
      as: ada,
    });
    expect(operation.status).toBe(201);
    expect((await publish('bounded', 'one')).status).toBe(201);
    const lines = await ask(server, '/api/stream/bounded/messages/?framing=line', {
      method: 'POST',
      body: 'two\nthree\nfour\nfive\n',
      as: ada,
    });
    expect([lines.status, lines.headers['retry-after']]).toEqual([429, '1']);
    expect(lines.json.error).toMatch(/is full.*Message 3 is the first that was not published; 2 were\./);
    expect((await publish('bounded', 'six')).json).toMatchObject({ type: '/api/docs/errors/#stream-full' });
    await server.kill();
    await server.restart();
    expect((await publish('bounded', 'seven')).status).toBe(429);
    const queue = async () => (await ask(server, '/api/stream/bounded/', { as: ada })).json.queues;
    const [{ id }] = (await ask(server, '/api/operation/', { as: ada })).json.objects;
    expect(await queue()).toEqual([{ name: expect.stringContaining('operation-'), ready: 3, unsettled: 0 }]);
    const refused = await ask(server, '/api/stream/bounded/', { method: 'DELETE', as: ada });
    expect([refused.status, refused.json.error]).toEqual([409, expect.stringMatching(/reads/)]);
    await ask(server, `/api/operation/${id}/`, { method: 'DELETE', as: ada });
    expect(await queue()).toEqual([]);
    expect((await ask(server, '/api/stream/bounded/', { method: 'DELETE', as: ada })).status).toBe(204);
  });
});
