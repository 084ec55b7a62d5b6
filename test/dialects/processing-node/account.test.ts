import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filter } from '../../support/jobs.js';
import { type Node, nodeLogin, startNode } from '../../support/node-home.js';
import { ask } from '../../support/raw.js';
import { waitFor } from '../../support/wait-for.js';

let node: Node;
beforeAll(async () => {
  node = await startNode({}, { calc: 'spec' });
});
afterAll(() => node.end());

const as = (url: string, method: string, json?: unknown) =>
  node.server.fetch(url, { method, as: nodeLogin, ...(json === undefined ? {} : { json }) });

const userCalled = async (name: string) =>
  (await ask(node.server, `/api/user/?username=${name}`)).json.objects[0];

test('the node’s login makes nothing that would outlast it, and no job beside the node’s lock', async () => {
  expect((await node.put('config')).status).toBe(200);
  const [job] = (await filter(node.server, 'state=FINISHED')).objects;
  const definition = job?.process_definition ?? '';
  const user = (await userCalled(job?.owner ?? '')).resource_uri;
  for (const [method, url, json] of [
    ['PATCH', user, { password: 'another password' }],
    ['POST', '/api/token/', { name: 'for later' }],
    ['POST', '/api/process_definition/', { definition: { exec: '/bin/true' } }],
    ['PATCH', definition, { definition: { exec: '/bin/true' } }],
    ['DELETE', definition],
    ['POST', `${definition}run/`],
    ['POST', '/api/subscription/', { url: 'https://example.org/' }],
    ['POST', '/actors/v2/pipelinejobs-manager/nonces', {}],
    ['POST', '/actors/v2/pipelinejobs-manager/messages', { pipeline_uuid: 'x' }],
  ] as const) {
    const answer = await as(url, method, json);
    expect([method, url, answer.status]).toEqual([method, url, 403]);
    expect(await answer.text()).toContain("The processing node's own login");
  }
  expect((await as(definition, 'GET')).status).toBe(200);
  expect((await as(user, 'GET')).status).toBe(200);
});

test('it may cancel its jobs', async () => {
  const asleep = node.post('sleep/60', { timeout: 100 });
  const [job] = await waitFor(async () => {
    const { objects } = await filter(node.server, 'state=RUNNING');
    return objects.length === 1 ? objects : null;
  }, 'it to sleep');
  expect((await as(`/api/job/${job?.uuid}/cancel/`, 'POST')).status).toBe(200);
  expect((await asleep).json.result).toBeLessThan(0);
});

test('nobody becomes the node’s account, or it an admin, by a name', async () => {
  expect((await node.put('config')).status).toBe(200);
  const { resource_uri: url } = await userCalled('node');
  // It owns jobs, and so is not removed; the next ones belong to another one when it is gone.
  expect((await node.server.fetch(url, { method: 'DELETE' })).status).toBe(409);
  await node.server.fetch(url, { method: 'PATCH', json: { role: 'admin' } });
  const { objects } = (await ask(node.server, '/api/user/', { as: nodeLogin })).json;
  expect(objects.map(({ username }: { username: string }) => username)).toEqual(['node']);
});

test('calc runs what an admin called so, whatever others call theirs', async () => {
  const eve = await node.server.addUser('eve');
  const stolen = path.join(node.aside, 'stolen');
  await node.server.register({ name: 'spec', exec: '/usr/bin/tee', argv: [stolen] }, eve);
  const none = (await node.post('calc', { input: 'secret' })).json;
  expect(none.result).toBe(-1);
  expect(none.message).toContain("No admin has a process definition 'spec'");
  const id = await node.server.register({ name: 'spec', exec: '/usr/bin/tr', argv: ['a-z', 'A-Z'] });
  const { result } = (await node.post('calc', { input: { 'a.txt': 'loud' } })).json;
  expect(result).toEqual({ output: 'LOUD' });
  const other = await node.server.register({ name: 'spec', exec: '/bin/true' });
  expect((await node.post('calc')).json.message).toContain('more than one');
  await node.server.fetch(`/api/process_definition/${other}/`, { method: 'DELETE' });
  await node.server.fetch(`/api/process_definition/${id}/`, { method: 'DELETE' });
  expect((await node.post('calc')).json.result).toBe(-1);
  expect(existsSync(stolen)).toBe(false);
});
