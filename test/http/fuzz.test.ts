import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bodiesAtBounds } from '../support/at-bounds.js';
import { type Waits, watchHealth } from '../support/health.js';
import { deep, headerText, json, junk, type Random, random, wellFormed, words } from '../support/junk.js';
import { startNode, type TestNode } from '../support/node.js';
import { atPace } from '../support/pace.js';
import { type Answer, ask } from '../support/raw.js';
import { basic, type TestServer } from '../support/server.js';

/** Requests from the API's own description, most of them wrong in some way: none may do harm. */
const requests = Number(process.env.FUZZ_REQUESTS ?? 20_000);
const seed = Number(process.env.FUZZ_SEED ?? 20260101);
const lanes = 8;
const size = 4 * 1024 * 1024;
/** Milliseconds that one request may keep `/healthz` waiting on a quiet machine. */
const longestWait = 100;
const large = bodiesAtBounds(size).map(([, text]) => Buffer.from(text));
const deadline = 15_000;

interface Operation {
  parameters?: { name: string; in: string }[];
  responses: Record<string, unknown>;
}
type Paths = Record<string, Record<string, Operation>>;
interface Shot {
  method: string;
  path: string;
  template: string;
  /** True if the path is not one of the template's. */
  odd: boolean;
  headers: Record<string, string>;
  body?: Buffer;
}

let health: Awaited<ReturnType<typeof watchHealth>>;
let node: TestNode;
let server: TestServer;
let paths: Paths;
const uuids: string[] = [];
const tasks: string[] = [];
/** Where tasks work. */
const base = mkdtempSync(path.join(os.tmpdir(), 'penstock-fuzz-'));

beforeAll(async () => {
  node = await startNode({
    application: {
      MAX_QUEUED_JOBS: 1_000_000,
      MAX_QUEUED_JOBS_PER_USER: 1_000_000,
      MAX_WAIT: 1,
      CONNECTOR: 'local',
      REMOTE_BASE_FOLDER: base,
    },
    // Whatever is slept for, the node is soon free again.
    node: { timeout: 0.2 },
  });
  server = node.server;
  await server.addUser('alice');
  for (let number = 0; number < 5; number += 1)
    await server.register({ exec: '/bin/true', name: `n${number}` });
  await ask(server, '/api/stream/readings/', { method: 'PUT', json: { max_messages: 5 } });
  await ask(server, '/api/operation/', {
    json: { name: 'one', process_definition: 1, input_stream: 'readings' },
  });
  for (let number = 0; number < 3; number += 1) {
    uuids.push((await ask(server, '/api/process_definition/1/run/?wait=1', { method: 'POST' })).json.uuid);
  }
  for (let number = 0; number < 2; number += 1)
    tasks.push((await ask(server, '/tasks', { json: task })).json.content.task.id);
  await ask(server, '/api/application/', { json: { name: 'one', connector: 'local' } });
  paths = (await ask(server, '/api/openapi.json')).json.paths;
  health = await watchHealth(server);
});
afterAll(async () => {
  health.stop();
  await server.remove();
  rmSync(base, { recursive: true, force: true });
});

const task = { type: 'process', process_definition: 1 };

/** Something that may well be accepted; what runs is `/bin/true`. */
function sensible(dice: Random): unknown {
  const definition = { exec: '/bin/true', ...(dice.chance(0.5) ? { name: dice.pick(words) } : {}) };
  return dice.pick<() => unknown>([
    () => ({ definition }),
    () => ({ definition, id: 1, name: dice.pick(words) }),
    () => ({
      objects: [{ definition }, { resource_uri: `/api/process_definition/${dice.below(9)}/`, definition }],
    }),
    () => ({ objects: [], deleted_objects: [`/api/process_definition/${dice.below(99)}/`] }),
    () => ({ input: { text: dice.pick(words), name: dice.pick(words) } }),
    () => ({ output: { name: dice.pick(words) }, environment: { A: dice.pick(words) }, timeout: 5 }),
    () => ({
      input: {
        url: dice.pick([
          'http://127.0.0.1/',
          'http://[::1]/',
          'file:///etc/passwd',
          'http://169.254.169.254/x',
          ...words,
        ]),
      },
    }),
    () => ({
      name: dice.pick(words),
      process_definition: dice.pick<unknown>([1, 2, '/api/process_definition/1/', ...words]),
      input_stream: dice.pick(['readings', ...words]),
      output_stream: dice.pick([null, 'readings', ...words]),
      framing: dice.pick(['line', 'none', ...words]),
      prefetch: dice.pick<unknown>([null, 1, 10_001, ...words]),
    }),
    () => ({ name: dice.pick(words), expires: dice.pick(['2100-01-01T00:00:00Z', ...words]) }),
    () => ({
      url: dice.pick(['http://192.0.2.1:9/hook', 'http://[::1]/', 'https://a:b@192.0.2.1/', ...words]),
      events: dice.pick([null, ['finish'], ['finsh'], []]),
      format: dice.pick(['json', 'cloudevents', ...words]),
      job: dice.pick([null, ...uuids]),
    }),
    () => ({
      state: dice.pick(['dead', 'all', ...words]),
      since: dice.pick(['2026-01-01T00:00:00Z', ...words]),
    }),
    () => ({ input: dice.pick([{ infile: 'x' }, { [dice.pick(words)]: dice.pick(words) }]), timeout: 0.1 }),
    // What a node is told of its home and scripts it would do.
    () => ({
      input: { testing: junk(dice), timeout: dice.pick([0.1, 0.2, ...words]), ptsuser: dice.pick(words) },
    }),
    () => ({
      creator: dice.pick(words),
      input: {
        [dice.pick(['classID', '_STID', 'meta'])]: dice.pick<unknown>(['Product', {}, junk(dice)]),
        _sets: { theName: dice.pick<unknown>(['x', { data: 'x' }, junk(dice)]), a: junk(dice) },
      },
    }),
    () => ({
      ...(dice.chance(0.5) ? { name: dice.pick(words) } : {}),
      type: dice.pick(['memory', 'amqp', ...words]),
      durable: dice.chance(0.5),
      max_messages: dice.pick<unknown>([1, 100, null, ...words]),
    }),
    () => ({
      ...task,
      process_definition: dice.pick<unknown>([1, 2, '/api/process_definition/1/', ...words]),
    }),
    () => [{ ...task, application: dice.pick(['one', ...words]), image: dice.pick(words) }, junk(dice), task],
    () => ({
      type: dice.pick(['xnat', ...words]),
      ...Object.fromEntries(
        ['project', 'subject', 'session', 'host', 'user', 'pwd', 'script'].map((key) => [
          key,
          dice.pick(words),
        ]),
      ),
      files: dice.pick<unknown>([['a'], 'a', junk(dice)]),
      options: dice.pick<unknown>(['-a "b"', ['-a'], junk(dice)]),
    }),
    () => dice.pick<unknown>([[dice.pick(tasks)], { id: dice.pick(tasks) }, [{ id: dice.pick(tasks) }]]),
    () => ({
      name: dice.pick(['two', ...words]),
      connector: dice.pick<unknown>(['local', 'nova', null, ...words]),
      uses: dice.pick<unknown>([1, null, ...words]),
      files: dice.pick<unknown>([
        [{ path: dice.pick(words), text: 'x' }],
        [{ path: 'a', script: 'b' }],
        junk(dice),
      ]),
    }),
    () => ({ username: `u${dice.below(4)}`, password: dice.pick(words), role: 'user' }),
    () => ({ name: dice.pick(words) }),
  ])();
}

function body(dice: Random, type: string): Buffer {
  if (type.startsWith('multipart/')) {
    const part = (name: string, file: string, content: string) =>
      `--b\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${content}\r\n`;
    const parts = Array.from({ length: dice.below(4) }, () =>
      part(
        dice.pick(['input_file', 'job', 'other', '']),
        dice.pick(['', '; filename="a.txt"', '; filename="../x"', '; filename="é"']),
        dice.pick(['{}', '{"timeout": 1}', '{', 'text', '\u0000']),
      ),
    );
    return Buffer.from(parts.join('') + dice.pick(['--b--\r\n', '--b--\r\n', '--b', '']));
  }
  if (dice.chance(0.005)) return dice.pick(large);
  const kind = dice.below(20);
  if (kind < 11) return json(sensible(dice));
  if (kind < 15) return json(junk(dice));
  if (kind === 15) return deep(dice.pick([10, 250, 20_000]));
  if (kind === 16)
    return Buffer.from(
      dice.pick(['', '{', '{"a": 1e999}', '\ufeff{}', '{"a":1,}', '"\\ud800"', '[1', 'nul']),
    );
  if (kind === 17) return Buffer.from([0xff, 0xfe, 0x00, 0x80]);
  if (kind === 18)
    return Buffer.from(`{"definition": {"exec": "/bin/true", "timeout": 1e${dice.below(400)}}}`);
  return Buffer.alloc(dice.below(70_000), 'x');
}

function shot(dice: Random): Shot {
  const template = dice.pick(Object.keys(paths));
  const operations = paths[template] ?? {};
  const methods = Object.keys(operations).filter((name) => name !== 'parameters');
  const method = dice.chance(0.85)
    ? dice.pick(methods).toUpperCase()
    : dice.pick(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'LOCK']);
  let path = template.replace(/\{(\w+)\}/g, (_whole, name: string) => {
    const good =
      {
        uuid: dice.pick(uuids),
        ids: '1;2;99;x',
        actor: 'pipelinejobs-manager',
        script: 'init',
        seconds: '0',
        name: 'readings',
        task: dice.pick(tasks),
        server: 'local-1',
        output: 'output',
        file: 'output',
      }[name] ?? String(1 + dice.below(12));
    const value = dice.chance(0.6) ? good : dice.pick(words).slice(0, 500) || 'x';
    return encodeURIComponent(wellFormed(value));
  });
  const odd = dice.chance(0.02);
  if (odd)
    path = dice.pick([
      '/api/%E0%A4%A',
      '/api//job/',
      '/api/job/%00/',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/api/docs/assets/%2e%2e/package.json',
      path.replace(/\/$/, ''),
    ]);
  const known = operations[method.toLowerCase()]?.parameters ?? [];
  const names = known.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
  // What an operation does not declare is refused before it does anything: where it declares nothing, rarely.
  const lengths = names.length > 0 || dice.chance(0.1) ? [0, 0, 1, 1, 2, 4] : [0];
  const query = Array.from({ length: dice.pick(lengths) }, () => {
    const name = names.length > 0 && dice.chance(0.9) ? dice.pick(names) : dice.pick(words);
    // A stream of a job that goes on would outlast any deadline; those of ended jobs end.
    return `${encodeURIComponent(wellFormed(name).slice(0, 200))}=${encodeURIComponent(wellFormed(dice.pick(words)).slice(0, 600))}`;
  });
  const headers: Record<string, string> = {};
  const login = dice.below(50);
  if (login === 0) headers.Authorization = headerText(`Basic ${dice.pick(words)}`);
  else if (login > 1) headers.Authorization = basic(server.admin);
  for (const name of [
    'Accept',
    'If-Match',
    'If-None-Match',
    'Range',
    'Last-Event-ID',
    'Prefer',
    'Idempotency-Key',
    'X-HTTP-Method-Override',
    'X-Request-Id',
    'If-Range',
    'X-Forwarded-For',
  ]) {
    if (dice.chance(0.04))
      headers[name] = headerText(
        dice.pick(['bytes=0-1', 'bytes=-5', 'bytes=9-', 'wait=1', 'GET', 'DELETE', ...words]),
      );
  }
  if (['GET', 'HEAD', 'OPTIONS', 'TRACE'].includes(method) && dice.chance(0.97)) return finish();
  const type = dice.pick([
    'application/json',
    'application/json',
    'application/json',
    'multipart/form-data; boundary=b',
    'multipart/form-data',
    'text/plain',
    'application/xml',
    '',
    'application/json; charset=latin1',
    '/;=',
  ]);
  if (type !== '') headers['Content-Type'] = type;
  return { ...finish(), body: body(dice, type) };

  function finish(): Shot {
    return { method, path: path + (query.length > 0 ? `?${query.join('&')}` : ''), template, odd, headers };
  }
}

/** What is wrong with an answer, or undefined. */
function fault({ method, template, headers, path, odd }: Shot, answer: Answer): string | undefined {
  if (answer.status >= 500 && answer.status !== 501) return `status ${answer.status}`;
  const type = answer.headers['content-type'] ?? '';
  if (type.startsWith('application/json') && type !== 'application/json') return `type ${type}`;
  if (
    answer.status >= 400 &&
    method !== 'HEAD' &&
    (answer.json?.error ?? answer.json?.message ?? answer.json?.content) === undefined
  )
    return 'an error without a text';
  if (/node_modules|\bat .*\.js:\d+/.test(answer.status >= 400 ? answer.text : '')) return 'a stack trace';
  const override = headers['X-HTTP-Method-Override'];
  const told =
    odd || override !== undefined || method === 'HEAD' || odd
      ? undefined
      : paths[template]?.[method.toLowerCase()];
  const escaped = !path.startsWith(template.split('{')[0] ?? '');
  if (told === undefined || escaped || /\/(schema|set)(\?|\/?$|\/\?)/.test(path)) return undefined;
  return String(answer.status) in told.responses
    ? undefined
    : `status ${answer.status} is not documented for ${method} ${template}`;
}

test(`${requests} requests, seed ${seed}: no 5xx, no hang, nothing undocumented`, async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: lanes });
  const faults = new Map<string, string>();
  /** The operations of the node that did what they are for. */
  const reached = new Set<string>();
  let left = requests;
  let failed = 0;
  const lane = async (number: number) => {
    const dice = random(seed + number * 7919);
    while (left-- > 0) {
      const one = shot(dice);
      const { body: bytes, ...rest } = one;
      const told = `${one.method} ${one.path.slice(0, 300)} ${JSON.stringify(rest.headers)} ${bytes?.toString().slice(0, 300) ?? ''}`;
      try {
        const answer = await ask(server, one.path, {
          method: one.method,
          headers: one.headers,
          as: null,
          agent,
          deadline,
          hangUp: true,
          ...(bytes === undefined ? {} : { body: bytes }),
        });
        if (answer.status >= 500 && answer.status !== 501) failed += 1;
        const wrong = fault(one, answer);
        if (answer.status === 200) reached.add(`${one.method.toLowerCase()} ${one.template}`);
        if (wrong !== undefined && !faults.has(wrong))
          faults.set(wrong, `${told}\n→ ${answer.status} ${answer.text.slice(0, 300)}`);
      } catch (error) {
        faults.set(String(error).slice(0, 60), told);
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
  agent.destroy();
  const { server: longest } = await health.report();
  console.log(
    `${requests} requests: ${failed} answers with 5xx; /healthz waited ${longest.toFixed(0)} ms at most while ${lanes} were sent at once`,
  );
  expect(failed).toBe(0);
  expect([...faults].map(([wrong, where]) => `${wrong}: ${where}`).join('\n\n')).toBe('');
  const well = await ask(server, '/healthz', { as: null });
  expect(well.json.status).toBe('ok');
  expect((await ask(server, '/api/process_definition/?limit=1')).status).toBe(200);
  const missed = Object.entries(paths)
    .filter(([path]) => path.startsWith('/v0.6/'))
    .flatMap(([path, item]) => Object.keys(item).map((method) => `${method} ${path}`))
    .filter((operation) => !operation.startsWith('parameters ') && !reached.has(operation));
  if (requests >= 10_000) expect(missed).toEqual([]);
  expect((await node.call('PUT', 'pnsconf', { input: {} })).json.result).toEqual({});
  expect((await node.call('PUT', 'init', { timeout: 20 })).json.result).toBe(0);
  expect(server.log()).not.toMatch(/"level":[56]0/);
});

/** Routes that take a body, each with its parameters filled in, but for what would take long by itself. */
function routesWithBodies(): [string, string][] {
  const values: Record<string, string> = {
    uuid: uuids[0] ?? '',
    actor: 'pipelinejobs-manager',
    script: 'init',
    seconds: '0',
    name: 'readings',
    task: tasks[0] ?? '',
    server: 'local-1',
  };
  return Object.entries(paths).flatMap(([template, item]) =>
    Object.keys(item)
      .filter((method) => ['post', 'put', 'patch', 'delete'].includes(method))
      .map((method): [string, string] => [
        method.toUpperCase(),
        template.replace(/\{(\w+)\}/g, (_whole, name: string) => values[name] ?? '1'),
      ]),
  );
}

test('a body at its bounds keeps nobody waiting, whatever route it is sent to', async () => {
  const all = bodiesAtBounds(size);
  for (const [, text] of all) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(size);
  const longest = { wait: 0, where: '' };
  /** Waits of one request that the machine is not to blame for: of several tries the shortest counts. */
  async function waitOf(method: string, path: string, body: string): Promise<number> {
    let shortest = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 4 && shortest > longestWait; tries += 1) {
      await health.report();
      const { status } = await ask(server, path, {
        method,
        body,
        headers: { 'Content-Type': 'application/json' },
        deadline: atPace(deadline),
        hangUp: true,
      });
      if (status >= 500 && status !== 501) throw new Error(`status ${status} for ${method} ${path}`);
      const waits: Waits = await health.report();
      shortest = Math.min(shortest, waits.server - waits.idle);
    }
    return shortest;
  }
  const slow: string[] = [];
  const routes = routesWithBodies();
  expect(routes.length).toBeGreaterThan(60);
  for (const [number, [method, path]] of routes.entries()) {
    // Every body goes to the routes of each kind in turn; all of them everywhere would take minutes.
    for (const [at, [what, body]] of all.entries()) {
      if (!process.env.CI && (at + number) % 3 !== 0) continue;
      const wait = await waitOf(method, path, body);
      const where = `${what} to ${method} ${path}: ${wait.toFixed(0)} ms`;
      if (wait > longest.wait) Object.assign(longest, { wait, where });
      if (wait > atPace(longestWait)) slow.push(where);
    }
  }
  console.log(`The longest that one request kept /healthz waiting: ${longest.where}`);
  expect(slow).toEqual([]);
});
