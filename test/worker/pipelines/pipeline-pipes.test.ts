import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leftOf } from '../../support/jobs.js';
import {
  outputOf,
  pipelineJob,
  pipelineOf,
  ranPipeline,
  runPipeline,
  type ShownPipelineJob,
  stepJobs,
} from '../../support/pipelines.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ application: { LOG_LEVEL: 'warn', MAX_RUNNING_JOBS: 2 } });
});
afterAll(async () => {
  await server.remove();
});

const folderOf = (uuid: string) => path.join(server.data, 'jobs', uuid.slice(3, 5), uuid);
/** Files of a folder, however deep, with their sizes; none before it is made. */
function filesOf(folder: string): [string, number][] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap((name): [string, number][] => {
    const found = lstatSync(path.join(folder, name), { throwIfNoEntry: false });
    return found?.isFile() ? [[name, found.size]] : [];
  });
}
const run = async (id: number, input?: string | Uint8Array<ArrayBuffer>) =>
  ((await (await runPipeline(server, id, input)).json()) as ShownPipelineJob).uuid;
const step = (job: ShownPipelineJob, name: string) => job.steps.find((one) => one.name === name);
const uuidOf = (job: ShownPipelineJob, name: string) => (step(job, name)?.job ?? '').split('/').at(-2) ?? '';

test('the bytes are those of the shell, and no file comes to be between the steps', async () => {
  const id = await pipelineOf(server, [
    { name: 'strip', definition: { exec: 'tr', argv: ['-d', 'x'] } },
    { name: 'sort', definition: { exec: 'sort' } },
    { name: 'pack', definition: { exec: 'gzip', argv: ['-n'] } },
  ]);
  const line = 'the quick brown fox jumps over the lazy dog 0123456789\n';
  const input = new Uint8Array(Buffer.from(line.repeat(300_000)));
  const uuid = await run(id, input);
  // While it runs, and after: what is large in the folders of its steps is nobody's between.
  const seen = new Set<string>();
  const look = async () => {
    for (const { uuid: one, step: name } of await stepJobs(server, uuid)) {
      for (const [file, size] of filesOf(folderOf(one))) {
        if (size > 100_000 && !(name === 'strip' && /input/.test(file))) seen.add(`${name} ${file}`);
      }
    }
    return ['FINISHED', 'FAILED'].includes((await pipelineJob(server, uuid)).state);
  };
  await waitFor(look, 'the end', 60_000);
  await look();
  const job = await pipelineJob(server, uuid);
  expect(job.state).toBe('FINISHED');
  const output = Buffer.from(await (await server.fetch(`/api/job/${uuid}/output/`)).arrayBuffer());
  const shell = execFileSync('sh', ['-c', 'tr -d x | sort | gzip -n'], { input, maxBuffer: 2 ** 30 });
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  expect(digest(output)).toBe(digest(shell));
  expect([...seen].filter((name) => !name.startsWith('pack'))).toEqual([]);
  for (const name of ['strip', 'sort']) {
    expect((await server.fetch(`/api/job/${uuidOf(job, name)}/output/`)).status).toBe(404);
  }
  expect(readdirSync(folderOf(uuid))).not.toContain('pipes');
  // Its output is the end step's, and not a copy.
  expect(statSync(path.join(folderOf(uuid), '1/output/output')).nlink).toBe(2);
});

test('tee keeps a copy of what goes on', async () => {
  const id = await pipelineOf(server, [
    { name: 'a', definition: { exec: 'tr', argv: ['a-z', 'A-Z'] }, tee: true },
    { name: 'b', definition: { exec: 'rev' } },
  ]);
  const job = await ranPipeline(server, id, 'abc\n');
  expect(job).toMatchObject({ state: 'FINISHED' });
  expect(step(job, 'a')?.joined_to).toBe('b');
  expect(await outputOf(server, job.uuid)).toBe('CBA\n');
  expect(await outputOf(server, uuidOf(job, 'a'))).toBe('ABC\n');
});

test('as with pipefail: whichever fails, the pipeline fails because of it, and each keeps its own end', async () => {
  const pipe = (...scripts: string[]) =>
    pipelineOf(
      server,
      scripts.map((sh, index) => ({ name: `s${index}`, sh })),
    );
  const first = await ranPipeline(server, await pipe('cat; exit 4', 'cat', 'cat'), 'x');
  expect(first).toMatchObject({
    state: 'FAILED',
    outcome: { exit_code: 4, reason: "The step 's0' exited with 4." },
  });
  const middle = await ranPipeline(server, await pipe('cat', 'cat; echo why >&2; exit 5', 'cat'), 'x');
  expect(middle).toMatchObject({
    state: 'FAILED',
    outcome: { exit_code: 5, reason: "The step 's1' exited with 5." },
  });
  expect(await (await server.fetch(`/api/job/${uuidOf(middle, 's1')}/stderr/`)).text()).toBe('why\n');
  // The reader's failure is told, not the SIGPIPE that it gave the writer.
  const reader = await ranPipeline(server, await pipe('yes', 'exit 6'));
  expect(reader).toMatchObject({ outcome: { exit_code: 6, reason: "The step 's1' exited with 6." } });
  const head = await ranPipeline(server, await pipe('exec yes', 'head -n 1'));
  expect(head.state).toBe('FAILED');
  expect(head.outcome?.reason).toBe("The step 's0' failed: The program that read its output had ended.");
  expect(step(head, 's1')).toMatchObject({ state: 'FINISHED' });
  for (const { uuid } of [first, middle, reader, head]) {
    expect(leftOf((await stepJobs(server, uuid)).map((job) => job.uuid))).toEqual([]);
  }
});

test('a definition may call the loss of its reader a success', async () => {
  const id = await pipelineOf(server, [
    { name: 'yes', definition: { exec: 'yes', success_codes: [0, 141] } },
    { name: 'head', definition: { exec: 'head', argv: ['-n', '2'] } },
  ]);
  const job = await ranPipeline(server, id);
  expect(job).toMatchObject({ state: 'FINISHED' });
  expect(await outputOf(server, job.uuid)).toBe('y\ny\n');
});

test.each([
  0, 1, 2,
])('no such program, as number %i: the others, which wait for the pipe, are ended', async (index) => {
  const steps = Array.from({ length: 3 }, (_, n) => ({
    name: `s${n}`,
    definition: { exec: n === index ? 'there-is-no-such-program' : 'cat' },
  }));
  const id = await pipelineOf(server, steps);
  const job = await ranPipeline(server, id, 'x');
  expect(job).toMatchObject({ state: 'FAILED', outcome: { cause: 'platform' } });
  expect(job.outcome?.reason).toMatch(new RegExp(`The step 's${index}' failed: .*there-is-no-such-program`));
  // The others may have found that out by themselves, or done all that they had to.
  const ended = job.steps.every(({ state }) => state === 'FINISHED' || state === 'FAILED');
  expect([ended, job.steps[index]?.state]).toEqual([true, 'FAILED']);
  expect(leftOf((await stepJobs(server, job.uuid)).map(({ uuid }) => uuid))).toEqual([]);
});

test('a joined group is resumed as a whole', async () => {
  const flag = path.join(server.data, 'flag');
  const id = await pipelineOf(
    server,
    [
      { name: 'before', sh: 'cat; echo before', tee: true },
      { name: 'a', sh: 'tr a-z A-Z', needs: ['before'] },
      { name: 'b', sh: `cat; [ -e '${flag}' ]` },
      { name: 'beside', sh: 'cat', input: 'before' },
    ],
    { output: 'b' },
  );
  const job = await ranPipeline(server, id, 'x\n');
  expect(job).toMatchObject({ state: 'FAILED', outcome: { reason: "The step 'b' exited with 1." } });
  execFileSync('touch', [flag]);
  expect((await server.fetch(`/api/job/${job.uuid}/resume/`, { method: 'POST' })).status).toBe(202);
  const done = await pipelineJob(server, job.uuid, 30);
  expect(done.state).toBe('FINISHED');
  expect(done.steps.map(({ name, attempt }) => [name, attempt])).toEqual(
    expect.arrayContaining([
      ['before', 1],
      ['a', 2],
      ['b', 2],
    ]),
  );
  expect(await outputOf(server, job.uuid)).toBe('X\nBEFORE\n');
});

test('killed while the pipe runs: it goes on, and nothing is lost', async () => {
  const id = await pipelineOf(server, [
    { name: 'slow', sh: 'for n in 1 2 3 4 5 6 7 8 9 10; do echo $n; sleep 0.3; done' },
    { name: 'pass', definition: { exec: 'cat' } },
    { name: 'count', sh: 'wc -l | tr -d " "' },
  ]);
  const uuid = await run(id);
  await waitFor(
    async () => (await stepJobs(server, uuid)).filter(({ state }) => state === 'RUNNING').length === 3,
    'all three to run',
  );
  await server.kill();
  await server.restart();
  const job = await pipelineJob(server, uuid, 30);
  expect(job.state).toBe('FINISHED');
  expect(await outputOf(server, uuid)).toBe('10\n');
  expect(job.steps.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
});

test('killed again and again while pipes begin: each pipeline ends once, and well', async () => {
  const id = await pipelineOf(server, [
    { name: 'a', definition: { exec: 'cat' } },
    { name: 'b', definition: { exec: 'cat' } },
    { name: 'c', definition: { exec: 'cat' } },
  ]);
  const uuids: string[] = [];
  for (let round = 0; round < 6; round += 1) {
    const some = await Promise.all(Array.from({ length: 5 }, (_, n) => run(id, `${round} ${n}\n`)));
    uuids.push(...some);
    await new Promise((resolve) => setTimeout(resolve, 15 * round));
    await server.kill();
    await server.restart();
  }
  for (const [index, uuid] of uuids.entries()) {
    const job = await pipelineJob(server, uuid, 30);
    expect([uuid, job.state, job.outcome?.reason]).toEqual([uuid, 'FINISHED', null]);
    expect(await outputOf(server, uuid)).toBe(`${Math.floor(index / 5)} ${index % 5}\n`);
  }
});
