import { afterEach, expect, test } from 'vitest';
import { atPace } from '../support/pace.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer | undefined;
afterEach(() => server?.remove());

test('servers are counted by their state', async () => {
  server = await startServer({ application: { CONNECTOR: 'local', VIRTUAL_SERVER_TTL: 2 } });
  const counts = async () => {
    const text = await (await (server as TestServer).fetch('/metrics')).text();
    return Object.fromEntries(
      [...text.matchAll(/^penstock_servers\{state="(\w+)"\} (\d+)$/gm)].map(([, state, count]) => [
        state,
        count,
      ]),
    );
  };
  const none = { requested: '0', booting: '0', ready: '0', busy: '0', idle: '0', error: '0', deleting: '0' };
  expect(await counts()).toEqual(none);
  const id = await server.register({ exec: 'true', executor: 'cloud' });
  const answer = await server.fetch(`/api/process_definition/${id}/run/?wait=60`, { method: 'POST' });
  expect(answer.status).toBe(200);
  await expect.poll(counts, { timeout: atPace(10_000) }).toEqual({ ...none, idle: '1' });
});
