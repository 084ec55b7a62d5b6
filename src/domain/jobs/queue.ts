/** What decides when a waiting job gets its turn. */
export interface Waiting {
  id: number;
  uuid: string;
  ownerId: number;
  /** Jobs of one definition share its limit. 0 means no definition. */
  definitionId: number;
  /** How many jobs of the definition may run at once; null is no limit. */
  concurrency: number | null;
  priority: number;
  /** It never waits, because somebody waits for it: neither limits nor other jobs hold it up. */
  atOnce: boolean;
}

export interface QueueLimits {
  running: number;
  runningPerUser: number;
}

/** Jobs that differ only in age, as far as their turn is concerned. */
interface Bucket {
  waiting: Waiting[];
  /** Index of the first job that still waits: taking from the head must not move the rest. */
  head: number;
}

/**
 * Whose turn it is. Higher priority first; among equals the user with the fewest running jobs, so that a thousand jobs
 * of one user do not hold up a single job of another; then the oldest. Limits: in all, per user, per definition.
 */
export class Queue {
  readonly #limits: () => QueueLimits;
  readonly #buckets = new Map<string, Bucket>();
  readonly #queued = new Map<string, Waiting>();
  /** How many jobs that must start at once are waiting. */
  #atOnce = 0;
  readonly #queuedByUser = new Map<number, number>();
  readonly #running = new Map<string, Waiting>();
  readonly #runningByUser = new Map<number, number>();
  readonly #runningByDefinition = new Map<number, number>();

  /** @param limits the current limits, which may change */
  constructor(limits: () => QueueLimits) {
    this.#limits = limits;
  }

  get waiting(): number {
    return this.#queued.size;
  }

  get running(): number {
    return this.#running.size;
  }

  waitingOf(ownerId: number): number {
    return this.#queuedByUser.get(ownerId) ?? 0;
  }

  isWaiting(uuid: string): boolean {
    return this.#queued.has(uuid);
  }

  add(job: Waiting): void {
    if (this.#queued.has(job.uuid) || this.#running.has(job.uuid)) return;
    const key = `${job.atOnce}:${job.priority}:${job.ownerId}:${job.definitionId}:${job.concurrency}`;
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, { waiting: [job], head: 0 });
    else insertByAge(bucket, job);
    this.#queued.set(job.uuid, job);
    count(this.#queuedByUser, job.ownerId, 1);
    if (job.atOnce) this.#atOnce += 1;
  }

  /** Takes a job out of the queue if it still waits. */
  remove(uuid: string): boolean {
    const job = this.#queued.get(uuid);
    if (job === undefined) return false;
    this.#queued.delete(uuid);
    count(this.#queuedByUser, job.ownerId, -1);
    if (job.atOnce) this.#atOnce -= 1;
    return true; // its bucket drops it when its turn comes
  }

  /** The next job that may run, which from now on counts as running; undefined if none may. */
  next(): Waiting | undefined {
    const limits = this.#limits();
    const full = this.#running.size >= limits.running;
    if (full && this.#atOnce === 0) return undefined;
    let best: Waiting | undefined;
    let bestBucket: Bucket | undefined;
    for (const [key, bucket] of this.#buckets) {
      const job = this.#headOf(bucket);
      if (job === undefined) {
        this.#buckets.delete(key);
        continue;
      }
      if (full && !job.atOnce) continue;
      if (!this.#mayRun(job, limits)) continue;
      if (best === undefined || this.#before(job, best)) {
        best = job;
        bestBucket = bucket;
      }
    }
    if (best === undefined || bestBucket === undefined) return undefined;
    bestBucket.head += 1;
    this.remove(best.uuid);
    this.occupy(best);
    return best;
  }

  /** Counts a job that was found running. */
  occupy(job: Waiting): void {
    if (this.#running.has(job.uuid)) return;
    this.#running.set(job.uuid, job);
    count(this.#runningByUser, job.ownerId, 1);
    count(this.#runningByDefinition, job.definitionId, 1);
  }

  /** Makes room again. */
  release(uuid: string): void {
    const job = this.#running.get(uuid);
    if (job === undefined) return;
    this.#running.delete(uuid);
    count(this.#runningByUser, job.ownerId, -1);
    count(this.#runningByDefinition, job.definitionId, -1);
  }

  #headOf(bucket: Bucket): Waiting | undefined {
    for (;;) {
      const job = bucket.waiting[bucket.head];
      if (job === undefined || this.#queued.get(job.uuid) === job) {
        if (bucket.head > 1000) {
          bucket.waiting = bucket.waiting.slice(bucket.head);
          bucket.head = 0;
        }
        return job;
      }
      bucket.head += 1;
    }
  }

  #mayRun(job: Waiting, limits: QueueLimits): boolean {
    if (job.atOnce) return true;
    if ((this.#runningByUser.get(job.ownerId) ?? 0) >= limits.runningPerUser) return false;
    return (
      job.concurrency === null ||
      job.definitionId === 0 ||
      (this.#runningByDefinition.get(job.definitionId) ?? 0) < job.concurrency
    );
  }

  #before(a: Waiting, b: Waiting): boolean {
    if (a.atOnce !== b.atOnce) return a.atOnce;
    if (a.priority !== b.priority) return a.priority > b.priority;
    const busyA = this.#runningByUser.get(a.ownerId) ?? 0;
    const busyB = this.#runningByUser.get(b.ownerId) ?? 0;
    return busyA !== busyB ? busyA < busyB : a.id < b.id;
  }
}

function count<K>(counts: Map<K, number>, key: K, by: number): void {
  const next = (counts.get(key) ?? 0) + by;
  if (next === 0) counts.delete(key);
  else counts.set(key, next);
}

/** Nearly every job is younger than all before it; a job that is retried is not. */
function insertByAge(bucket: Bucket, job: Waiting): void {
  let index = bucket.waiting.length;
  while (index > bucket.head && (bucket.waiting[index - 1]?.id ?? 0) > job.id) index -= 1;
  bucket.waiting.splice(index, 0, job);
}
