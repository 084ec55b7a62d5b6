import { afterAll, beforeAll, expect, test } from 'vitest';
import { submit } from '../../support/jobs.js';
import { ask } from '../../support/raw.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
let bob: Login;
beforeAll(async () => {
  server = await startServer({ application: { MAX_SUBSCRIPTIONS_PER_USER: 2 } });
  bob = await server.addUser('bob');
});
afterAll(() => server.remove());

const subscribe = async (more: object, as: Login) =>
  (await ask(server, '/api/subscription/', { json: { url: 'https://example.org/', ...more }, as })).json;

test('a user has so many subscriptions at most, to jobs in general and to each job', async () => {
  const [{ id }] = [await subscribe({}, bob), await subscribe({}, bob)];
  expect(await subscribe({}, bob)).toMatchObject({
    status: 409,
    detail: expect.stringContaining('MAX_SUBSCRIPTIONS_PER_USER'),
  });
  // Others, and jobs, have their own.
  expect((await subscribe({}, server.admin)).id).toBeGreaterThan(0);
  const job = await submit(server, await server.register({ exec: '/bin/true' }, bob), undefined, bob);
  for (const status of [undefined, undefined, 409])
    expect((await subscribe({ job }, bob)).status).toBe(status);
  await ask(server, `/api/subscription/${id}/`, { method: 'DELETE', as: bob });
  expect((await subscribe({}, bob)).id).toBeGreaterThan(0);
});

test('those of a job are told from those of none', async () => {
  const carol = await server.addUser('carol');
  const job = await submit(server, await server.register({ exec: '/bin/true' }, carol), undefined, carol);
  const [ofJob, ofNone] = [await subscribe({ job }, carol), await subscribe({}, carol)];
  const found = async (query: string) => {
    const answer = await ask(server, `/api/subscription/?${query}`, { as: carol });
    expect(answer.status).toBe(200);
    return answer.json.objects.map(({ id }: { id: number }) => id);
  };
  expect(await found(`job=${job}`)).toEqual([ofJob.id]);
  expect(await found('job=None')).toEqual([ofNone.id]);
});
