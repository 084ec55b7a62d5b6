import { type Job, pipelineExecutor } from '../domain/jobs/job.js';
import { type State, unfinishedStates } from '../domain/jobs/job-state.js';
import { jobOf } from './jobs.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';

/** How many of a step's jobs are in one state, and if there is only one, which it is. Dates as stored. */
export interface StepCount {
  step: string;
  state: State;
  count: number;
  uuid: string;
  attempt: number;
  outcome: string | null;
  started: string | null;
  ended: string | null;
}

/** The jobs that are steps of a pipeline's job. */
export function stepJobRepository(reader: PrismaClient, writer: Writer) {
  return {
    /** The unfinished jobs of pipelines themselves, oldest first. */
    async unfinishedPipelines(): Promise<Job[]> {
      const rows = await reader.job.findMany({
        where: { state: { in: [...unfinishedStates] }, executor: pipelineExecutor },
        orderBy: { id: 'asc' },
      });
      return rows.map(jobOf);
    },

    /** All of them, oldest first, in pieces: those after an id. */
    async of(parentId: number, after: number, take: number) {
      const rows = await reader.job.findMany({
        where: { parentId, id: { gt: after } },
        orderBy: { id: 'asc' },
        take,
        select: {
          id: true,
          uuid: true,
          step: true,
          item: true,
          state: true,
          outcome: true,
          notBefore: true,
          ended: true,
        },
      });
      return rows.map((row) => ({
        ...row,
        state: row.state as State,
        outcome: (row.outcome === null ? null : JSON.parse(row.outcome)) as Job['outcome'],
      }));
    },

    /** The outputs of some of them, in any order. */
    outputs: (uuids: readonly string[]) =>
      reader.job.findMany({
        where: { uuid: { in: [...uuids] } },
        select: { uuid: true, outputPath: true, outputName: true },
      }),

    /** The progress of the steps: one row for each step and state. */
    async counts(parentId: number): Promise<StepCount[]> {
      const rows = await reader.$queryRawUnsafe<(Omit<StepCount, 'count'> & { count: bigint | number })[]>(
        `SELECT "step", "state", COUNT(*) AS "count", MAX("uuid") AS "uuid", MAX("attempt") AS "attempt",
           MAX("outcome") AS "outcome", MIN("started") AS "started", MAX("ended") AS "ended"
         FROM "job" WHERE "parent_id" = ? GROUP BY "step", "state"`,
        parentId,
      );
      return rows.map((row) => ({ ...row, count: Number(row.count), attempt: Number(row.attempt) }));
    },

    /** Replaces the input of a job that runs again. */
    async setInput(
      id: number,
      input: { name: string; size: number } | null,
      request: Job['request'],
    ): Promise<void> {
      const data = {
        request: JSON.stringify(request),
        inputName: input?.name ?? null,
        inputSize: input === null ? null : BigInt(input.size),
      };
      await writer.batch((client) => [client.job.updateMany({ where: { id }, data })]);
    },
  };
}
