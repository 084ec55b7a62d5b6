import { externalExecutor, type Job, type JobEvent } from '../domain/jobs/job.js';
import { type State, unfinishedStates } from '../domain/jobs/job-state.js';
import { parseWritten } from '../domain/json/written-json.js';
import type { ListQuery } from '../domain/query.js';
import type { JobCompanions } from './companions.js';
import type { JobEvent as EventRow, Job as JobRow } from './generated/client.js';
import { ownedBy } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';
import { exactValues, orderOf, whereOf } from './where.js';

/** Columns of a job's fields that are not under their own name. */
export const jobColumns = {
  process_definition: 'processDefinitionId',
  pipeline: 'pipelineId',
  operation: 'operationId',
  parent: 'parent.uuid',
  last_event: 'lastEvent',
  archive_path: 'archivePath',
  archive_system: 'archiveSystem',
  owner: 'owner.username',
  cause: 'cause',
  exit_code: 'exitCode',
};

const parse = (text: string | null): unknown => (text === null ? null : JSON.parse(text));
const size = (value: bigint | null): number | null => (value === null ? null : Number(value));

/** A job from its row. */
export function jobOf(row: JobRow): Job {
  return {
    ...row,
    state: row.state as State,
    request: parse(row.request) as Job['request'],
    handle: parse(row.handle),
    data: row.data === null ? null : parseWritten(row.data),
    links: parse(row.links) as Job['links'],
    outcome: parse(row.outcome) as Job['outcome'],
    outputs: parse(row.outputs) as Job['outputs'],
    plan: parse(row.plan),
    service: parse(row.service),
    task: parse(row.task) as Job['task'],
    inputSize: size(row.inputSize),
    outputSize: size(row.outputSize),
  };
}

/** An entry of the history from its row. */
export const eventOf = (row: EventRow): JobEvent & { id: number } => ({
  ...row,
  state: row.state as State,
  data: row.data === null ? null : (parseWritten(row.data) as JobEvent['data']),
});

/** An unfinished job in the short form that the queue needs, since there may be many. */
export interface QueuedRow {
  id: number;
  uuid: string;
  ownerId: number;
  processDefinitionId: number | null;
  definitionRevisionId: number | null;
  executor: string;
  parentId: number | null;
  state: State;
  priority: number;
  request: Job['request'];
  attempt: number;
  notBefore: Date | null;
}

/**
 * Jobs and their events.
 *
 * @param addingSubscriptions wraps the writes that add subscriptions
 */
export function jobRepository(
  reader: PrismaClient,
  writer: Writer,
  addingSubscriptions: (work: Promise<void>) => Promise<void>,
) {
  /** Exact totals without scanning, from the triggers' counters, if all filters are on columns that they count by. */
  async function total(where: object, ownerId: number | null, query: ListQuery): Promise<number> {
    const counted = query.filters.every(
      (filter) =>
        (filter.field === 'state' || filter.field === 'process_definition') &&
        exactValues(query.filters, filter.field) !== undefined &&
        filter.values.every((value) => value !== null),
    );
    if (!counted) return reader.job.count({ where });
    const conditions: string[] = [];
    const values: unknown[] = [];
    const add = (column: string, list: readonly unknown[] | undefined) => {
      if (list === undefined) return;
      conditions.push(`"${column}" IN (${list.map(() => '?').join(', ')})`);
      values.push(...list);
    };
    add('owner_id', ownerId === null ? undefined : [ownerId]);
    add('state', exactValues(query.filters, 'state'));
    add('process_definition_id', exactValues(query.filters, 'process_definition'));
    const rows = await reader.$queryRawUnsafe<{ total: bigint | number | null }[]>(
      `SELECT SUM("count") AS "total" FROM "job_count" ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}`,
      ...values,
    );
    return Number(rows[0]?.total ?? 0);
  }

  return {
    insert(job: Job, event: JobEvent, companions: JobCompanions): Promise<void> {
      const written = writer.insertJob(job, event, companions);
      return (companions.subscriptions ?? []).length > 0 ? addingSubscriptions(written) : written;
    },
    update: (job: Job, event: JobEvent) => writer.updateJob(job, event),

    async byUuid(uuid: string): Promise<Job | null> {
      const row = await reader.job.findUnique({ where: { uuid } });
      return row === null ? null : jobOf(row);
    },

    async byId(id: number): Promise<Job | null> {
      const row = await reader.job.findUnique({ where: { id } });
      return row === null ? null : jobOf(row);
    },

    /** A page of jobs, and how many there are in all. `ownerId` null: everybody's. */
    async list(ownerId: number | null, query: ListQuery): Promise<{ total: number; objects: Job[] }> {
      const asksForHidden = query.filters.some((filter) => filter.field === 'hidden');
      const where = {
        ...ownedBy(ownerId),
        ...(asksForHidden ? {} : { hidden: false }),
        ...(query.filters.length > 0 ? whereOf(query.filters, jobColumns) : {}),
      };
      const rows = await reader.job.findMany({
        where,
        orderBy: orderOf(query.order, jobColumns),
        skip: query.offset,
        take: query.limit,
      });
      return { total: await total(where, ownerId, query), objects: rows.map(jobOf) };
    },

    /** A job's events, oldest first; `after` an id leaves out those up to it, `take` bounds how many are read. */
    async history(jobId: number, after = 0, take?: number): Promise<(JobEvent & { id: number })[]> {
      const rows = await reader.jobEvent.findMany({
        where: { jobId, id: { gt: after } },
        orderBy: { id: 'asc' },
        ...(take === undefined ? {} : { take }),
      });
      return rows.map(eventOf);
    },

    /** Which of these have ended. */
    async overAmong(uuids: readonly string[]): Promise<ReadonlySet<string>> {
      const where = { uuid: { in: [...uuids] }, state: { notIn: [...unfinishedStates] } };
      return new Set((await reader.job.findMany({ where, select: { uuid: true } })).map(({ uuid }) => uuid));
    },

    /** All unfinished jobs, oldest first; `after` an id, for reading in pieces. */
    async unfinished(after: number, take: number): Promise<QueuedRow[]> {
      const rows = await reader.job.findMany({
        where: {
          id: { gt: after },
          state: { in: [...unfinishedStates] },
          executor: { not: externalExecutor },
        },
        orderBy: { id: 'asc' },
        take,
        select: {
          id: true,
          uuid: true,
          ownerId: true,
          processDefinitionId: true,
          definitionRevisionId: true,
          executor: true,
          parentId: true,
          state: true,
          priority: true,
          request: true,
          attempt: true,
          notBefore: true,
        },
      });
      return rows.map((row) => ({
        ...row,
        state: row.state as State,
        request: parse(row.request) as Job['request'],
      }));
    },

    /** The latest jobs of an operation that know their messages, latest first. */
    async messagesOfOperation(
      operationId: number,
      take: number,
    ): Promise<Pick<Job, 'id' | 'uuid' | 'request'>[]> {
      const rows = await reader.job.findMany({
        where: { operationId },
        orderBy: { id: 'desc' },
        take,
        select: { id: true, uuid: true, request: true },
      });
      return rows.map((row) => ({ ...row, request: parse(row.request) as Job['request'] }));
    },

    /** The unfinished services of an operation, latest first. */
    async servicesOfOperation(operationId: number): Promise<Job[]> {
      const rows = await reader.job.findMany({
        where: {
          operationId,
          state: { in: [...unfinishedStates] },
          // In a user's text the quotes would be escaped.
          request: { contains: '"feed":{' },
        },
        orderBy: { id: 'desc' },
      });
      return rows.map(jobOf);
    },

    /** The unfinished jobs that somebody waited for. */
    async unfinishedAttended(): Promise<Job[]> {
      const rows = await reader.job.findMany({
        where: {
          state: { in: [...unfinishedStates] },
          // In a user's text the quotes would be escaped.
          request: { contains: '"attended":true' },
        },
      });
      return rows.map(jobOf);
    },

    /**
     * Jobs that ended before a time, oldest first: candidates for clearing or deleting. The jobs of steps are handled
     * with their pipeline's.
     */
    async endedBefore(date: Date, options: { cleared: boolean; take: number }) {
      return reader.job.findMany({
        // A job that ran elsewhere has no files here.
        where: {
          ended: { lt: date },
          parentId: null,
          ...(options.cleared ? {} : { cleared: null, executor: { not: externalExecutor } }),
        },
        orderBy: { ended: 'asc' },
        take: options.take,
        select: { id: true, uuid: true, executor: true },
      });
    },

    async markCleared(ids: readonly number[], date: Date): Promise<void> {
      await writer.batch((client) => [
        client.job.updateMany({ where: { id: { in: [...ids] } }, data: { cleared: date } }),
      ]);
    },

    /** Another job whose results are kept at that archive path, or below it. */
    async archivedAt(archive: { system: string; path: string }, butId: number): Promise<string | null> {
      const below = { gte: `${archive.path}/`, lt: `${archive.path}/\u{10ffff}` };
      const row = await reader.job.findFirst({
        where: {
          archiveSystem: archive.system,
          id: { not: butId },
          OR: [{ archivePath: archive.path }, { archivePath: below }],
        },
        select: { uuid: true },
      });
      return row?.uuid ?? null;
    },

    /** False if the job is gone. */
    async setHidden(id: number, hidden: boolean): Promise<boolean> {
      const changed = await writer.one((client) =>
        client.job.updateMany({ where: { id }, data: { hidden } }),
      );
      return changed.count > 0;
    },

    async remove(ids: readonly number[]): Promise<void> {
      await writer.batch((client) => [client.job.deleteMany({ where: { id: { in: [...ids] } } })]);
    },

    /** The highest id ever used: ids of deleted jobs are not reused. */
    async lastId(): Promise<number> {
      const rows = await reader.$queryRawUnsafe<{ seq: bigint | number }[]>(
        "SELECT seq FROM sqlite_sequence WHERE name = 'job'",
      );
      return Number(rows[0]?.seq ?? 0);
    },

    async idempotencyKey(ownerId: number, key: string) {
      return reader.idempotencyKey.findUnique({ where: { ownerId_key: { ownerId, key } } });
    },

    async forgetIdempotencyKeys(before: Date): Promise<void> {
      await writer.batch((client) => [
        client.idempotencyKey.deleteMany({ where: { created: { lt: before } } }),
      ]);
    },
  };
}
