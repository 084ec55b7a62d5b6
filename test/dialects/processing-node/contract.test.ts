import { rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNode, type TestNode } from '../../support/node.js';
import { ask } from '../../support/raw.js';

let node: TestNode;
beforeAll(async () => {
  node = await startNode({ application: { MAX_BODY_SIZE: '64 KiB', TRUSTED_HOSTS: ['node.example'] } });
});
afterAll(() => node.server.remove());

describe('the API page', () => {
  const commands = {
    DELETE: ['clean'],
    GET: ['init', 'config', 'run', 'clean', 'input', 'output', 'pnsconfig'],
    POST: ['calc', 'testcalc', 'echo', 'run', 'testrun'],
    PUT: ['init', 'config', 'pnsconf', 'inittest'],
  };

  test.each(['', 'api'])('is at /v0.6/%s, as it was printed of old', async (place) => {
    const page = await node.call('GET', place, undefined, null);
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toBe('application/json');
    expect(Object.keys(page.json)).toEqual(['APIs', 'timestamp']);
    expect(page.json.timestamp).toBeTypeOf('number');
    expect(Object.keys(page.json.APIs)).toEqual(Object.keys(commands));
    for (const [method, names] of Object.entries(commands)) {
      const entries = page.json.APIs[method] as { URL: string; description: string }[];
      expect(entries.map(({ URL }) => URL)).toEqual(names.map((name) => `${node.server.url}/v0.6/${name}`));
      for (const entry of entries) {
        expect(Object.keys(entry)).toEqual(['URL', 'description']);
        expect(entry.description).toMatch(/^[A-Z].{8,}/);
      }
    }
  });

  test('its URLs are those that the client may use, and each leads to what it names', async () => {
    const page = await node.call('GET', '', undefined, null, { headers: { Host: 'node.example:81' } });
    expect(page.json.APIs.DELETE[0].URL).toBe('http://node.example:81/v0.6/clean');
    const { APIs } = (await node.call('GET', '', undefined, null)).json;
    for (const { URL } of APIs.GET) expect((await fetch(URL)).status, URL).toBe(200);
    for (const method of ['PUT', 'POST', 'DELETE']) {
      for (const { URL } of APIs[method]) {
        // Whoever is asked for a login exists.
        expect((await fetch(URL, { method })).status, `${method} ${URL}`).toBe(401);
      }
    }
  });

  test('is where the base without a slash leads to', async () => {
    for (const method of ['GET', 'HEAD']) {
      const answer = await ask(node.server, '/v0.6', { method, as: null });
      expect([answer.status, answer.headers.location]).toEqual([308, '/v0.6/']);
    }
    const asked = await ask(node.server, '/v0.6?_=1', { as: null });
    expect([asked.status, asked.headers.location]).toEqual([308, '/v0.6/?_=1']);
  });
});

describe('the envelope', () => {
  test('has its three keys in their order, and seconds to the microsecond', async () => {
    for (const [method, command] of [
      ['GET', 'pnsconfig'],
      ['PUT', 'init'],
      ['PUT', 'inittest'],
      ['POST', 'echo'],
      ['POST', 'testcalc'],
      ['DELETE', 'clean'],
    ] as const) {
      const answer = await node.call(method, command);
      expect([command, answer.status]).toEqual([command, 200]);
      expect(answer.headers['content-type']).toBe('application/json');
      expect(Object.keys(answer.json)).toEqual(['result', 'message', 'timestamp']);
      expect(answer.raw('timestamp')).toMatch(/^\d{10}\.\d{6}$/);
      expect(Math.abs(answer.json.timestamp - Date.now() / 1000)).toBeLessThan(60);
    }
  });

  test('a command may be percent-encoded', async () => {
    expect((await node.call('GET', 'pnsconf%69g')).json.result).toEqual(
      (await node.call('GET', 'pnsconfig')).json.result,
    );
    expect((await node.call('POST', '%65cho?_=1', { a: 1 })).json.result).toEqual({ a: 1 });
    expect((await node.call('GET', '%3Fx')).status).toBe(400);
  });

  test('every answer is later than all that came before it, errors and pages too', async () => {
    const asks = [
      () => node.call('POST', 'echo', '1'),
      () => node.call('POST', 'echo', '1', null),
      () => node.call('POST', 'echo', '{'),
      () => node.call('GET', 'pnsconfig', undefined, null),
      () => node.call('GET', 'input', undefined, null),
      () => node.call('GET', '', undefined, null),
      () => node.call('GET', 'nothing', undefined, null),
      () => node.call('GET', 'a/b/c', undefined, null),
      () => node.call('PATCH', 'init', undefined, null),
    ];
    const seen = new Set<number>();
    let latest = 0;
    const statuses = new Set<number>();
    async function lane(number: number): Promise<void> {
      for (let round = 0; round < 45; round += 1) {
        const before = latest;
        const answer = await (asks[(number + round) % asks.length] as () => ReturnType<TestNode['call']>)();
        const { timestamp } = answer.json;
        expect(timestamp, answer.text).toBeGreaterThan(before);
        seen.add(timestamp);
        statuses.add(answer.status);
        latest = Math.max(latest, timestamp);
      }
    }
    await lane(0);
    await Promise.all(Array.from({ length: 12 }, (_, number) => lane(number)));
    expect(seen.size).toBe(13 * 45);
    expect([...statuses].sort()).toEqual([200, 400, 401, 404, 405]);
    // A clock of milliseconds would have no such digits.
    expect([...seen].filter((time) => Math.round(time * 1e6) % 1000 !== 0).length).toBeGreaterThan(500);
  });
});

describe('what GET gives', () => {
  test('scripts are given as they are, to everybody', async () => {
    for (const name of ['init', 'config', 'run', 'clean']) {
      const answer = await node.call('GET', name, undefined, null);
      expect(answer.status).toBe(200);
      expect(answer.json.result).toMatch(/^#!\/bin\/sh\n/);
      expect(answer.json.message).toBe('');
    }
    node.script('config', 'echo "é ☃"');
    expect((await node.call('GET', 'config')).json.result).toBe('#!/bin/sh\necho "é ☃"\n');
    rmSync(path.join(node.home, 'configPTS'));
    const missing = await node.call('GET', 'config');
    expect([missing.status, missing.json.result]).toEqual([200, -1]);
    expect(missing.json.message).toContain(path.join(node.home, 'configPTS'));
    expect((await node.call('PUT', 'inittest')).json.result).toBe(0);
    expect((await node.call('GET', 'config')).json.result).toBe('#!/bin/sh\n:\n');
  });

  test('folders are given with their files, and null when they are gone', async () => {
    await node.call('DELETE', 'clean');
    for (const [view, folder] of [
      ['input', 'input'],
      ['output', 'output'],
    ] as const) {
      const gone = await node.call('GET', view, undefined, null);
      expect([gone.status, gone.json.result]).toEqual([200, null]);
      expect(gone.json.message).toBe(`${path.join(node.home, folder)} does not exist.`);
    }
    expect((await node.call('PUT', 'init')).json.result).toBe(0);
    expect((await node.call('GET', 'input', undefined, null)).raw('result')).toBe('{}');
    node.script(
      'run',
      "printf 'a\\n\"b\" \\303\\251' >output/one; printf '\\377x' >output/two; mkdir output/three",
    );
    expect((await node.call('POST', 'run')).json.message.returncode).toBe(0);
    const listed = await node.call('GET', 'output', undefined, null);
    expect(listed.json.result).toEqual({
      [path.join(node.home, 'output/one')]: 'a\n"b" é',
      [path.join(node.home, 'output/two')]: '\ufffdx',
    });
    expect(listed.json.message).toBe('');
    await node.call('PUT', 'testinit');
  });

  test('HEAD is GET without a body; OPTIONS tells the methods', async () => {
    for (const command of ['', 'api', 'init', 'input', 'output', 'pnsconfig']) {
      const head = await node.call('HEAD', command, undefined, null);
      expect([command, head.status, head.text]).toEqual([command, 200, '']);
      expect(head.headers['content-type']).toBe('application/json');
    }
    expect((await node.call('HEAD', 'nothing', undefined, null)).status).toBe(400);
    for (const [place, methods] of [
      ['', 'GET'],
      ['init', 'GET,PUT,POST,DELETE'],
      ['sleep/3', 'PUT,POST'],
    ] as const) {
      const options = await node.call('OPTIONS', place, undefined, null);
      expect([place, options.status, options.headers.allow]).toEqual([place, 200, methods]);
    }
  });
});

test("the seed's own steps, one after another", async () => {
  expect((await node.call('GET', 'init', undefined, null)).json.result).toContain('initialised in');
  const prepared = await node.call('PUT', 'inittest');
  expect(Object.keys(prepared.json.message)).toEqual(['command', 'stdout', 'stderr', 'returncode']);
  expect([prepared.json.result, prepared.json.message.returncode]).toEqual([0, 0]);
  const later = await node.call('PUT', 'testinit');
  expect([later.json.result, later.json.message]).toEqual([0, '']);
  const init = await node.call('PUT', 'init', { timeout: 5 });
  expect(init.json.result).toBe(0);
  expect(init.json.message).toEqual({
    command: `['${node.home}/initPTS', '']`,
    stdout: `initialised in ${node.home}\n`,
    stderr: '',
    returncode: 0,
  });
  expect((await node.call('PUT', 'config')).json.result).toBe(0);
  const calc = await node.call('POST', 'calc', { input: { a: 1 } });
  expect([calc.json.result, calc.json.message]).toEqual([0, '']);
  node.script('config', 'echo no >&2; exit 3');
  const failed = await node.call('PUT', 'config');
  expect([failed.status, failed.json.result]).toEqual([200, 3]);
  expect(failed.json.message).toMatchObject({ stdout: '', stderr: 'no\n', returncode: 3 });
  const cleaned = await node.call('DELETE', 'clean');
  expect([cleaned.json.result, cleaned.json.message.returncode]).toEqual([0, 0]);
  expect((await node.call('GET', 'output', undefined, null)).json.result).toBeNull();
});
