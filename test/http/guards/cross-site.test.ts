import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
let operations: { method: string; path: string }[];
beforeAll(async () => {
  server = await startServer({
    application: { TRUSTED_ORIGINS: ['https://Lab.example:443', 'http://pages.lab:8080'] },
  });
  const { paths } = (await ask(server, '/api/openapi.json', { as: null })).json;
  operations = Object.entries(paths as Record<string, object>).flatMap(([path, item]) =>
    Object.keys(item)
      .filter((method) => ['put', 'post', 'patch', 'delete'].includes(method))
      .map((method) => ({ method: method.toUpperCase(), path: path.replaceAll(/\{[^}]*\}/g, '1') })),
  );
});
afterAll(() => server.remove());

/** What browsers tell of a page that is not ours. */
const foreign: [string, Record<string, string>][] = [
  ['another site', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://pages.example' }],
  ['another site, without its origin', { 'Sec-Fetch-Site': 'cross-site' }],
  ['another port of this host', { 'Sec-Fetch-Site': 'same-site', Origin: 'http://127.0.0.1:9' }],
  ['a page without an origin of its own', { Origin: 'null' }],
  ['an old browser', { Origin: 'http://pages.example' }],
  ['a browser that is older still', { Referer: 'http://pages.example/a/page?of=it' }],
  ['another scheme', { Origin: 'ftp://127.0.0.1' }],
  ['several headers at once', { 'Sec-Fetch-Site': 'same-origin, cross-site' }],
  ['a word that is still to be invented', { 'Sec-Fetch-Site': 'near-site' }],
  ['a trusted name on another port', { Origin: 'https://lab.example:8443' }],
  ['a trusted name without its port', { Origin: 'http://pages.lab' }],
  ['a trusted origin with more behind it', { Origin: 'https://lab.example.evil.example' }],
];

describe.each(foreign)('a page of %s', (_what, headers) => {
  test('changes nothing and runs nothing, by any route, with a login or without', async () => {
    expect(operations.length).toBeGreaterThan(60);
    const answers = operations.map(async ({ method, path }, index) => {
      const as = index % 2 === 0 ? server.admin : null;
      const answer = await ask(server, path, { method, headers, as, body: '{}' });
      return [method, path, answer.status, answer.json?.type];
    });
    expect(await Promise.all(answers)).toEqual(
      operations.map(({ method, path }) => [method, path, 403, '/api/docs/errors/#cross-site']),
    );
  });

  test('does so by no X-HTTP-Method-Override either, nor at an address that is none', async () => {
    for (const method of ['PUT', 'PATCH', 'DELETE', 'GET', 'HEAD']) {
      const more = { ...headers, 'X-HTTP-Method-Override': method };
      const answer = await ask(server, '/api/process_definition/1/', { headers: more, body: '' });
      expect([method, answer.status, answer.json.type]).toEqual([
        method,
        403,
        '/api/docs/errors/#cross-site',
      ]);
    }
    expect((await ask(server, '/nowhere', { headers, method: 'POST', body: 'x' })).status).toBe(403);
  });

  test('may be followed to what only reads', async () => {
    expect((await ask(server, '/api/job/?limit=1', { headers })).status).toBe(200);
    expect((await ask(server, '/api/job/', { headers, method: 'HEAD' })).status).toBe(200);
    expect((await ask(server, '/api/docs/', { headers, as: null })).status).toBe(200);
  });

  test('is told nothing that the browser would hand on', async () => {
    const answer = await ask(server, '/api/job/', {
      headers: { ...headers, 'Access-Control-Request-Method': 'POST' },
      method: 'OPTIONS',
    });
    const allowed = Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'));
    expect(allowed).toEqual([]);
  });
});

describe('is let through', () => {
  const made = async (headers: Record<string, string>, more: Ask = {}) => {
    const json = { definition: { exec: 'true' } };
    return (await ask(server, '/api/process_definition/', { json, ...more, headers })).status;
  };

  test('a program, which sends no such header', async () => {
    expect(await made({ 'Content-Type': 'application/json', 'Sec-Fetch-Mode': 'cors' })).toBe(201);
  });

  test('a page of ours', async () => {
    const { host, origin } = new URL(server.url);
    const type = { 'Content-Type': 'application/json' };
    expect(await made({ ...type, 'Sec-Fetch-Site': 'same-origin', Origin: origin })).toBe(201);
    expect(await made({ ...type, 'Sec-Fetch-Site': 'none' })).toBe(201);
    // Behind a proxy that ends TLS and leaves the name alone.
    expect(await made({ ...type, Host: 'lab.internal', Origin: 'https://lab.internal' })).toBe(201);
    expect(await made({ ...type, Host: 'lab.internal:443', Origin: 'https://lab.internal' })).toBe(201);
    expect(await made({ ...type, Origin: `https://${host}` })).toBe(201);
  });

  test.each(['https://lab.example', 'http://pages.lab:8080'])('a page of %s', async (Origin) => {
    const type = { 'Content-Type': 'application/json' };
    expect(await made({ ...type, 'Sec-Fetch-Site': 'cross-site', Origin })).toBe(201);
    expect(await made({ ...type, Origin })).toBe(201);
  });

  test('no name that only a client without a proxy tells of', async () => {
    const forwarded = { 'X-Forwarded-Host': 'lab.internal', Origin: 'https://lab.internal' };
    expect(await made({ ...forwarded, 'Content-Type': 'application/json' })).toBe(403);
  });
});

test('behind a proxy that is trusted, the name that it was called by is ours', async () => {
  const proxied = await startServer({ application: { TRUST_PROXY: true } });
  try {
    const ours = { 'X-Forwarded-Host': 'lab.internal', 'X-Forwarded-Proto': 'https' };
    const post = (Origin: string) =>
      ask(proxied, '/api/process_definition/', {
        headers: { ...ours, Origin, 'Content-Type': 'application/json' },
        body: '{"definition": {"exec": "true"}}',
      });
    expect((await post('https://lab.internal')).status).toBe(201);
    // A page that came without TLS may have been changed on its way.
    expect((await post('http://lab.internal')).status).toBe(403);
    expect((await post('https://other.internal')).json.detail).toMatch(
      /other\.internal.*TRUSTED_ORIGINS may send a POST/,
    );
  } finally {
    await proxied.remove();
  }
});
