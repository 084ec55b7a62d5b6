import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { TypedUuids } from '../../domain/external-jobs/typed-uuid.js';
import {
  applyEvent,
  externalExecutor,
  type Job,
  type JobChange,
  type JobEvent,
  type NewJob,
} from '../../domain/jobs/job.js';
import { type EventName, isUnfinished, legalEvents, nextState } from '../../domain/jobs/job-state.js';
import type { ListQuery } from '../../domain/query.js';
import { PenstockError } from '../../lib/errors.js';
import type { JobCompanions } from '../../store/companions.js';
import type { Store } from '../../store/store.js';
import { type Actor, mayUse, scopeOf } from '../actor.js';

/** A job's change as listeners are told of it. */
export interface JobNews {
  job: Job;
  event: JobEvent;
}

const mostRecent = 2000;

const hasEnded = (job: Job) => !isUnfinished(job.state);

/** Random bytes, drawn from the system many at a time. */
let pool = Buffer.alloc(0);
function random16(): Buffer {
  if (pool.length < 16) pool = randomBytes(4096);
  const bytes = pool.subarray(0, 16);
  pool = pool.subarray(16);
  return bytes;
}

/** A state change: the job before and after it, and its entry in the history. */
export interface Recorded {
  before: Job;
  job: Job;
  event: JobEvent;
}

/** Events of one job that are read at once: there may be very many, and each may be large. */
export const historyPage = 200;

/** Jobs: what happened to them, and the only door to a state change. */
export function jobService(store: Store, uuids: TypedUuids, clock: () => Date) {
  const newUuid = (kind: 'job' | 'job_event') => uuids.of(kind, random16());
  const news = new EventEmitter<{ news: [JobNews] }>();
  news.setMaxListeners(0);
  /** Listeners to the events of one job. */
  const listeners = new Map<string, Set<(job: Job) => void>>();
  /** Jobs that changed recently, so that nobody has to read what was just written. */
  const recent = new Map<string, Job>();
  let lastId = 0;
  /** How many events were announced: a row that was read before the latest may lack it. */
  let announced = 0;

  function remember(job: Job): void {
    recent.delete(job.uuid);
    recent.set(job.uuid, job);
    if (recent.size > mostRecent) recent.delete(recent.keys().next().value ?? '');
  }

  /** Compares the id as well: a job that was removed and created again has the same UUID, and nothing else in common. */
  function forget({ id, uuid }: Pick<Job, 'id' | 'uuid'>): void {
    if (recent.get(uuid)?.id === id) recent.delete(uuid);
  }

  /**
   * Calls `heard` after each of a job's future events, with the job in its new state.
   *
   * @returns what stops the calls
   */
  function listen(uuid: string, heard: (job: Job) => void): () => void {
    const set = listeners.get(uuid) ?? new Set();
    listeners.set(uuid, set);
    set.add(heard);
    return () => {
      set.delete(heard);
      if (set.size === 0 && listeners.get(uuid) === set) listeners.delete(uuid);
    };
  }

  function announce(change: JobNews): void {
    announced += 1;
    remember(change.job);
    news.emit('news', change);
    for (const tell of listeners.get(change.job.uuid) ?? []) tell(change.job);
  }

  return {
    news,
    announced: () => announced,

    async start(): Promise<void> {
      lastId = await store.jobs.lastId();
    },

    newUuid: () => newUuid('job'),

    /** Stores a new job with its `create` event and its companions. When this returns, the job is durable. */
    async create(fields: NewJob, data: unknown, companions: JobCompanions = {}): Promise<Job> {
      lastId += 1;
      const now = clock();
      const uuid = newUuid('job_event');
      const job: Job = {
        ...fields,
        id: lastId,
        state: 'CREATED',
        revision: 0,
        lastEvent: 'create',
        lastEventUuid: uuid,
        created: now,
        updated: now,
      };
      const event: JobEvent = {
        uuid,
        jobId: job.id,
        name: 'create',
        state: 'CREATED',
        revision: 0,
        date: now,
        data,
      };
      await store.jobs.insert(job, event, companions);
      announce({ job, event });
      return job;
    },

    /**
     * Records an event: the only way in which a job's state changes. The row is compared and set; if somebody else was
     * first, the event is retried on the current row: `change` is called again, and may refuse by throwing.
     *
     * Throws `illegal-transition` where the one table has no such step.
     */
    async record(
      known: Job,
      name: EventName,
      change: JobChange | ((current: Job) => JobChange) = {},
      data: unknown = null,
    ): Promise<Recorded> {
      let job = known;
      for (;;) {
        const to = nextState(job.state, name);
        if (to === undefined) {
          throw new PenstockError(
            'illegal-transition',
            `The event '${name}' is not possible for a job in state ${job.state}. Possible: ${legalEvents(job.state).join(', ') || 'none'}.`,
          );
        }
        const step = applyEvent(job, {
          name,
          to,
          uuid: newUuid('job_event'),
          date: clock(),
          data,
          change: typeof change === 'function' ? change(job) : change,
        });
        if (await store.jobs.update(step.job, step.event)) {
          announce(step);
          return { ...step, before: job };
        }
        const current = await store.jobs.byId(job.id);
        if (current === null) throw new PenstockError('not-found', `The job ${job.uuid} is gone.`);
        job = current;
      }
    },

    /**
     * The current job, whoever asks; null if there is none. Every change of a job that runs elsewhere goes through
     * here, so for such a job the cache is up to date.
     */
    async current(uuid: string): Promise<Job | null> {
      const known = recent.get(uuid);
      return known?.executor === externalExecutor ? known : store.jobs.byUuid(uuid);
    },

    /** Updates the cache after a job was written without an event. */
    patch(job: Job, fields: Partial<Job>): Job {
      const known = recent.get(job.uuid);
      if (known?.id !== job.id) return { ...job, ...fields };
      const patched = { ...known, ...fields };
      recent.set(job.uuid, patched);
      return patched;
    },

    /** Hides a job from lists and from events, or shows it again. */
    async setHidden(job: Job, hidden: boolean): Promise<Job> {
      if (await store.jobs.setHidden(job.id, hidden)) return this.patch(job, { hidden });
      throw new PenstockError('not-found', `The job ${job.uuid} is gone.`);
    },

    /** Removes a job with its history. */
    async remove(job: Job): Promise<void> {
      await store.jobs.remove([job.id]);
      forget(job);
    },

    /** Call it when jobs were removed behind our back: they are dropped from the cache. */
    forget,

    /** A job that the actor may see; another user's counts as not found. */
    async get(actor: Actor, uuid: string): Promise<Job> {
      const job = await store.jobs.byUuid(uuid);
      if (job === null || !mayUse(actor, job.ownerId)) {
        throw new PenstockError('not-found', `There is no job ${uuid}.`);
      }
      return job;
    },

    list: (actor: Actor, query: ListQuery) => store.jobs.list(scopeOf(actor), query),

    /** A job's events, oldest first; `after` leaves out those up to that id. */
    /** A page of a job's events, after the one with that id; a short page is the last. */
    async historyPage(actor: Actor, uuid: string, after: number): Promise<(JobEvent & { id: number })[]> {
      return store.jobs.history((await this.get(actor, uuid)).id, after, historyPage);
    },

    listen,

    /** Waits until the job has ended, the time is over, or the caller has gone. */
    waitForEnd(given: Job, milliseconds: number, signal?: AbortSignal): Promise<Job> {
      return this.waitUntil(given, hasEnded, milliseconds, signal);
    },

    /**
     * Waits until the job satisfies `reached`, the time is over, or the caller has gone.
     *
     * @param reached must stay true once it is, or it must be enough that it was true
     * @param milliseconds the longest wait
     * @returns the job at that time
     */
    async waitUntil(
      given: Job,
      reached: (job: Job) => boolean,
      milliseconds: number,
      signal?: AbortSignal,
    ): Promise<Job> {
      let done: (job: Job) => void = () => {};
      const end = new Promise<Job>((resolve) => {
        done = resolve;
      });
      let latest = given;
      const tell = (job: Job) => {
        latest = job;
        if (reached(job)) done(job);
      };
      const unlisten = listen(given.uuid, tell);
      const giveUp = () => done(latest);
      const timer = setTimeout(giveUp, milliseconds);
      signal?.addEventListener('abort', giveUp, { once: true });
      try {
        // It may have ended since the caller read it.
        const current = reached(given)
          ? given
          : (recent.get(given.uuid) ?? (await store.jobs.byUuid(given.uuid)));
        if (current !== null) tell(current);
        return await end;
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        unlisten();
      }
    },
  };
}

export type JobService = ReturnType<typeof jobService>;
