import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { nodeLogin, startNode, type TestNode } from '../../support/node.js';
import { atPace } from '../../support/pace.js';
import { main } from '../../support/paths.js';
import { freePorts } from '../../support/ports.js';
import { ask } from '../../support/raw.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const jobsOf = async (server: TestServer, as: Login) => (await ask(server, '/api/job/', { as })).json.objects;

describe('penstock serve --node-only -u USER -p PASSWORD -i IP -o PORT', () => {
  let node: TestNode;
  beforeAll(async () => {
    node = await startNode({ only: true });
  });
  afterAll(() => node.server.remove());

  test('says where the API page is', async () => {
    expect(node.server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    await waitFor(() => node.server.out().split('\n').length > 2, 'the second line');
    expect(node.server.out()).toBe(
      `penstock listening on ${node.server.url}\nthe node's API page is ${node.server.url}/v0.6/\n`,
    );
    const page = await fetch(`${node.server.url}/v0.6/`);
    expect(Object.keys((await page.json()) as object)).toEqual(['APIs', 'timestamp']);
  });

  test.each([
    '/healthz',
    '/metrics',
    '/api/',
    '/api/job/',
    '/api/job/schema/',
    '/api/process_definition/',
    '/v0.6/',
    '/v0.6/pnsconfig',
    '/api/docs/errors/',
  ])('serves %s', async (place) => {
    expect((await ask(node.server, place)).status).toBe(200);
  });

  test.each([
    '/',
    '/api/openapi.json',
    '/api/docs/',
    '/api/user/',
    '/api/token/',
    '/api/pipeline/',
    '/api/subscription/',
    '/api/delivery/',
    '/api/process_definition/1/run/',
    '/actors/v2/pipelinejobs-manager/messages',
    '/actors/v2/pipelinejobs-manager/nonces',
    '/v0.8/',
    '/v0.6x/',
  ])('does not serve %s', async (place) => {
    for (const method of ['GET', 'POST']) {
      expect([method, (await ask(node.server, place, { method })).status]).toEqual([method, 404]);
    }
  });

  test('explains its errors where they say so', async () => {
    const { json } = await ask(node.server, '/api/job/none/');
    const [place, code] = json.type.split('#');
    const page = await ask(node.server, place);
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.text).toContain(`<dt id="${code}">`);
    expect(page.text).not.toContain('<script');
  });

  test('lists what it serves, and takes no definitions', async () => {
    expect(Object.keys((await ask(node.server, '/api/')).json).sort()).toEqual(['job', 'process_definition']);
    const json = { definition: { exec: '/bin/true' } };
    for (const [method, place] of [
      ['POST', '/api/process_definition/'],
      ['PUT', '/api/process_definition/'],
      ['PATCH', '/api/process_definition/'],
      ['DELETE', '/api/process_definition/1/'],
    ] as const) {
      const answer = await ask(node.server, place, { method, json });
      expect([method, answer.status, answer.headers.allow]).toEqual([method, 405, 'GET']);
    }
  });

  test("shows the node's jobs to the node's login, with their logs and history", async () => {
    await node.call('PUT', 'init');
    const run = await node.call('POST', 'run', { input: { infile: 'you' } });
    const uuid = String(run.headers['x-job-uuid']);
    const found = (await jobsOf(node.server, nodeLogin)).find((job: { uuid: string }) => job.uuid === uuid);
    expect([found?.owner, found?.state]).toEqual(['node', 'FINISHED']);
    const part = (name: string) => ask(node.server, `/api/job/${uuid}/${name}/`, { as: nodeLogin });
    expect((await part('stdout')).text).toBe('hello you!');
    expect(JSON.parse((await part('output')).text)).toEqual({ outfile: 'hello you!' });
    const events = (await part('history')).json.objects.map(({ name }: { name: string }) => name);
    expect([events[0], events.at(-1)]).toEqual(['create', 'finish']);
    const definitions = await ask(node.server, '/api/process_definition/', { as: nodeLogin });
    const names = definitions.json.objects.map((one: { name: string }) => one.name);
    expect(names).toEqual(expect.arrayContaining(['node init', 'node run']));
    expect((await ask(node.server, '/api/job/', { as: null })).status).toBe(401);
  });

  test('shows whose jobs they are where somebody else than the node logs in', async () => {
    const mine = await node.call('POST', 'sleep/0', undefined, node.server.admin);
    const uuid = String(mine.headers['x-job-uuid']);
    expect((await ask(node.server, `/api/job/${uuid}/`)).json.owner).toBe('root');
    expect((await ask(node.server, `/api/job/${uuid}/`, { as: nodeLogin })).status).toBe(404);
  });
});

test("a Penstock user's runs are jobs of theirs, and of nobody else's", async () => {
  const node = await startNode();
  onTestFinished(() => node.server.remove());
  const [ada, bob] = [await node.server.addUser('ada'), await node.server.addUser('bob')];
  const uuid = String((await node.call('PUT', 'init', undefined, ada)).headers['x-job-uuid']);
  const own = String((await node.call('PUT', 'init')).headers['x-job-uuid']);
  const uuids = async (as: Login) => (await jobsOf(node.server, as)).map((job: { uuid: string }) => job.uuid);
  expect(await uuids(ada)).toEqual([uuid]);
  expect(await uuids(bob)).toEqual([]);
  expect(await uuids(nodeLogin)).toEqual([own]);
  const stdout = await ask(node.server, `/api/job/${uuid}/stdout/`, { as: ada });
  expect(stdout.text).toBe(`initialised in ${node.home}\n`);
  const history = await ask(node.server, `/api/job/${uuid}/history/`, { as: ada });
  expect(history.json.objects.length).toBeGreaterThan(2);
  expect((await ask(node.server, `/api/job/${uuid}/`, { as: nodeLogin })).status).toBe(404);
});

test("the node's account is made again where an admin has removed or changed it", async () => {
  const node = await startNode();
  onTestFinished(() => node.server.remove());
  const account = async () => (await ask(node.server, '/api/user/?username=node')).json.objects[0];
  const change = async (method: string, json?: object) => {
    const { resource_uri: place } = await account();
    expect((await ask(node.server, place, { method, json })).status).toBeLessThan(300);
  };
  expect((await node.call('POST', 'echo')).status).toBe(200);
  await change('DELETE');
  expect((await node.call('PUT', 'init', undefined, node.server.admin)).json.result).toBe(0);
  expect((await node.call('PUT', 'init')).json.result).toBe(0);
  expect(await account()).toMatchObject({ role: 'user', active: true });
  // Nobody else logs in as it, and who is switched off stays out.
  const guess = { username: 'node', password: 'bar' };
  expect((await node.call('POST', 'echo', '1', guess)).status).toBe(401);
  await change('PATCH', { active: false });
  expect((await node.call('POST', 'echo')).status).toBe(401);
  await change('PATCH', { active: true });
  expect((await node.call('POST', 'echo')).status).toBe(200);
  expect(node.server.log()).not.toMatch(/"level":[56]0/);
});

describe('node.yaml', () => {
  let server: TestServer | undefined;
  afterEach(() => server?.remove());
  const config = async () => {
    const [port = 0] = await freePorts(1);
    return { port, config: { 'node.yaml': { node: { ...nodeLogin, host: '127.0.0.2', port } } } };
  };

  test('says where the node listens, and who may use it', async () => {
    const { port, ...rest } = await config();
    server = await startServer({ ...rest, switches: ['--node-only'] });
    expect(server.url).toBe(`http://127.0.0.2:${port}`);
    const asked = { method: 'POST', body: '1.0', as: nodeLogin };
    expect((await ask(server, '/v0.6/echo', asked)).text).toContain('"result": 1.0,');
  });

  test('gives way to the switches', async () => {
    const { port, ...rest } = await config();
    const [other = 0] = await freePorts(1);
    const switches = ['--node-only', '-i', '127.0.0.1', '-o', String(other), '--username=a', '--password=b'];
    server = await startServer({ ...rest, switches });
    expect([server.url, port]).toEqual([`http://127.0.0.1:${other}`, port]);
    const echo = (as: Login) => ask(server as TestServer, '/v0.6/echo', { method: 'POST', body: '1', as });
    expect((await echo({ username: 'a', password: 'b' })).status).toBe(200);
    expect((await echo(nodeLogin)).status).toBe(401);
  });

  test('says nothing of where a whole Penstock listens', async () => {
    const { port, ...rest } = await config();
    server = await startServer(rest);
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:/);
    expect(server.url).not.toContain(`:${port}`);
    expect(server.out()).not.toContain('API page');
  });

  test('can put the node at another base', async () => {
    const node = await startNode({ only: true, node: { baseurl: '/v0.8' } });
    server = node.server;
    const page = await node.call('GET', '', undefined, null);
    expect(page.json.APIs.PUT[0].URL).toBe(`${server.url}/v0.8/init`);
    expect((await node.call('PUT', 'testinit')).json.result).toBe(0);
    const bare = await ask(server, '/v0.8', { as: null });
    expect([bare.status, bare.headers.location]).toEqual([308, '/v0.8/']);
    expect((await ask(server, '/v0.6/init', { as: null })).status).toBe(404);
    await waitFor(() => node.server.out().includes(`page is ${node.server.url}/v0.8/\n`), 'the second line');
  });
});

test.each([
  [3, ['--node-only', '-u', '', '-p', 'x']],
  [3, ['--node-only', '-u', 'x', '-p', '']],
  [2, ['--node-only', '-u', 'x']],
  [2, ['--node-only', '--nonsense']],
  [2, ['-u', 'x', '-p', 'y']],
])('it exits with %i for %j', (status, switches) => {
  const data = path.join('/proc', 'nowhere');
  const ended = spawnSync(process.execPath, [main, 'serve', '--data', data, ...switches], {
    timeout: atPace(20_000),
  });
  expect([ended.status, ended.stdout.toString()]).toEqual([status, '']);
  expect(ended.stderr.toString()).toMatch(/^penstock: |^error: /);
});
