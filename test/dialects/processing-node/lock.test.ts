import { once } from 'node:events';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { filter } from '../../support/jobs.js';
import { type Node, nodeLogin, startNode } from '../../support/node-home.js';
import { linesOf } from '../../support/programs.js';
import { basic } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let node: Node;
beforeAll(async () => {
  node = await startNode({}, { timeout: 30 });
});
afterAll(async () => {
  await node.end();
});

/** Runs a script that goes on until it is let go; gives its answer once it has been. */
async function hold() {
  const [begun, go] = [path.join(node.aside, 'begun'), path.join(node.aside, 'go')];
  for (const file of [begun, go]) rmSync(file, { force: true });
  node.script('config', `echo >${begun}; until [ -e ${go} ]; do sleep 0.02; done; echo held`);
  const answer = node.put('config');
  await waitFor(() => existsSync(begun), 'the script to begin');
  return {
    answer,
    async release() {
      writeFileSync(go, '');
      return answer;
    },
  };
}
const running = async () => (await filter(node.server, 'state__in=CREATED,RUNNING&limit=1')).total;
const product = { meta: {}, _sets: { theName: { data: 'x' } } };

const exclusive = [
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
] as const;
const ask = (method: string, command: string, json?: unknown) =>
  (method === 'PUT' ? node.put : method === 'POST' ? node.post : node.remove)(command, json);

describe('while one thing is under way', () => {
  test.each(
    exclusive,
  )('%s %s is told so at once, and all that only looks is done', async (method, command) => {
    const held = method === 'POST' && command === 'run' ? null : await hold();
    // A pair of the same kind, once.
    const slow = held === null ? node.post('sleep/1000') : null;
    if (slow !== null) await waitFor(running, 'the sleep to begin');
    const { status, json } = await ask(method, command, { input: product });
    expect([status, json.error]).toEqual([409, 'Conflict. Updating.']);
    expect(json.message).toMatch(/^409 .*is busy with (PUT config|POST sleep)/);
    const looks = await Promise.all([
      node.post('echo', [1]),
      node.post('calc'),
      node.post('testcalc', { input: product }),
      ...['init', 'config', 'run', 'clean', 'input', 'output', 'pnsconfig', ''].map((name) => node.get(name)),
    ]);
    expect(looks.map((look) => look.status)).toEqual(looks.map(() => 200));
    expect(await running()).toBe(1);
    if (held !== null) expect((await held.release()).json.message.stdout).toBe('held\n');
    else {
      const [job] = (await filter(node.server, 'state=RUNNING')).objects;
      const cancel = await node.server.fetch(`/api/job/${job?.uuid}/cancel/`, { method: 'POST' });
      expect(cancel.status).toBe(200);
      expect((await slow)?.json).toMatchObject({ result: -9, message: { returncode: -9 } });
    }
    expect(await node.busy()).toBe(false);
  });

  test('a client that sends its body slowly is told at once, and holds nothing before', async () => {
    const begin = async () => {
      const { hostname, port } = new URL(node.server.url);
      const socket = net.connect(Number(port), hostname);
      socket.on('error', () => {});
      let said = '';
      socket.on('data', (piece) => {
        said += piece.toString();
      });
      await once(socket, 'connect');
      socket.write(
        `POST /v0.6/sleep/0 HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic(nodeLogin)}\r\nContent-Length: 100\r\n\r\n{`,
      );
      return { socket, said: () => said };
    };
    const early = await begin();
    // It never ends its body, and the node goes on with others.
    expect((await node.post('sleep/0')).json.result).toBe(0);
    expect(await node.busy()).toBe(false);
    const held = await hold();
    const late = await begin();
    await waitFor(() => late.said().includes('\r\n\r\n'), 'the answer to a body that is not there');
    expect(late.said()).toMatch(/^HTTP\/1\.1 409 /);
    // Now the first ends its body, too late.
    early.socket.write(`${' '.repeat(98)}}`);
    await waitFor(() => early.said().includes('\r\n\r\n'), 'the answer to a body that came slowly');
    expect(early.said()).toMatch(/^HTTP\/1\.1 409 /);
    await held.release();
    for (const { socket } of [early, late]) socket.destroy();
  });

  test('of 50 at once exactly one is done, round after round', async () => {
    const log = path.join(node.aside, 'runs');
    node.script('run', `echo begin >>${log}; sleep 0.2; echo end >>${log}; echo x >output/x`);
    for (let round = 1; round <= 5; round += 1) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => node.post('run')));
      const statuses = answers.map(({ status }) => status).sort();
      expect(statuses).toEqual([200, ...Array.from({ length: 49 }, () => 409)]);
      expect(answers.find(({ status }) => status === 200)?.json.result).toEqual({ x: 'x\n' });
      expect(linesOf(log)).toEqual(Array.from({ length: round }, () => ['begin', 'end']).flat());
    }
  });

  test('50 clients that try until they are let in are all served, one at a time', async () => {
    const log = path.join(node.aside, 'turns');
    node.script('run', `echo begin >>${log}; echo end >>${log}`);
    const client = () => waitFor(async () => (await node.post('run')).status === 200, 'a turn', 50_000);
    await Promise.all(Array.from({ length: 50 }, client));
    expect(linesOf(log)).toEqual(Array.from({ length: 50 }, () => ['begin', 'end']).flat());
  });
});

describe('the node is free again after', () => {
  test.each<[string, () => Promise<unknown>, number]>([
    ['a bad body', () => node.put('config', undefined, { body: '{' }), 400],
    ['a body that is no object', () => node.put('config', [1]), 400],
    ['a wrong timeout', () => node.put('config', { timeout: -1 }), 400],
    ['a wrong name', () => node.post('run', { input: { '../x': '' } }), 400],
    ['an unknown script', () => node.put('upload/nothing'), 400],
    ['an unknown command', () => node.put('nothing'), 400],
    ['a wrong login', () => node.put('config', undefined, { as: { username: 'foo', password: 'x' } }), 401],
    ['no login', () => node.put('config', undefined, { as: null }), 401],
    ['a configuration that is none', () => node.put('pnsconf', { input: { timeout: 'x' } }), 200],
    ['a product that is none', () => node.post('testrun', { input: 1 }), 200],
    [
      'a body too large',
      () => node.put('config', undefined, { headers: { 'Content-Length': '99999999999' } }),
      413,
    ],
  ])('%s', async (_, request, status) => {
    expect(await request()).toMatchObject({ status });
    expect(await node.busy()).toBe(false);
  });

  test('a folder that cannot be used', async () => {
    writeFileSync(path.join(node.aside, 'file'), '');
    await node.put('pnsconf', { input: { paths: { inputdir: path.join(node.aside, 'file') } } });
    expect((await node.post('run')).status).toBe(401);
    await node.put('pnsconf', { input: { paths: { inputdir: path.join(node.aside, 'file/input') } } });
    expect((await node.put('init')).status).toBe(401);
    await node.put('pnsconf', { input: {} });
    expect(await node.busy()).toBe(false);
  });

  test('a cancel, by the UUID that the answer has, too', async () => {
    const held = await hold();
    // The script may be at work before its start is stored.
    const job = await waitFor(
      async () => (await filter(node.server, 'state=RUNNING')).objects[0],
      'the job to be told as running',
    );
    expect((await node.server.fetch(`/api/job/${job.uuid}/cancel/`, { method: 'POST' })).status).toBe(200);
    const { json, headers } = await held.answer;
    expect(headers['x-job-uuid']).toBe(job.uuid);
    expect(json).toMatchObject({ result: -9, message: { stdout: '', returncode: -9 } });
    expect(json.message.message).toContain('Cancelled by root');
    expect(await node.busy()).toBe(false);
  });

  test('a client that went away before its body had come', async () => {
    const { hostname, port } = new URL(node.server.url);
    const socket = net.connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.end(
      `PUT /v0.6/config HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic(nodeLogin)}\r\nContent-Length: 100\r\n\r\n{`,
    );
    await once(socket.resume(), 'close');
    expect(await node.busy()).toBe(false);
  });
});
