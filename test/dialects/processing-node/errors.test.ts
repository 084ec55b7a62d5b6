import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type NodeAnswer, startNode, type TestNode } from '../../support/node.js';
import { ask } from '../../support/raw.js';
import { waitFor } from '../../support/wait-for.js';

let node: TestNode;
beforeAll(async () => {
  node = await startNode({ application: { MAX_BODY_SIZE: '64 KiB' } });
});
afterAll(() => node.server.remove());

const titles = {
  400: 'Bad request.',
  401: 'Unauthorized. Authentication needed to modify.',
  404: 'Not found.',
  409: 'Conflict. Updating.',
} as const;

/** An error in the node's shape: these three keys and no other. */
function expectError(answer: NodeAnswer, status: number, says: string | RegExp = ''): void {
  expect([answer.status, answer.headers['content-type']], answer.text).toEqual([status, 'application/json']);
  expect(Object.keys(answer.json)).toEqual(['error', 'message', 'timestamp']);
  const { error, message, timestamp } = answer.json;
  expect(error).toBe(titles[status as keyof typeof titles] ?? error);
  expect(error).toBeTypeOf('string');
  expect(message.startsWith(`${status} `), message).toBe(true);
  expect(message).toMatch(says);
  expect(timestamp).toBeTypeOf('number');
}

const anything = { PUT: 'init', POST: 'echo', DELETE: 'clean' } as const;

describe('logins', () => {
  test.each(Object.entries(anything))('%s %s takes one', async (method, command) => {
    const none = await node.call(method, command, undefined, null);
    expectError(none, 401);
    expect(none.headers['www-authenticate']).toMatch(/^Basic /);
    for (const wrong of [
      { username: 'foo', password: `not ${method}` },
      { username: `no ${method}`, password: 'bar' },
    ]) {
      expectError(await node.call(method, command, undefined, wrong), 401);
    }
    expect((await node.call(method, command)).status).toBe(200);
    expect((await node.call(method, command, undefined, node.server.admin)).status).toBe(200);
  });

  test("a Penstock user's own and a token of theirs will do", async () => {
    const ada = await node.server.addUser('ada');
    const made = await ask(node.server, '/api/token/', { json: { name: 'node' }, as: ada });
    expect(made.status).toBe(201);
    const bearer = { headers: { Authorization: `Bearer ${made.json.token}` } };
    for (const [method, command] of Object.entries(anything)) {
      expect((await node.call(method, command, undefined, ada)).status).toBe(200);
      expect((await node.call(method, command, undefined, null, bearer)).status).toBe(200);
    }
    expectError(
      await node.call('PUT', 'init', undefined, null, { headers: { Authorization: 'Bearer x' } }),
      401,
    );
  });

  test('nobody who only looks is asked for one, or held to a wrong one', async () => {
    for (const view of ['', 'api', 'init', 'config', 'run', 'clean', 'input', 'output', 'pnsconfig']) {
      for (const login of [null, { username: 'foo', password: 'wrong' }]) {
        expect((await node.call('GET', view, undefined, login)).status).toBe(200);
      }
    }
  });

  test('whoever guesses on is held up, in the same shape', async () => {
    const guess = () => node.call('PUT', 'init', undefined, { username: 'guessed', password: 'x' });
    let answer = await guess();
    for (let left = 10; answer.status === 401 && left > 0; left -= 1) answer = await guess();
    expectError(answer, 429);
    expect(answer.headers['retry-after']).toMatch(/^\d+$/);
  });
});

describe('what there is not', () => {
  test.each([
    ['GET', 'nothing'],
    ['GET', 'pnsconf'],
    ['GET', 'echo'],
    ['GET', 'sleep'],
    ['GET', 'constructor'],
    ['HEAD', 'nothing'],
    ['PUT', 'nothing'],
    ['PUT', 'upload'],
    ['PUT', 'run'],
    ['PUT', 'toString'],
    ['PUT', 'upload/nothing'],
    ['PUT', 'upload/__proto__'],
    ['PUT', 'init/x'],
    ['PUT', 'sleep/3'],
    ['POST', 'nothing'],
    ['POST', 'init'],
    ['POST', 'upload/init'],
    ['POST', 'echo/x'],
    ['POST', '__proto__'],
    ['DELETE', 'nothing'],
    ['DELETE', 'init'],
    ['PUT', '%E2%98%83'],
    ['GET', '%E0%A4%A'],
  ])('%s %s is a bad request', async (method, command) => {
    const answer = await node.call(method, command);
    if (method === 'HEAD') expect([answer.status, answer.text]).toEqual([400, '']);
    else expectError(answer, 400);
  });

  test('it says what was meant, before anybody logs in', async () => {
    expectError(await node.call('PUT', 'inti', undefined, null), 400, /Did you mean init\?/);
    expectError(await node.call('POST', 'tesrun', undefined, null), 400, /Did you mean testrun\?/);
  });

  test('a script is not replaced over HTTP', async () => {
    const answer = await node.call('PUT', 'upload/run');
    expect([answer.status, answer.json.result]).toEqual([200, -1]);
    expect(answer.json.message).toContain(`${node.home}/runPTS`);
  });

  test('below the base it is not found in the shape of the node, beside it in ours', async () => {
    for (const [method, place] of [
      ['GET', 'a/b/c'],
      ['PUT', 'init/a/b'],
      ['DELETE', 'sleep/3/4'],
    ] as const) {
      expectError(await node.call(method, place), 404, new RegExp(`/v0.6/${place}`));
    }
    const beside = await ask(node.server, '/v0.7/init', { as: null });
    expect([beside.status, beside.json.status]).toEqual([404, 404]);
  });

  test.each([
    ['PATCH', 'init', 'GET,PUT,POST,DELETE'],
    ['PROPFIND', 'run', 'GET,PUT,POST,DELETE'],
    ['POST', '', 'GET'],
    ['DELETE', 'api', 'GET'],
    ['GET', 'sleep/3', 'PUT,POST'],
    ['DELETE', 'upload/init', 'PUT,POST'],
  ])('%s %s is not allowed', async (method, place, allow) => {
    const answer = await node.call(method, place);
    expectError(answer, 405);
    expect(answer.headers.allow).toBe(allow);
  });
});

describe('bodies', () => {
  const commands = [
    ['PUT', 'init'],
    ['PUT', 'config'],
    ['POST', 'run'],
    ['POST', 'testrun'],
    ['POST', 'sleep/0'],
    ['DELETE', 'clean'],
  ] as const;

  test.each(commands)('%s %s refuses a bad timeout, and names it', async (method, command) => {
    for (const bad of ['0', '-1', '"5"', 'NaN', '1e999', '-Infinity', 'true', '[1]', '{}', '315360001']) {
      expectError(await node.call(method, command, `{"timeout": ${bad}}`), 400, /timeout/);
    }
  });

  test.each([
    ...commands,
    ['PUT', 'pnsconf'],
    ['PUT', 'inittest'],
    ['POST', 'echo'],
    ['POST', 'testcalc'],
    ['POST', 'calc'],
  ] as const)('%s %s refuses what is no JSON, and takes an empty body', async (method, command) => {
    expectError(await node.call(method, command, '{"input": 1'), 400, /line 1/);
    expectError(await node.call(method, command, "{'input': 1}"), 400);
    expectError(await node.call(method, command, Buffer.from([0x22, 0xff, 0x22])), 400, /UTF-8/);
    for (const empty of [undefined, '', ' \n']) {
      const answer = await node.call(method, command, empty);
      expect([answer.status, Object.keys(answer.json)[0]]).toEqual([200, 'result']);
    }
  });

  test('a body that is no object is refused by whatever reads it', async () => {
    for (const [method, command] of commands) {
      for (const body of ['[]', '1', '"x"', 'true', 'null']) {
        expectError(await node.call(method, command, body), 400, /object/);
      }
    }
  });

  test('the content type means nothing', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'image/png', '/;=']) {
      const answer = await node.call('POST', 'echo', '{"a": 1.0}', undefined, {
        headers: { 'Content-Type': type },
      });
      expect(answer.raw('result')).toBe('{"a": 1.0}');
    }
  });

  test('one that is too large is refused in the shape of the node', async () => {
    const large = JSON.stringify('x'.repeat(64 * 1024));
    expectError(await node.call('POST', 'echo', large), 413, /MAX_BODY_SIZE/);
    const pieces = ['"', 'x'.repeat(50_000), 'x'.repeat(50_000), '"'];
    expectError(await node.call('POST', 'echo', undefined, undefined, { body: pieces }), 413);
    const just = JSON.stringify('x'.repeat(64 * 1024 - 2));
    expect((await node.call('POST', 'echo', just)).json.result).toHaveLength(64 * 1024 - 2);
  });
});

test('a busy node says 409, and serves what does not change it', async () => {
  const gate = path.join(node.home, 'gate');
  const busy = path.join(node.home, 'busy');
  rmSync(gate, { force: true });
  node.script('config', `touch ${busy}; while ! [ -e ${gate} ]; do sleep 0.02; done`);
  const running = node.call('PUT', 'config', { timeout: 40 });
  const exists = () => existsSync(busy);
  await waitFor(exists, 'the script to begin');
  for (const [method, command] of [
    ['PUT', 'init'],
    ['PUT', 'config'],
    ['PUT', 'pnsconf'],
    ['PUT', 'inittest'],
    ['PUT', 'testinit'],
    ['PUT', 'upload/run'],
    ['POST', 'run'],
    ['POST', 'testrun'],
    ['POST', 'sleep'],
    ['POST', 'sleep/0'],
    ['DELETE', 'clean'],
  ] as const) {
    expectError(await node.call(method, command), 409, /busy with PUT config/);
  }
  expectError(await node.call('PUT', 'init', undefined, null), 401);
  for (const [method, command] of [
    ['POST', 'echo'],
    ['POST', 'calc'],
    ['POST', 'testcalc'],
    ['GET', 'input'],
    ['GET', 'pnsconfig'],
  ] as const) {
    expect((await node.call(method, command)).status).toBe(200);
  }
  writeFileSync(gate, '');
  expect((await running).json.result).toBe(0);
  expect((await node.call('PUT', 'init')).json.result).toBe(0);
});

test('a folder that cannot be one is a 401 with the reason', async () => {
  await node.call('DELETE', 'clean');
  writeFileSync(path.join(node.home, 'input'), '');
  for (const [method, command, body] of [
    ['PUT', 'init', undefined],
    ['POST', 'run', undefined],
  ] as const) {
    expectError(await node.call(method, command, body), 401, /input is not a folder/);
  }
  const view = await node.call('GET', 'input', undefined, null);
  expect([view.status, view.json.result]).toEqual([200, -1]);
  rmSync(path.join(node.home, 'input'));
  expect((await node.call('PUT', 'init')).json.result).toBe(0);
  chmodSync(path.join(node.home, 'initPTS.ori'), 0o644);
  const unable = await node.call('PUT', 'init');
  expect([unable.status, unable.json.result, unable.json.message.returncode]).toEqual([200, -1, -1]);
  expect(unable.json.message.message).toContain('initPTS');
});
