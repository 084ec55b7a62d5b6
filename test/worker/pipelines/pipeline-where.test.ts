import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CloudServer, startCloud } from '../../support/cloud.js';
import { jobOf } from '../../support/jobs.js';
import { pipelineOf, ranPipeline, type ShownPipelineJob } from '../../support/pipelines.js';

let cloud: CloudServer;
beforeAll(async () => {
  cloud = await startCloud({ MAX_ACTIVE_TASKS: 2, IDLE_TIMEOUT: 60 });
});
afterAll(() => cloud.remove());

const sh = (script: string, more: object = {}) => ({ exec: '/bin/sh', argv: ['-c', script], ...more });
const output = async (uuid: string) => (await cloud.fetch(`/api/job/${uuid}/output/`)).text();
const run = async (id: number, json: object) => {
  const answer = await cloud.fetch(`/api/pipeline/${id}/run/?wait=60`, { json });
  return { status: answer.status, body: (await answer.json()) as ShownPipelineJob & { errors?: unknown } };
};

test('steps here and steps on servers hand their files on to each other', async () => {
  const upper = {
    exec: 'sh',
    argv: ['-c', 'tr a-z A-Z <"$1" >"$2"', 'sh', '${input_file}', '${output_file}'],
    executor: 'cloud',
    input_adapter: {
      input_type: 'file',
      input_parameters: { file_type: 'path', file_path: '${input_file}' },
    },
    output_adapter: {
      output_type: 'file',
      output_parameters: { file_type: 'path', file_path: '${output_file}' },
    },
  };
  const id = await pipelineOf(cloud, [
    { name: 'first', definition: sh('cat; echo one') },
    { name: 'far', definition: upper },
    { name: 'farther', definition: sh('cat; echo two', { executor: 'cloud' }) },
    { name: 'last', definition: sh('cat; echo three') },
  ]);
  const job = await ranPipeline(cloud, id, 'zero\n');
  expect(job).toMatchObject({ state: 'FINISHED' });
  expect(await output(job.uuid)).toBe('ZERO\nONE\ntwo\nthree\n');
  expect(job.steps.map((step) => step.joined_to)).toEqual([null, null, null, null]);
  expect((await cloud.servers()).reduce((sum, { uses }) => sum + uses, 0)).toBe(2);
});

test('a run that asks for servers joins no steps by pipes, and runs each of them there', async () => {
  const id = await pipelineOf(cloud, [
    { name: 'a', definition: sh('cat') },
    { name: 'b', definition: sh('tr a-z A-Z') },
  ]);
  const { body: here } = await run(id, { input: { text: 'abc' } });
  expect(here.steps.map((step) => step.joined_to)).toEqual(['b', null]);
  const { status, body } = await run(id, { executor: 'cloud', input: { text: 'abc' } });
  expect([status, body.state]).toEqual([200, 'FINISHED']);
  expect(body.steps.map((step) => step.joined_to)).toEqual([null, null]);
  expect(await output(body.uuid)).toBe('ABC');
  for (const { job } of body.steps) {
    const uuid = /job\/([^/]+)\//.exec(job ?? '')?.[1] ?? '';
    expect(await jobOf(cloud, uuid)).toMatchObject({ executor: 'cloud' });
  }
});

test('what a step cannot do elsewhere is refused before anything is run, with the name of the step', async () => {
  const append = {
    output_adapter: { output_type: 'append', output_parameters: { file_path: '${work_dir}/all' } },
  };
  const id = await pipelineOf(cloud, [
    { name: 'plain', definition: sh('cat') },
    { name: 'log', definition: sh('echo x >>all', append) },
  ]);
  const refused = await run(id, { executor: 'cloud' });
  expect(refused).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: '/executor', detail: expect.stringMatching(/^the step 'log': .*append/) }] },
  });
  expect(await run(id, { executor: 'cloud', application: 'defualt' })).toMatchObject({ status: 400 });
  const dry = await cloud.fetch(`/api/pipeline/${id}/run/?dry_run=1`, { json: { executor: 'cloud' } });
  expect(dry.status).toBe(400);
});
