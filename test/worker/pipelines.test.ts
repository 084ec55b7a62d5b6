import { afterAll, beforeAll, expect, test } from 'vitest';
import { outputOf, pipelineOf, ranPipeline, stepJobs } from '../support/pipelines.js';
import { startServer, type TestServer } from '../support/server.js';

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
