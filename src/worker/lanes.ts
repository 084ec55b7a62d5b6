import type { ProcessDefinition } from '../domain/definitions/process-definition.js';
import type { Job } from '../domain/jobs/job.js';
import { defaultApplication } from '../domain/servers/application.js';
import type { Receipt } from '../drivers/executors/executor.js';
import { Lane, type LaneOptions } from './lane.js';

/**
 * Which jobs share a lane: those of one executor, over SSH those of one machine, and in the cloud those of one
 * application, so that an application without servers holds up no other.
 */
export interface LaneKey {
  executor: string;
  /** The machine or the application; null for this machine. */
  host: string | null;
}

/** What distinguishes a lane: how its programs are run, and how many at a time. */
export type LaneSettings = Pick<
  LaneOptions,
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

/** A lane for each key, so that jobs waiting for a remote machine do not hold up jobs that do not need it. */
export class Lanes {
  readonly #options: LaneOptions;
  readonly #remote: (key: LaneKey) => LaneSettings;
  readonly #lanes = new Map<string, Lane>();
  readonly #local: Lane;
  #open = false;

  /** @param remote the settings of every lane except the local one */
  constructor(options: LaneOptions, remote: (key: LaneKey) => LaneSettings) {
    this.#options = options;
    this.#remote = remote;
    this.#local = new Lane(options);
    this.#lanes.set(nameOf(here), this.#local);
  }

  of(key: LaneKey): Lane {
    // Nearly all jobs run here.
    if (key.executor === 'local') return this.#local;
    const name = nameOf(key);
    const known = this.#lanes.get(name);
    if (known !== undefined) return known;
    const lane = new Lane({ ...this.#options, ...this.#remote(key) });
    this.#lanes.set(name, lane);
    if (this.#open) lane.open();
    return lane;
  }

  open(): void {
    this.#open = true;
    for (const lane of this.#lanes.values()) lane.open();
  }

  /** Call it when the limits of lanes may have changed. */
  look(): void {
    for (const lane of this.#lanes.values()) lane.look();
  }

  close(): void {
    this.#open = false;
    for (const lane of this.#lanes.values()) lane.close();
  }

  isActive(uuid: string): boolean {
    return [...this.#lanes.values()].some((lane) => lane.isActive(uuid));
  }

  get active(): number {
    return this.#sum((lane) => lane.active);
  }

  get waiting(): number {
    return this.#sum((lane) => lane.waiting);
  }

  waitingOf(ownerId: number): number {
    return this.#sum((lane) => lane.waitingOf(ownerId));
  }

  /** Ends a job in whichever lane it is; undefined if it has already ended. */
  async cancel(job: Job, by: string): Promise<Receipt | undefined> {
    for (const [name, lane] of this.#lanes) {
      if (!name.startsWith(`${job.executor} `)) continue;
      const receipt = await lane.cancel(job, by);
      if (receipt !== undefined) return receipt;
    }
    return undefined;
  }

  #sum(of: (lane: Lane) => number): number {
    let sum = 0;
    for (const lane of this.#lanes.values()) sum += of(lane);
    return sum;
  }
}
