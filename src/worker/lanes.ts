import type { ProcessDefinition } from '../domain/definitions/process-definition.js';
import type { Job } from '../domain/jobs/job.js';
import { defaultApplication } from '../domain/servers/application.js';
import type { Receipt } from '../drivers/executors/executor.js';
import { Worker, type WorkerOptions } from './lane.js';

/**
 * Which jobs share a lane: those of one executor, over SSH those of one machine, and in the cloud those of one
 * application, so that one whose servers cannot be had keeps nobody else waiting.
 */
export interface LaneKey {
  executor: string;
  /** The machine or the application; null here. */
  host: string | null;
}

/** What sets a lane apart: how its programs are run, and how many at a time. */
export type LaneOptions = Pick<
  WorkerOptions,
  'executor' | 'adapters' | 'scripts' | 'places' | 'limits' | 'platformRetries' | 'retriesLost'
>;

const here: LaneKey = { executor: 'local', host: null };
const nameOf = ({ executor, host }: LaneKey) => `${executor} ${host ?? ''}`;

/** The lane that a job belongs to. */
export const laneOf = (
  { executor, request }: Pick<Job, 'executor' | 'request'>,
  definition: ProcessDefinition,
): LaneKey => {
  if (executor === 'ssh') return { executor, host: request.host ?? definition.host };
  if (executor !== 'cloud') return { executor, host: null };
  return { executor, host: request.application ?? definition.application ?? defaultApplication };
};

/** A worker for each lane, so that what waits for a far machine keeps nobody waiting who does not need it. */
export class Lanes {
  readonly #options: WorkerOptions;
  readonly #remote: (key: LaneKey) => LaneOptions;
  readonly #workers = new Map<string, Worker>();
  readonly #local: Worker;
  #open = false;

  /** @param remote what a lane beside the local one is like */
  constructor(options: WorkerOptions, remote: (key: LaneKey) => LaneOptions) {
    this.#options = options;
    this.#remote = remote;
    this.#local = new Worker(options);
    this.#workers.set(nameOf(here), this.#local);
  }

  of(key: LaneKey): Worker {
    // Nearly all jobs run here.
    if (key.executor === 'local') return this.#local;
    const name = nameOf(key);
    const known = this.#workers.get(name);
    if (known !== undefined) return known;
    const worker = new Worker({ ...this.#options, ...this.#remote(key) });
    this.#workers.set(name, worker);
    if (this.#open) worker.open();
    return worker;
  }

  open(): void {
    this.#open = true;
    for (const worker of this.#workers.values()) worker.open();
  }

  /** The limits of lanes may have changed. */
  look(): void {
    for (const worker of this.#workers.values()) worker.look();
  }

  close(): void {
    this.#open = false;
    for (const worker of this.#workers.values()) worker.close();
  }

  isActive(uuid: string): boolean {
    return [...this.#workers.values()].some((worker) => worker.isActive(uuid));
  }

  get active(): number {
    return this.#sum((worker) => worker.active);
  }

  get waiting(): number {
    return this.#sum((worker) => worker.waiting);
  }

  waitingOf(ownerId: number): number {
    return this.#sum((worker) => worker.waitingOf(ownerId));
  }

  /** Ends a job, whichever lane it is in; undefined if it has ended already. */
  async cancel(job: Job, by: string): Promise<Receipt | undefined> {
    for (const [name, worker] of this.#workers) {
      if (!name.startsWith(`${job.executor} `)) continue;
      const receipt = await worker.cancel(job, by);
      if (receipt !== undefined) return receipt;
    }
    return undefined;
  }

  #sum(of: (worker: Worker) => number): number {
    let sum = 0;
    for (const worker of this.#workers.values()) sum += of(worker);
    return sum;
  }
}
