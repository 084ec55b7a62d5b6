import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ application: { DEFAULT_TIMEOUT: 1.25 } });
});
afterAll(() => server.remove());

const dryRun = async (id: number, json: object = {}) =>
  (await ask(server, `/api/process_definition/${id}/run/?dry_run=1`, { json })).json.timeout;

test('a dry run says the timeout that a run has', async () => {
  const none = await server.register({ exec: 'sleep', argv: ['60'] });
  const own = await server.register({ exec: 'sleep', argv: ['60'], timeout: 7 });
  const service = await server.register({ exec: 'sleep', argv: ['60'], process_type: 'service' });
  expect([await dryRun(none), await dryRun(none, { timeout: 3 })]).toEqual([1.25, 3]);
  expect([await dryRun(own), await dryRun(own, { timeout: 900 })]).toEqual([7, 900]);
  expect([await dryRun(service), await dryRun(service, { timeout: 3 })]).toEqual([null, 3]);
  const steps = [{ name: 'a', process_definition: none }];
  const made = await ask(server, '/api/pipeline/', { json: { name: 'slow', steps } });
  const url = `${new URL(made.headers.location ?? '', server.url).pathname}run/?dry_run=1`;
  expect((await ask(server, url, { json: {} })).json.steps[0].command.timeout).toBe(1.25);
  const ended = await ask(server, `/api/process_definition/${none}/run/?wait=60`, { json: {} });
  expect(ended.json.outcome).toMatchObject({ cause: 'timeout', reason: 'It ran longer than its 1.25 s.' });
});
