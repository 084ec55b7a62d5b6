import type { JobEvent } from '../domain/jobs/job.js';
import type { ListQuery } from '../domain/query.js';
import { eventOf, jobColumns } from './jobs.js';
import { ownedBy } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';
import { whereOf } from './where.js';

/** An event with what its followers need to know about its job. `id` increases in commit order. */
export interface StoredEvent {
  id: number;
  event: JobEvent;
  job: {
    uuid: string;
    owner: string;
    pipelineId: number | null;
    session: string | null;
    processDefinitionId: number | null;
  };
}

/** Some events after an id. Everything up to `reached` was read; `more` if that was not all. */
export interface EventPage {
  events: StoredEvent[];
  reached: number;
  more: boolean;
}

/** Filters about the event itself: the job right after it. */
const eventColumns = { state: 'state', last_event: 'name', updated: 'date' };

/** The most events in a page, and the most ids read for it, so that no page blocks others for long. */
const pageSize = 500;
const span = 5000;

/** The events of all jobs, in commit order. */
export function jobEventRepository(reader: PrismaClient, writer: Writer) {
  /** The highest id ever used, even by events of deleted jobs; 0 before the first. */
  async function lastId(): Promise<number> {
    const rows = await reader.$queryRawUnsafe<{ seq: bigint | number }[]>(
      "SELECT seq FROM sqlite_sequence WHERE name = 'job_event'",
    );
    return Number(rows[0]?.seq ?? 0);
  }

  return {
    lastId,

    /**
     * Deletes old starts and ends of running services. Events with pending deliveries are kept.
     *
     * @returns how many events, at most `take` of each service
     */
    async forgetOfServices(before: Date, take: number): Promise<number> {
      const services = await reader.job.findMany({
        where: { state: 'RUNNING', service: { not: null } },
        select: { id: true },
      });
      let forgotten = 0;
      // By job, since there are few services: events have no index by date.
      for (const { id: jobId } of services) {
        const rows = await reader.jobEvent.findMany({
          where: {
            jobId,
            name: { in: ['run', 'resource', 'update'] },
            date: { lt: before },
            deliveries: { none: { state: 'pending' } },
          },
          orderBy: { id: 'asc' },
          take,
          select: { id: true },
        });
        if (rows.length === 0) continue;
        const ids = rows.map(({ id }) => id);
        await writer.batch((client) => [client.jobEvent.deleteMany({ where: { id: { in: ids } } })]);
        forgotten += ids.length;
      }
      return forgotten;
    },

    /**
     * A page of events after an id. There is one writer, so later commits have higher ids: continuing from `reached`
     * misses nothing.
     *
     * @param ownerId whose jobs; null: everybody's
     * @param query filters as for the list of jobs; those in `eventColumns` apply to the event, others to the current
     * job
     */
    async page(ownerId: number | null, query: ListQuery, after: number): Promise<EventPage> {
      const last = await lastId();
      if (last <= after) return { events: [], reached: after, more: false };
      const end = Math.min(last, after + span);
      const ofEvent = query.filters.filter(({ field }) => Object.hasOwn(eventColumns, field));
      const ofJob = query.filters.filter(({ field }) => !Object.hasOwn(eventColumns, field));
      const rows = await reader.jobEvent.findMany({
        where: { id: { gt: after, lte: end }, ...whereOf(ofEvent, eventColumns) },
        orderBy: { id: 'asc' },
        take: pageSize,
      });
      const reached = rows.length === pageSize ? (rows.at(-1)?.id ?? end) : end;

      // Jobs are read by id, not joined: a join might start from all jobs of an owner.
      const jobs = await reader.job.findMany({
        where: {
          id: { in: [...new Set(rows.map(({ jobId }) => jobId))] },
          ...ownedBy(ownerId),
          ...(query.filters.some(({ field }) => field === 'hidden') ? {} : { hidden: false }),
          ...whereOf(ofJob, jobColumns),
        },
        select: {
          id: true,
          uuid: true,
          pipelineId: true,
          session: true,
          processDefinitionId: true,
          owner: { select: { username: true } },
        },
      });
      const byId = new Map(jobs.map(({ id, owner, ...job }) => [id, { ...job, owner: owner.username }]));
      const events = rows.flatMap((row) => {
        const job = byId.get(row.jobId);
        return job === undefined ? [] : [{ id: row.id, event: eventOf(row), job }];
      });
      return { events, reached, more: reached < last };
    },
  };
}
