import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Manager, manager } from '../../support/manager.js';
import { type Ask, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

/** Documents of the manager's older days, and what its callers write that JavaScript would not. */
let server: TestServer;
let pjm: Manager;
beforeAll(async () => {
  server = await startServer();
  pjm = await manager(server);
});
afterAll(() => server.remove());

const whole = { Prefer: 'return=representation' };
const namespace = Buffer.from('54765aeb44ca374a9a9feb4658383ee4', 'hex');
/** As the older system's catalogue computes it: a name-based UUID with the kind's digits written over its first. */
function catalogued(prefix: string, identifier: string): string {
  const bytes = createHash('sha1').update(namespace).update(identifier).digest();
  bytes[6] = (Number(bytes[6]) & 0x0f) | 0x50;
  bytes[8] = (Number(bytes[8]) & 0x3f) | 0x80;
  const hex = prefix + bytes.toString('hex').slice(3, 32);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

describe('a pipeline', () => {
  const sample = {
    name: 'Plate reader',
    id: 'lab/plate-reader:2',
    description: 'Reads plates',
    components: [{ id: 'abcDEF123', repo: 'registry.example.org/lab/plates:2', options: {} }],
    processing_levels: ['0', '1'],
    accepts: ['CSV'],
    produces: ['*'],
  };
  const add = (body: object, options: Ask = {}) =>
    ask(server, '/api/pipeline/', { json: body, headers: whole, ...options });

  test('says what its jobs are run for, and that is read back, also after a change', async () => {
    const levels = ['sample', 'file'];
    const made = await add({ ...sample, collections_levels: levels, pipeline_type: 'generic-process' });
    expect([made.status, made.json.collections_levels]).toEqual([201, levels]);
    const path = `/api/pipeline/${made.json.id}/`;
    expect((await ask(server, path, { method: 'PATCH', json: { description: 'more' } })).status).toBe(202);
    expect((await ask(server, path)).json).toMatchObject({ collections_levels: levels, description: 'more' });
    expect((await ask(server, path, { method: 'PUT', json: (await ask(server, path)).json })).status).toBe(
      204,
    );
    const wrong = await add({ ...sample, name: 'x', collections_levels: 'sample' });
    expect([wrong.status, wrong.json.errors[0].pointer]).toEqual([400, '/collections_levels']);
  });

  test('has its kind of work under `type`, too, as the schema of old calls it', async () => {
    const made = await add({ ...sample, name: 'typed', type: 'secondary-etl' });
    expect(made.json).toMatchObject({ type: 'external', pipeline_type: 'secondary-etl' });
    const wrong = await add({ ...sample, name: 'typo', type: 'secondary-elt' });
    expect([wrong.status, wrong.json.errors[0].pointer]).toEqual([400, '/type']);
  });
});

describe('a created job', () => {
  const parents = async (uuid: string) =>
    (await ask(server, `/api/job/${uuid}/`)).json.links.child_of as string[];

  test.each([
    ['experiment_id', '102', 'experiment.lab.77'],
    ['sample_id', '103', 'sample.lab.8/B2'],
    ['measurement_id', '104', 'lab.measurement.é'],
  ])('is linked by %s', async (key, prefix, identifier) => {
    const data = { by: key };
    const job = await pjm.create({ data, [key]: identifier });
    const uuid = catalogued(prefix, identifier);
    expect(await parents(job.uuid)).toEqual([uuid]);
    // The same job by what it is linked to in today's words.
    for (const more of [{ child_of: [uuid] }, { [key]: [identifier] }, { [key]: `urn:uuid:${uuid}` }]) {
      const same = await pjm.post({ pipeline_uuid: pjm.pipeline.uuid, data, ...more });
      expect([same.status, same.json.result.uuid]).toEqual([200, job.uuid]);
    }
  });

  test('is linked by all of them at once, and by child_of', async () => {
    const child = catalogued('114', 'design');
    const job = await pjm.create({
      child_of: [child],
      experiment_id: null,
      sample_id: ['s1', 's2'],
      measurement_id: 'm',
    });
    expect(await parents(job.uuid)).toEqual([
      child,
      catalogued('103', 's1'),
      catalogued('103', 's2'),
      catalogued('104', 'm'),
    ]);
  });

  test('with a wrong one is refused with its name', async () => {
    for (const [key, value] of [
      ['sample_id', 5],
      ['experiment_id', ''],
      ['measurement_id', [{}]],
      ['sampel_id', 'x'],
    ] as const) {
      const answer = await pjm.post({ pipeline_uuid: pjm.pipeline.uuid, data: {}, [key]: value });
      expect(answer.status).toBe(400);
      expect(answer.text).toContain(key);
    }
  });
});

test('numbers in the data of a job and of its events are read back as they were written', async () => {
  const data = '{"count": 30000000000000000001, "ratio": 4.0, "rows": [1.50, 2]}';
  const created = await ask(server, '/actors/v2/pipelinejobs-manager/messages', {
    body: `{"pipeline_uuid": "${pjm.pipeline.uuid}", "data": ${data}}`,
  });
  expect(created.status).toBe(201);
  const { uuid, token } = created.json.result;
  expect((await ask(server, `/api/job/${uuid}/`)).text).toContain(`"data": ${data}`);
  const url = `/actors/v2/pipelinejobs-manager/messages?uuid=${uuid}&token=${token}`;
  const told = await ask(server, `${url}&status=RUNNING`, { body: data });
  expect(told.status).toBe(200);
  await ask(server, `${url}&name=finish`, { body: '{}' });
  await server.kill();
  await server.restart();
  const again =
    '"data": {"count": 30000000000000000001, "ratio": 4.0, "rows": [1.50, 2], "status": "RUNNING"}';
  const history = await ask(server, `/api/job/${uuid}/history/`);
  expect(history.text).toContain(`"data": ${data}`);
  expect(history.text).toContain(again);
  const live = await ask(server, `/api/job/${uuid}/history/?follow=1`);
  expect(live.text).toContain('"count":30000000000000000001');
  expect(live.text).toContain('"rows":[1.50,2]');
});
