import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

type Json = Record<string, unknown>;
let server: TestServer;
let document: Json & { paths: Record<string, Record<string, Json>> };
beforeAll(async () => {
  // The node's base is its configuration's: nothing may take it for granted.
  server = await startServer({ config: { 'node.yaml': { baseurl: '/a/node' } } });
  document = (await ask(server, '/api/openapi.json', { as: null })).json;
});
afterAll(() => server.remove());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => method !== 'parameters')
      .map(([method, operation]) => ({
        path,
        method,
        operation,
        shared: (item.parameters ?? []) as unknown as Json[],
      })),
  );

test('it says what it is', () => {
  expect(document).toMatchObject({
    openapi: '3.1.0',
    info: { title: 'Penstock', version: expect.stringMatching(/\d/) },
  });
});

test('every reference leads somewhere', () => {
  const references: string[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      if (key === '$ref') references.push(String(value));
      else walk(value);
    }
  };
  walk(document);
  expect(references.length).toBeGreaterThan(50);
  for (const reference of references) {
    const target = reference
      .replace(/^#\//, '')
      .split('/')
      .reduce<unknown>((node, key) => (node as Json | undefined)?.[key], document);
    expect([reference, typeof target]).toEqual([reference, 'object']);
  }
});

test('every operation has an id of its own, responses, and its path parameters', () => {
  const ids = new Set<unknown>();
  for (const { path, method, operation, shared } of operations()) {
    const where = `${method} ${path}`;
    expect(['get', 'put', 'post', 'delete', 'patch'], where).toContain(method);
    expect(ids.has(operation.operationId), where).toBe(false);
    ids.add(operation.operationId);
    const responses = Object.entries(operation.responses as Record<string, Json>);
    expect(responses.length, where).toBeGreaterThan(0);
    for (const [status, response] of responses) {
      expect(status, where).toMatch(/^[1-5]\d\d$/);
      expect(typeof response.description, where).toBe('string');
    }
    const parameters = [...shared, ...((operation.parameters ?? []) as Json[])];
    const names = parameters.map(({ name, in: place }) => `${place}:${name}`);
    expect(new Set(names).size, where).toBe(names.length);
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => `path:${match[1]}`);
    expect(names.filter((name) => name.startsWith('path:')).sort(), where).toEqual(inPath.sort());
    for (const parameter of parameters) expect(parameter.schema, where).toBeTypeOf('object');
  }
});

/** What a path answers to is what OPTIONS, or a method that nobody has, says of it. */
test('every route of the application is in it, with every method', async () => {
  const nouns = Object.keys((await ask(server, '/api/', { as: null })).json);
  const templates = [
    '/healthz',
    '/metrics',
    '/api/',
    '/api/openapi.json',
    ...nouns.flatMap((noun) => {
      const key = { job: 'uuid', stream: 'name', host_key: 'host' }[noun] ?? 'id';
      return [`/api/${noun}/`, `/api/${noun}/schema/`, `/api/${noun}/set/{ids}/`, `/api/${noun}/{${key}}/`];
    }),
    ...['run', 'form', 'test', 'revisions'].map((part) => `/api/process_definition/{id}/${part}/`),
    ...['run', 'form'].map((part) => `/api/pipeline/{id}/${part}/`),
    ...['input', 'output', 'stdout', 'stderr', 'history', 'token', 'cancel', 'resume', 'stop', 'restart'].map(
      (part) => `/api/job/{uuid}/${part}/`,
    ),
    ...['', '{output}/', '{output}/{file}/'].map((part) => `/api/job/{uuid}/outputs/${part}`),
    ...['secret', 'ping', 'replay'].map((part) => `/api/subscription/{id}/${part}/`),
    '/api/delivery/{id}/replay/',
    '/api/stream/{name}/messages/',
    ...['start', 'stop', 'dead_letters', 'dead_letters/replay'].map((part) => `/api/operation/{id}/${part}/`),
    ...['messages', 'nonces', 'nonces/{id}'].map((part) => `/actors/v2/{actor}/${part}`),
    ...['/', '/tasks', '/tasks/{task}', '/tasks/{task}/stdout', '/tasks/{task}/stderr'],
    ...['/servers', '/servers/untracked', '/servers/{server}', '/config'],
    ...['/pipeline', '/instance', '/error'],
  ];
  for (const template of templates) {
    const path = template.replace('{actor}', 'pipelinejobs-manager').replace(/\{\w+\}/g, '1');
    const { headers } = await ask(server, path, { method: 'OPTIONS', as: null });
    const described = Object.keys(document.paths[template] ?? {}).filter((method) => method !== 'parameters');
    expect([template, headers.allow?.toLowerCase().split(',').sort()]).toEqual([template, described.sort()]);
  }
  const pages = ['/api/docs/', '/api/docs/errors/'];
  const others = Object.keys(document.paths).filter((path) => !path.startsWith('/a/node/'));
  expect(others.sort()).toEqual([...templates, ...pages].sort());
});

/** All commands of a node are one route: which there are is told by who is asked for a login, or gets an answer. */
test('every command of the node is in it, and nothing else', async () => {
  const commands = ['init', 'config', 'run', 'clean', 'input', 'output', 'pnsconfig', 'pnsconf', 'inittest'];
  commands.push(
    'settings',
    'testinit',
    'calc',
    'testcalc',
    'echo',
    'testrun',
    'sleep',
    'upload/{script}',
    'sleep/{seconds}',
  );
  const templates = commands.map((command) => `/a/node/${command}`);
  const described = Object.keys(document.paths).filter((path) => path.startsWith('/a/node/'));
  expect(described.sort()).toEqual(['/a/node/', '/a/node/api', ...templates].sort());
  for (const template of templates) {
    const path = template.replace('{script}', 'init').replace('{seconds}', '3');
    const methods = ['get', 'put', 'post', 'delete'].map(async (method) => {
      const { status } = await ask(server, path, { method: method.toUpperCase(), as: null });
      return [200, 401].includes(status) ? [method] : [];
    });
    const there = (await Promise.all(methods)).flat();
    const told = Object.keys(document.paths[template] ?? {}).filter((method) => method !== 'parameters');
    expect([template, told.sort()]).toEqual([template, there.sort()]);
    for (const method of told) {
      const { security, responses } = document.paths[template]?.[method] as Record<string, Json>;
      expect([template, method, security]).toEqual([template, method, method === 'get' ? [] : undefined]);
      expect(Object.keys(responses as Json)).toContain('200');
    }
  }
  for (const place of ['/a/node/', '/a/node/api']) {
    expect(Object.keys(document.paths[place] ?? {})).toEqual(['get']);
    expect((await ask(server, place, { method: 'OPTIONS', as: null })).headers.allow).toBe('GET');
  }
});

test('the page to try it on loads, with nothing from elsewhere', async () => {
  const page = await ask(server, '/api/docs/', { as: null });
  expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
  const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
  expect(links.length).toBeGreaterThan(3);
  for (const link of links) {
    expect(link).toMatch(/^\/api\//);
    const asset = await ask(server, link, { as: null });
    expect([link, asset.status]).toEqual([link, 200]);
    expect(asset.body.length).toBeGreaterThan(100);
  }
  expect(page.headers['content-security-policy']).toContain("script-src 'self'");
  const browser = { headers: { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }, as: null };
  expect((await ask(server, '/', browser)).headers.location).toBe('/api/docs/');
  expect((await ask(server, '/api/docs/errors/', { as: null })).text).toContain('id="queue-full"');
});

test('the calls of the node that run something name its job', () => {
  const naming = operations()
    .filter(({ operation }) => JSON.stringify(operation.responses).includes('X-Job-UUID'))
    .filter(({ path }) => path.startsWith('/a/node/'))
    .map(({ path, method }) => `${method} ${path.slice('/a/node/'.length)}`);
  expect(naming.sort()).toEqual(
    ['delete clean', 'post calc', 'post run', 'post sleep', 'post sleep/{seconds}', 'post testrun'].concat([
      'put config',
      'put init',
    ]),
  );
});
