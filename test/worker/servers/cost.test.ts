import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStore } from '../../../src/store/store.js';
import { type CloudServer, gated, letGo, startCloud, submitRunning } from '../../support/cloud.js';
import { everyEnd, jobOf, submit } from '../../support/jobs.js';
import type { Login } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let cloud: CloudServer;
beforeAll(async () => {
  cloud = await startCloud({ IDLE_TIMEOUT: 60 });
});
afterAll(() => cloud.remove());

interface Costs {
  server: string | null;
  server_minutes: number | null;
}
const costs = async (uuid: string) => (await jobOf(cloud, uuid)) as unknown as Costs;

test('a job tells which server it has and how many minutes of it, and the server which jobs', async () => {
  const definition = await cloud.register(gated(cloud));
  const uuid = await submitRunning(cloud, definition);
  const { server } = await costs(uuid);
  expect(server).toMatch(/^\/api\/server\/\d+\/$/);
  // To the second.
  await waitFor(async () => ((await costs(uuid)).server_minutes ?? 0) > 0, 'a second to pass');
  letGo(cloud);
  await everyEnd(cloud, [uuid]);
  await cloud.serverIn('idle');
  const { server_minutes } = await costs(uuid);
  const shown = (await (await cloud.fetch(server ?? '')).json()) as Record<string, unknown>;
  expect(shown).toMatchObject({
    uses: 1,
    jobs: [{ job: `/api/job/${uuid}/`, attempt: 1, minutes: server_minutes }],
    address: '127.0.0.1',
  });
  expect(shown.minutes).toBeGreaterThanOrEqual(server_minutes ?? 0);
  const here = await submit(cloud, await cloud.register({ exec: 'true' }));
  await everyEnd(cloud, [here]);
  expect(await costs(here)).toEqual(expect.objectContaining({ server: null, server_minutes: null }));
});

test('whoever is no admin is not told where servers are, nor whose jobs others had there', async () => {
  const user: Login = await cloud.addUser('ada');
  const { objects } = (await (await cloud.fetch('/api/server/', { as: user })).json()) as {
    objects: { id: number; state: string; cloud_id: string | null; minutes: number }[];
  };
  expect(objects[0]).toMatchObject({ state: 'idle', cloud_id: null, address: null });
  const one = await cloud.fetch(`/api/server/${objects[0]?.id}/`, { as: user });
  expect(await one.json()).toMatchObject({ cloud_id: null, jobs: [{ job: null, attempt: 1 }] });
  const { cloud_id } = (await (await cloud.fetch(`/api/server/${objects[0]?.id}/`)).json()) as {
    cloud_id: string;
  };
  expect(cloud_id).toEqual(expect.any(String));
});

test('servers are counted by their state', async () => {
  const health = (await (await cloud.fetch('/healthz', { as: null })).json()) as Record<string, unknown>;
  expect(health).toMatchObject({ servers: { idle: 1 } });
  const metrics = await (await cloud.fetch('/metrics', { as: null })).text();
  expect(metrics).toContain('penstock_servers{state="idle"} 1');
});

test('what is known of servers is forgotten in its time, and not before', async () => {
  const [server] = await cloud.servers();
  expect((await cloud.fetch(`/api/server/${server?.id}/`, { method: 'DELETE' })).status).toBe(204);
  await cloud.serverIn('deleted');
  await cloud.stop();
  const store = await openStore(`${cloud.data}/penstock.sqlite`);
  expect(await store.servers.forget(new Date(Date.now() - 60_000), 100)).toBe(0);
  expect(await store.servers.forget(new Date(Date.now() + 60_000), 100)).toBe(1);
  await store.close();
  await cloud.restart();
  expect(await cloud.servers()).toEqual([]);
});
