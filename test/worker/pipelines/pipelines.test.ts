import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { historyOf } from '../../support/jobs.js';
import {
  outputOf,
  pipelineJob,
  pipelineOf,
  ranPipeline,
  runPipeline,
  stepJobs,
} from '../../support/pipelines.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ application: { LOG_LEVEL: 'warn', MAX_RUNNING_JOBS: 4 } });
});
afterAll(async () => {
  await server.remove();
});

test('a line of steps, joined by kernel pipes', async () => {
  const id = await pipelineOf(server, [
    { name: 'strip', definition: { exec: 'tr', argv: ['-d', 'x'] } },
    { name: 'sort', definition: { exec: 'sort' } },
    { name: 'count', definition: { exec: 'uniq', argv: ['-c'] } },
  ]);
  const job = await ranPipeline(server, id, 'bx\nxa\nb\n');
  expect(job).toMatchObject({ state: 'FINISHED', outcome: { cause: 'exit', exit_code: 0 } });
  expect(await outputOf(server, job.uuid)).toBe('      1 a\n      2 b\n');
  expect(job.steps).toMatchObject([
    { name: 'strip', state: 'FINISHED', joined_to: 'sort', needs: [], attempt: 1 },
    { name: 'sort', state: 'FINISHED', joined_to: 'count', needs: ['strip'] },
    { name: 'count', state: 'FINISHED', joined_to: null },
  ]);
  const jobs = await stepJobs(server, job.uuid);
  expect(jobs.map(({ step }) => step).sort()).toEqual(['count', 'sort', 'strip']);
});

test('files between steps that are not joined', async () => {
  const id = await pipelineOf(server, [
    { name: 'a', sh: 'cat; echo a' },
    { name: 'b', sh: 'cat; echo b', needs: ['a'] },
    { name: 'c', sh: 'cat; echo c', needs: ['a'] },
    { name: 'd', sh: 'cat; echo d', input: 'b', needs: ['c'] },
  ]);
  const job = await ranPipeline(server, id, 'in\n');
  expect(job).toMatchObject({ state: 'FINISHED' });
  expect(await outputOf(server, job.uuid)).toBe('in\na\nb\nd\n');
});

test.each([
  ['lines', 'a\nb\nc', 'concat', '<a\n><b\n><c>'],
  ['lines', '', 'concat', ''],
  ['json', '["x", {"a": 1.0}, 2]', 'lines', '<x>\n<{"a": 1.0}>\n<2>\n'],
])('each of %s: %j', async (over, input, gather, output) => {
  const id = await pipelineOf(server, [
    { name: 'one', sh: 'printf "<"; cat; printf ">"', each: { over, gather } },
    { name: 'all', definition: { exec: 'cat' } },
  ]);
  const job = await ranPipeline(server, id, input);
  expect(job).toMatchObject({ state: 'FINISHED' });
  expect(await outputOf(server, job.uuid)).toBe(output);
});

test('named inputs and outputs, of steps and of the pipeline', async () => {
  const id = await pipelineOf(server, [
    {
      name: 'split',
      definition: {
        exec: '/bin/sh',
        argv: [
          '-c',
          'grep a >"$1"; cat "$2" >"$3"; echo main',
          'sh',
          '${output_file.with-a}',
          '${input_file.more}',
          '${output_file.copy}',
        ],
      },
      input: 'pipeline',
      inputs: { more: 'pipeline.extra' },
    },
    { name: 'upper', definition: { exec: 'tr', argv: ['a-z', 'A-Z'] }, input: 'split.with-a' },
    {
      name: 'paste',
      definition: { exec: 'paste', argv: ['-d:', '${input_file.left}', '${input_file.right}'] },
      inputs: { left: 'upper', right: 'split.copy' },
    },
  ]);
  const form = new FormData();
  form.set('input_file', new Blob(['cat\ndog\nrat\n']), 'animals');
  form.set('input_file.extra', new Blob(['1\n2\n']));
  const answer = await server.fetch(`/api/pipeline/${id}/run/?wait=30`, { method: 'POST', body: form });
  const job = (await answer.json()) as { uuid: string; state: string; steps: { job: string }[] };
  expect(job).toMatchObject({ state: 'FINISHED' });
  expect(await outputOf(server, job.uuid)).toBe('CAT:1\nRAT:2\n');
  const first = job.steps[0]?.job ?? '';
  expect(await (await server.fetch(`${first}output/?name=with-a`)).text()).toBe('cat\nrat\n');
  expect((await server.fetch(`${first}output/?name=other`)).status).toBe(404);
  expect(await (await server.fetch(`${first}output/`)).text()).toBe('main\n');

  const without = await server.fetch(`/api/pipeline/${id}/run/`, { method: 'POST' });
  expect(without.status).toBe(400);
  expect(await without.json()).toMatchObject({ errors: [{ pointer: '/input_file.extra' }] });
  form.set('input_file.ekstra', new Blob(['']));
  const misspelt = await server.fetch(`/api/pipeline/${id}/run/`, { method: 'POST', body: form });
  expect((await misspelt.json()) as object).toMatchObject({
    errors: [{ pointer: '/input_file.ekstra', detail: expect.stringContaining('input_file.extra') }],
  });
});

test('a definition with named files by itself', async () => {
  const id = await server.register({
    exec: '/bin/sh',
    argv: ['-c', 'cat "$1" - >"$2"', 'sh', '${input_file.before}', '${output_file.both}'],
  });
  const form = new FormData();
  form.set('input_file.before', new Blob(['a']));
  form.set('input_file', new Blob(['b']));
  const answer = await server.fetch(`/api/process_definition/${id}/run/?wait=30`, {
    method: 'POST',
    body: form,
  });
  const { uuid } = (await answer.json()) as { uuid: string };
  expect(await (await server.fetch(`/api/job/${uuid}/output/?name=both`)).text()).toBe('ab');
  const wrong = await server.fetch(`/api/process_definition/${id}/run/`, { method: 'POST' });
  expect([wrong.status, await wrong.json()]).toMatchObject([
    400,
    { errors: [{ pointer: '/input_file.before' }] },
  ]);
  const forgetful = await server.register({ exec: 'true', environment: { OUT: '${output_file.x}' } });
  const failed = await server.fetch(`/api/process_definition/${forgetful}/run/?wait=30`, { method: 'POST' });
  expect(await failed.json()).toMatchObject({
    state: 'FAILED',
    outcome: { cause: 'platform', reason: 'It succeeded, but there is no file at ${output_file.x}.' },
  });
});

test('files of a glob, gathered as JSON, in the order of their names', async () => {
  const id = await pipelineOf(server, [
    {
      name: 'make',
      sh: 'mkdir d; for n in 3 1 2; do echo "{\\"n\\": $n}" >d/$n.json; done; echo x >other; ln -s 1.json d/0.json',
    },
    {
      name: 'each',
      definition: {
        exec: 'cat',
        argv: ['${input_file}'],
        input_adapter: { input_type: 'file', input_parameters: { file_path: '${input_file}' } },
      },
      each: { over: 'files', files: 'd/*.json', concurrency: 1, gather: 'json' },
    },
  ]);
  const job = await ranPipeline(server, id);
  expect(job).toMatchObject({ state: 'FINISHED' });
  expect(await outputOf(server, job.uuid)).toBe('[{"n": 1},{"n": 2},{"n": 3}]\n');
  const jobs = await stepJobs(server, job.uuid);
  expect(jobs.filter(({ step }) => step === 'each')).toMatchObject([
    { item: 0, input_name: '1.json', parent: `/api/job/${job.uuid}/` },
    { item: 1, input_name: '2.json' },
    { item: 2, input_name: '3.json' },
  ]);
});

test.each([
  ['no JSON array', 'json', 'concat', '{"a": 1}', /cannot be split into items: it is not a JSON array/],
  ['no JSON at all', 'json', 'concat', 'nonsense', /cannot be split into items/],
  ['no JSON to gather', 'lines', 'json', 'a\n', /item 0 of the step 'each' is not JSON/],
])('%s fails the pipeline, which says why', async (_name, over, gather, input, reason) => {
  const id = await pipelineOf(server, [
    { name: 'each', definition: { exec: 'cat' }, each: { over, gather } },
    { name: 'after', definition: { exec: 'cat' } },
  ]);
  const job = await ranPipeline(server, id, input);
  expect(job).toMatchObject({ state: 'FAILED', outcome: { cause: 'platform' } });
  expect(job.outcome?.reason).toMatch(reason);
});

test('jobs can be told apart by whether they are steps', async () => {
  const id = await pipelineOf(server, [{ name: 'only', sh: 'true' }]);
  const { uuid } = await ranPipeline(server, id);
  const listed = async (query: string) => {
    const answer = await server.fetch(`/api/job/?order_by=-created&limit=1&${query}`);
    expect(answer.status).toBe(200);
    return ((await answer.json()) as { objects: object[] }).objects;
  };
  expect(await listed('parent__isnull=true')).toMatchObject([{ uuid }]);
  expect(await listed('parent__isnull=false')).toMatchObject([{ step: 'only' }]);
});

test('of an output that is a symbolic link the bytes are taken, as they are then', async () => {
  const kept = path.join(server.data, 'kept');
  writeFileSync(kept, 'before');
  const definition = {
    exec: 'ln',
    argv: ['-s', kept, '${output_file}'],
    output_adapter: { output_type: 'file', output_parameters: { file_type: 'path' } },
  };
  const id = await pipelineOf(server, [{ name: 'link', definition }]);
  const job = await ranPipeline(server, id);
  writeFileSync(kept, 'after');
  expect(await (await server.fetch(`/api/job/${job.uuid}/output/`)).text()).toBe('before');
});

test('files whose names are not UTF-8 are items under escaped names, which is told', async () => {
  const id = await pipelineOf(server, [
    {
      name: 'makes',
      sh: 'mkdir "$(printf \'d\\377\')" && cd d* && printf 1 >"$(printf \'a\\200.x\')" && printf 2 >b.x && printf 3 >"$(printf \'\\357\\277\\275.x\')"',
    },
    {
      name: 'each',
      definition: {
        exec: '/bin/sh',
        argv: ['-c', 'basename "$1"; cat "$1"; echo', 'sh', '${input_file}'],
        input_adapter: { input_type: 'file', input_parameters: { file_path: '${input_file}' } },
      },
      each: { over: 'files', files: 'd*/*.x' },
    },
  ]);
  const job = await ranPipeline(server, id);
  expect(job.state).toBe('FINISHED');
  const output = await (await server.fetch(`/api/job/${job.uuid}/output/`)).text();
  // A character that only stands for one that could not be read is a character like any other.
  expect(output).toBe('a%80.x\n1\nb.x\n2\n\ufffd.x\n3\n');
  const told = (await historyOf(server, job.uuid)).flatMap(({ data }) => data?.note ?? []);
  expect(told).toEqual([
    'The names of 3 files in the working folder of the step \'makes\' are not UTF-8; they are kept under names such as "d%FF/a%80.x".',
  ]);
});

test('a working folder that its program removed fails the pipeline: waiting would not bring it back', async () => {
  const id = await pipelineOf(server, [
    { name: 'gone', sh: 'rm -r "$PWD"' },
    { name: 'each', definition: { exec: 'cat' }, each: { over: 'files', files: '*' } },
  ]);
  const job = await ranPipeline(server, id);
  expect(job).toMatchObject({ state: 'FAILED', outcome: { cause: 'platform' } });
  expect(job.outcome?.reason).toMatch(/ENOENT/);
});

test('what the run asks for: environment, timeout, the name of the output', async () => {
  const id = await pipelineOf(server, [
    { name: 'a', sh: 'echo $A $B $C', environment: { A: 'step', B: 'step' } },
    { name: 'b', sh: 'cat; echo $A $B $C; basename "$OUT"', environment: { OUT: '${work_dir}/x' } },
  ]);
  const answer = await server.fetch(`/api/pipeline/${id}/run/?wait=30&output_name=out.txt`, {
    json: { environment: { B: 'run', C: 'secret' }, timeout: 60 },
  });
  const job = (await answer.json()) as { uuid: string };
  expect(job).toMatchObject({ state: 'FINISHED', output_name: 'out.txt', request: { timeout: 60 } });
  expect(await outputOf(server, job.uuid)).toBe('step run secret\nrun secret\nx\n');
  expect(JSON.stringify(job)).not.toContain('secret');
  const raw = await server.fetch(`/api/pipeline/${id}/run/?wait=30&output=raw`, { method: 'POST' });
  expect(await raw.text()).toBe('step step\n\nx\n');
  const dry = await server.fetch(`/api/pipeline/${id}/run/?dry_run=1`, { method: 'POST' });
  expect(await dry.json()).toMatchObject({
    steps: [
      { name: 'a', joined_to: 'b', command: { exec: '/bin/sh' } },
      { name: 'b', needs: ['a'], input: 'a' },
    ],
    output: 'b',
  });
});

test('the same key is the same job; another pipeline or input is refused', async () => {
  const id = await pipelineOf(server, [{ name: 'a', definition: { exec: 'cat' } }]);
  const ask = (body: string) =>
    server.fetch(`/api/pipeline/${id}/run/?wait=10`, {
      method: 'POST',
      body,
      headers: { 'Idempotency-Key': 'k1', 'Content-Type': 'text/plain' },
    });
  const [one, two, other] = [await ask('x'), await ask('x'), await ask('y')];
  expect(((await two.json()) as { uuid: string }).uuid).toBe(((await one.json()) as { uuid: string }).uuid);
  expect(other.status).toBe(409);
});

test('strangers see nothing of it, and nobody uses what is not theirs', async () => {
  const [ada, eve] = [await server.addUser('ada'), await server.addUser('eve')];
  const id = await pipelineOf(server, [{ name: 'a', definition: { exec: 'cat' } }], {}, ada);
  const run = await server.fetch(`/api/pipeline/${id}/run/?wait=10`, { method: 'POST', body: 'x', as: ada });
  const { uuid, steps } = (await run.json()) as { uuid: string; steps: { job: string }[] };
  for (const path of [
    `/api/pipeline/${id}/`,
    `/api/job/${uuid}/`,
    `${steps[0]?.job}`,
    `/api/job/${uuid}/output/`,
  ]) {
    expect([path, (await server.fetch(path, { as: eve })).status]).toEqual([path, 404]);
  }
  for (const path of [`/api/pipeline/${id}/run/`, `/api/job/${uuid}/resume/`, `/api/job/${uuid}/cancel/`]) {
    expect([path, (await server.fetch(path, { method: 'POST', as: eve })).status]).toEqual([path, 404]);
  }
  const own = await server.register({ exec: 'cat' }, ada);
  const stolen = await server.fetch('/api/pipeline/', {
    json: { name: 'p', steps: [{ name: 'a', process_definition: own }] },
    as: eve,
  });
  expect([stolen.status, await stolen.json()]).toMatchObject([
    400,
    { errors: [{ pointer: '/steps/0/process_definition' }] },
  ]);
  const list = await server.fetch(`/api/job/?parent=${uuid}`, { as: eve });
  expect(await list.json()).toMatchObject({ objects: [] });
});

test('a definition that is gone is told when the pipeline is run; one that changes, changes later runs only', async () => {
  const definition = await server.register({ exec: 'echo', argv: ['one'] });
  const made = await server.fetch('/api/pipeline/', {
    json: { name: 'p', steps: [{ name: 'a', process_definition: definition }] },
    headers: { Prefer: 'return=representation' },
  });
  const pipeline = (await made.json()) as { id: number; uuid: string; type: string };
  expect(pipeline).toMatchObject({ type: 'steps', components: null, uuid: expect.stringMatching(/^106/) });
  const run = () =>
    server.fetch(`/api/pipeline/${pipeline.uuid}/run/?wait=10&output=raw`, { method: 'POST' });
  expect(await (await run()).text()).toBe('one\n');
  await server.fetch(`/api/process_definition/${definition}/`, {
    method: 'PUT',
    json: { definition: { exec: 'echo', argv: ['two'] } },
  });
  expect(await (await run()).text()).toBe('two\n');
  await server.fetch(`/api/process_definition/${definition}/`, { method: 'DELETE' });
  const gone = await run();
  expect([gone.status, await gone.json()]).toMatchObject([
    409,
    { errors: [{ pointer: '/steps/0/process_definition' }] },
  ]);
  expect((await server.fetch(`/api/pipeline/${pipeline.id}/`, { method: 'DELETE' })).status).toBe(409);
});

test('a job goes with those of its steps, and not without them', async () => {
  const id = await pipelineOf(server, [{ name: 'a', definition: { exec: 'cat' }, each: { over: 'lines' } }]);
  const { uuid } = await ranPipeline(server, id, 'x\ny\n');
  const jobs = await stepJobs(server, uuid);
  expect(jobs).toHaveLength(2);
  const top = await server.fetch('/api/job/?parent__isnull=true&limit=1000');
  const tops = ((await top.json()) as { objects: { uuid: string }[] }).objects.map((job) => job.uuid);
  expect(tops).toContain(uuid);
  expect(tops).not.toContain(jobs[0]?.uuid);
  const one = await server.fetch(`/api/job/${jobs[0]?.uuid}/`, { method: 'DELETE' });
  expect(one.status).toBe(409);
  expect((await server.fetch(`/api/job/${uuid}/stdout/`)).status).toBe(404);
  expect((await server.fetch(`/api/job/${uuid}/`, { method: 'DELETE' })).status).toBe(204);
  for (const job of [uuid, ...jobs.map((one) => one.uuid)]) {
    expect((await server.fetch(`/api/job/${job}/`)).status).toBe(404);
    expect(existsSync(path.join(server.data, 'jobs', job.slice(3, 5), job))).toBe(false);
  }
});

test('a run goes on with the definitions that it was accepted with, even when they are deleted', async () => {
  const [slow, last] = [
    await server.register({ exec: '/bin/sh', argv: ['-c', 'sleep 1; cat'], retries: { limit: 1 } }),
    await server.register({ exec: 'tr', argv: ['a', 'b'] }),
  ];
  const steps = [
    { name: 'slow', process_definition: slow },
    { name: 'last', process_definition: last },
  ];
  const made = await server.fetch('/api/pipeline/', {
    json: { name: 'p', steps },
    headers: { Prefer: 'return=representation' },
  });
  const { id } = (await made.json()) as { id: number };
  const { uuid } = (await (await runPipeline(server, id, 'a')).json()) as { uuid: string };
  for (const definition of [slow, last]) {
    const answer = await server.fetch(`/api/process_definition/${definition}/`, { method: 'DELETE' });
    expect(answer.status).toBe(204);
  }
  expect((await pipelineJob(server, uuid, 30)).state).toBe('FINISHED');
  expect(await outputOf(server, uuid)).toBe('b');
});
