import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { exampleProblem } from '../../domain/definitions/example.js';
import type { DefinitionTest } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { ended } from '../../domain/jobs/outcome.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { nearest } from '../../lib/nearest.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Actor } from '../actor.js';
import { jobFile } from '../jobs/job-files.js';
import { definitionUri, jobUri } from '../jobs/job-view.js';
import type { JobService } from '../jobs/jobs.js';
import type { Shown } from '../resource.js';
import { openIntake } from '../runs/intake.js';
import type { Receiver } from '../runs/receive.js';
import type { RunService } from '../runs/runs.js';
import type { FoundDefinition } from './process-definitions.js';

/** How many examples run at once: enough to keep the machine busy, few compared with the other waiting jobs. */
const atOnce = 4;

interface Result {
  job: Job | null;
  /** Null: it did not end in time. */
  passed: boolean | null;
  problem: string | null;
}

/** An example depends on nothing but itself. */
const elsewhere = (): Promise<never> =>
  Promise.reject(
    new PenstockError(
      'invalid-input',
      'A test takes its files from the definition: write {"text": …} or {"base64": …}.',
    ),
  );

/** Runs the examples of a definition, each as a job like any other. */
export function definitionTestService(given: {
  jobs: JobService;
  runs: RunService;
  receiver: Receiver;
  files: JobFiles;
}) {
  const { jobs, runs, receiver, files } = given;

  async function submit(
    actor: Actor,
    found: FoundDefinition,
    { input, inputs }: DefinitionTest,
  ): Promise<Job> {
    const received = receiver.begin(jobs.newUuid());
    try {
      const taken = runs.takenInputs(found);
      const intake = openIntake({ receiver, received, taken, digest: false });
      if (input !== null) {
        await intake.file(intake.ofBody().name, 'input', Readable.from([Buffer.from(input)]));
      }
      await intake.json(inputs, elsewhere, elsewhere);
      return (await runs.submit(actor, found, received, {}, null)).job;
    } catch (error) {
      await receiver.drop(received);
      throw error;
    }
  }

  /** The output's first bytes: only as many as it takes to compare them with what was expected. */
  async function outputOf(job: Job, most: number): Promise<Uint8Array | null> {
    if (job.outputPath === null) return null;
    const file = await open(jobFile(files, job, 'output').file);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(most), 0, most, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  async function run(
    actor: Actor,
    found: FoundDefinition,
    test: DefinitionTest,
    until: { time: number; signal: AbortSignal },
  ): Promise<Result> {
    const late = { job: null, passed: null, problem: 'It did not start in time.' };
    if (performance.now() >= until.time || until.signal.aborted) return late;
    try {
      const begun = await submit(actor, found, test);
      const job = await jobs.waitForEnd(begun, Math.max(0, until.time - performance.now()), until.signal);
      if (isUnfinished(job.state)) return { job, passed: null, problem: 'It did not end in time.' };
      const most = Buffer.byteLength(test.expect.output ?? '') + 100;
      const outcome = job.outcome ?? ended('lost');
      const result = { outcome, output: await outputOf(job, most) };
      const problem = exampleProblem(test, result, found.definition.successCodes);
      return { job, passed: problem === null, problem };
    } catch (error) {
      if (!(error instanceof PenstockError)) throw error;
      return { job: null, passed: false, problem: messageOf(error) };
    }
  }

  /** The examples of those names, or all. Throws `bad-query` for an unknown name. */
  function chosen(all: readonly DefinitionTest[], names: readonly string[]) {
    const known = all.flatMap(({ name }) => name ?? []);
    for (const name of names) {
      if (known.includes(name)) continue;
      const meant = nearest(name, known);
      const hint = meant === undefined ? '' : ` Did you mean '${meant}'?`;
      throw new PenstockError('bad-query', `name: there is no test '${name}'.${hint}`, {
        problems: [{ pointer: '?name', detail: `there is no test '${name}'.${hint}` }],
      });
    }
    return all
      .map((test, index) => ({ test, index }))
      .filter(({ test }) => names.length === 0 || names.includes(test.name ?? ''));
  }

  /**
   * Runs examples of a definition at its current revision.
   *
   * @param names the names of the examples to run; empty for all
   * @param milliseconds how long to wait in all; an example that has not ended by then is reported as such, and goes on
   */
  return async function test(
    actor: Actor,
    found: FoundDefinition,
    names: readonly string[],
    milliseconds: number,
    signal: AbortSignal,
  ): Promise<Shown> {
    const { row, definition } = found;
    if (definition.processType === 'service') {
      throw new PenstockError(
        'conflict',
        'The definition of a service cannot be tested: a service has no single output.',
      );
    }
    const tests = chosen(definition.tests, names);
    const until = { time: performance.now() + milliseconds, signal };
    const results: Result[] = [];
    const left = tests.entries();
    const work = async () => {
      for (const [place, { test }] of left) results[place] = await run(actor, found, test, until);
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    const count = (passed: boolean | null) => results.filter((result) => result.passed === passed).length;
    return {
      process_definition: definitionUri(row.id),
      revision: row.revision,
      total: tests.length,
      passed: count(true),
      failed: count(false),
      unfinished: count(null),
      tests: tests.map(({ test, index }, place) => {
        const { job, passed, problem } = results[place] as Result;
        const state = job?.state ?? null;
        return {
          name: test.name,
          index,
          passed,
          problem,
          job: job === null ? null : jobUri(job.uuid),
          state,
          outcome: job?.outcome ?? null,
        };
      }),
    };
  };
}

export type DefinitionTestService = ReturnType<typeof definitionTestService>;
