import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Manager, manager } from '../../support/manager.js';
import { ask } from '../../support/raw.js';
import { type Received, type Receiver, startReceiver } from '../../support/receiver.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
let pjm: Manager;
let receiver: Receiver;
beforeAll(async () => {
  server = await startServer({ application: { WEBHOOK_PRIVATE_ADDRESSES: true, WEBHOOK_MAX_PAUSE: 0.2 } });
  pjm = await manager(server);
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver.down();
  await server.remove();
});

const eventOf = ({ body }: Received) => JSON.parse(body).data as { job_uuid: string; event_name: string };
const toldOf = (uuid: string, path: string) =>
  receiver.accepted.filter((one) => one.path === path && eventOf(one).job_uuid === uuid);

test('a job names who is told of its events, from the first one on', async () => {
  const job = (await pjm.create({
    subscriptions: [
      { url: `${receiver.url}/all` },
      { url: `${receiver.url}/end`, events: ['finish', 'fail'] },
      { url: `${receiver.url}/clouds`, format: 'cloudevents' },
    ],
  })) as unknown as { uuid: string; token: string; callback: string; subscriptions: { secret: string }[] };
  expect(job.subscriptions).toHaveLength(3);
  const other = await pjm.create();
  for (const name of ['run', 'update', 'finish']) {
    await pjm.send(job, name, { told: name });
    await pjm.send(other, name);
  }
  await waitFor(
    () =>
      toldOf(job.uuid, '/all').length === 4 &&
      toldOf(job.uuid, '/end').length === 1 &&
      receiver.accepted.filter(({ path }) => path === '/clouds').length === 4,
    'all that was subscribed to',
  );
  expect(toldOf(job.uuid, '/all').map((one) => eventOf(one).event_name)).toEqual([
    'create',
    'run',
    'update',
    'finish',
  ]);
  expect(eventOf(toldOf(job.uuid, '/end')[0] as Received)).toMatchObject({
    event_name: 'finish',
    job_state: 'FINISHED',
    data: { told: 'finish' },
  });
  const [first] = toldOf(job.uuid, '/all') as [Received];
  const webhook = new Webhook(job.subscriptions[0]?.secret ?? '');
  expect(webhook.verify(first.body, first.headers)).toMatchObject({ type: 'job.create' });
  const [cloud] = receiver.accepted.filter(({ path }) => path === '/clouds');
  expect(JSON.parse(cloud?.body ?? '')).toMatchObject({ specversion: '1.0', subject: job.uuid });
  expect(
    receiver.accepted.some((one) => one.path !== '/clouds' && eventOf(one).job_uuid === other.uuid),
  ).toBe(false);

  // They go with the job.
  await pjm.post({ uuid: job.uuid, action: 'delete', force: true });
  expect((await ask(server, '/api/subscription/')).json.meta.total_count).toBe(0);
});

test("a subscription to a pipeline's jobs is told of those alone", async () => {
  const other = await manager(server);
  const answer = await ask(server, '/api/subscription/', {
    json: { url: `${receiver.url}/pipeline`, pipeline: `/api/pipeline/${pjm.pipeline.id}/` },
  });
  expect(answer.status).toBe(201);
  const [mine, theirs] = [await pjm.create(), await other.create()];
  await other.send(theirs, 'run');
  await pjm.send(mine, 'run');
  await waitFor(() => toldOf(mine.uuid, '/pipeline').length === 2, 'both events');
  expect(toldOf(theirs.uuid, '/pipeline')).toEqual([]);
});

test.each([
  [{ url: 'ftp://example.org/' }, '/subscriptions/0/url'],
  [{ url: 'https://user:password@example.org/' }, '/subscriptions/0/url'],
  [{ events: ['finish'] }, '/subscriptions/0/url'],
  [{ url: 'https://example.org/', events: ['finnish'] }, 'did you mean \\"finish\\"'],
  [{ url: 'https://example.org/', evnts: [] }, 'did you mean \\"events\\"'],
])('%j is refused, and no job is made', async (subscription, words) => {
  const data = { refused: JSON.stringify(subscription) };
  const answer = await pjm.post({ pipeline_uuid: pjm.pipeline.uuid, data, subscriptions: [subscription] });
  expect(answer.status).toBe(400);
  expect(answer.text).toContain(words);
  expect((await pjm.post({ pipeline_uuid: pjm.pipeline.uuid, data })).status).toBe(201);
});

test("a job's history is followed live to its end", async () => {
  const job = await pjm.create();
  const answer = await server.fetch(`/api/job/${job.uuid}/history/?follow=1`);
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const read = async (wanted: string) => {
    while (!text.includes(wanted)) {
      const { value, done } = (await reader?.read()) ?? { value: '', done: true };
      if (done) throw new Error(`the stream ended before ${wanted}: ${text}`);
      text += value;
    }
  };
  await read('"name":"create"');
  await pjm.send(job, 'run');
  await read('"name":"run"');
  await pjm.send(job, 'finish');
  await read('event: end');
  expect(text).toContain('"state":"FINISHED"');
});
