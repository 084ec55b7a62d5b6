import http from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { actor, type ExternalJob, type Manager, manager } from '../../support/manager.js';
import { type Answer, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

/** More than the server remembers. */
const many = 2100;

let server: TestServer;
let pjm: Manager;
const agent = new http.Agent({ keepAlive: true, maxSockets: 40 });
beforeAll(async () => {
  // Callbacks carry this nonce, and jobs have none of their own.
  const shared = { job_manager_nonce: 'SD2E_aaaaaaaabbbbbbbbcccccccccccccccc' };
  server = await startServer({ config: { 'pipelinejobs.yaml': shared } });
  pjm = await manager(server);
});
afterAll(async () => {
  agent.destroy();
  expect(server.log()).not.toMatch(/"level":[56]0/);
  await server.remove();
});

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const post = (json: object): Promise<Answer> => ask(server, `${actor}/messages`, { json, agent });
const revisionOf = async (uuid: string) => (await ask(server, `/api/job/${uuid}/`)).json.revision as number;

test(`${many} jobs in a short time; those that are no longer remembered are as good as the others`, async () => {
  const jobs: ExternalJob[] = [];
  let number = 0;
  await Promise.all(
    times(40, async () => {
      while (number < many) {
        number += 1;
        const data = { number };
        const answer = await post({ pipeline_uuid: pjm.pipeline.uuid, session: 'in-bulk', data });
        expect(answer.status).toBe(201);
        jobs.push(answer.json.result);
      }
    }),
  );
  expect(new Set(jobs.map(({ uuid }) => uuid)).size).toBe(many);
  const list = await ask(server, '/api/job/?session=in-bulk&limit=1');
  expect(list.json.meta.total_count).toBe(many);

  const [first, hidden, renewed, removed] = jobs as [ExternalJob, ExternalJob, ExternalJob, ExternalJob];
  const told = await Promise.all(times(10, (n) => pjm.send(first, 'update', { n })));
  expect(told.map(({ status }) => status)).toEqual(times(10, () => 200));
  expect(await revisionOf(first.uuid)).toBe(10);

  // What is decided of a job that has to be read first holds for events at the same time.
  const during = (job: ExternalJob) => times(5, () => pjm.send(job, 'update'));
  const [hide, ...early] = await Promise.all([
    pjm.post({ uuid: hidden.uuid, action: 'delete' }),
    ...during(hidden),
  ]);
  expect(hide?.status).toBe(200);
  expect(early.every(({ status }) => status === 200 || status === 409)).toBe(true);
  expect((await pjm.send(hidden, 'update')).status).toBe(409);
  expect(await revisionOf(hidden.uuid)).toBe(early.filter(({ status }) => status === 200).length);

  const [token, ...before] = await Promise.all([
    ask(server, `/api/job/${renewed.uuid}/token/`, { method: 'POST' }),
    ...during(renewed),
  ]);
  expect((await pjm.send(renewed, 'update')).status).toBe(403);
  expect((await pjm.send({ ...renewed, token: token?.json.token }, 'run')).status).toBe(200);
  expect(await revisionOf(renewed.uuid)).toBe(before.filter(({ status }) => status === 200).length + 1);

  const [gone, ...last] = await Promise.all([
    pjm.post({ uuid: removed.uuid, action: 'delete', force: true }),
    ...during(removed),
  ]);
  expect(gone?.status).toBe(200);
  expect(last.every(({ status }) => status === 200 || status === 404)).toBe(true);
  expect((await pjm.send(removed, 'update')).status).toBe(404);
  const [all, others, page] = await Promise.all(
    ['', '&state=CREATED', `&offset=${many - 5}`].map((query) => ask(server, `/api/job/?limit=10${query}`)),
  );
  expect([all?.json.meta.total_count, others?.json.meta.total_count]).toEqual([many - 2, many - 3]);
  expect(page?.json.objects).toHaveLength(3);
});

test('who is switched off is let in no more, by login, nonce or callback; who has a job of theirs still tells', async () => {
  const ada = await server.addUser('ada');
  const hers = await manager(server, ada);
  const job = await hers.create();
  const nonces = [await hers.nonce(), await hers.nonce({ maxUses: 1000 })];
  let told = false;
  const early: Answer[] = [];
  const late: Answer[] = [];
  const event = { uuid: job.uuid, token: job.token, name: 'update' };
  const clients = [null, ...nonces].map(async (nonce) => {
    for (let n = 0; n < 10_000 && late.length < 9; n += 1) {
      const list = told ? late : early;
      const path = `${actor}/messages${nonce === null ? '' : `?x-nonce=${nonce}`}`;
      list.push(await ask(server, path, { json: event, as: nonce === null ? ada : null }));
    }
  });
  await waitFor(() => early.length > 20, 'some events');
  const users = (await ask(server, '/api/user/?limit=0')).json.objects as { id: number; username: string }[];
  const { id } = users.find(({ username }) => username === 'ada') as { id: number };
  const off = await ask(server, `/api/user/${id}/`, { method: 'PATCH', json: { active: false } });
  expect(off.status).toBeLessThan(300);
  told = true;
  await Promise.all(clients);
  expect(early.every(({ status }) => [200, 401, 429].includes(status))).toBe(true);
  expect(late.every(({ status }) => status === 401 || status === 429)).toBe(true);
  const accepted = early.filter(({ status }) => status === 200).length;
  expect(await revisionOf(job.uuid)).toBe(accepted);
  expect((await pjm.post(event)).status).toBe(200);
});

test('a user who has pipelines is not deleted, nor is a pipeline that has jobs', async () => {
  const eve = await server.addUser('eve');
  const hers = await manager(server, eve);
  const users = (await ask(server, '/api/user/?username=eve')).json.objects as { id: number }[];
  const remove = () => ask(server, `/api/user/${users[0]?.id}/`, { method: 'DELETE' });
  const refused = await remove();
  expect([refused.status, refused.json.error]).toEqual([409, expect.stringContaining('1 pipelines')]);
  const job = await hers.create();
  const pipeline = () => ask(server, `/api/pipeline/${hers.pipeline.id}/`, { method: 'DELETE' });
  expect((await pipeline()).status).toBe(409);
  expect((await pjm.post({ uuid: job.uuid, action: 'delete', force: true })).status).toBe(200);
  expect((await pipeline()).status).toBe(204);
  expect((await remove()).status).toBe(204);
});
