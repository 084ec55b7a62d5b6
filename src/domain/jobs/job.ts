import type { RunDocument } from '../../lib/generated/run-request.js';
import type { Framing } from '../feeder/framing.js';
import type { StoredInputs } from '../inputs/input-texts.js';
import type { ServerWishes } from '../servers/application.js';
import type { EventName, State } from './job-state.js';
import type { Outcome } from './outcome.js';

/** What one run asks for beyond its definition, apart from its input. Only Penstock itself sets the keys below. */
export interface RunRequest extends Omit<RunDocument, 'input' | 'inputs'> {
  /** The declared inputs, checked, with their defaults; files by their names and sizes. */
  inputs?: StoredInputs;
  /** What else it wants of its server, besides its application. */
  server?: ServerWishes;
  /** Files of LOCAL_SCRIPTS_FOLDER to copy into the base folder of the machine that it runs on. */
  scripts?: string[];
  /** The name of the user that the program runs as. */
  user?: string;
  /**
   * True: somebody waits for its end and does nothing else until then. It starts at once, whatever else runs or waits,
   * and is never retried.
   */
  attended?: boolean;
  /** Fed message by message through a socket, not from a file. */
  feed?: { framing: Framing };
  /**
   * Named pipes, by absolute path, in place of standard input or output, which join the programs of two jobs. With
   * `tee`, what passes through is also kept as this job's standard output. Whoever asks for the pipes makes and removes
   * them.
   */
  joined?: { from?: string; to?: string; tee?: true };
  /**
   * The message of an operation that it was made for: its id, and the key that identifies it if it is delivered again.
   */
  message?: { id: string; key: string | null };
}

/** The executor of a job that Penstock does not run: others report on it with events. */
export const externalExecutor = 'none';

/** The executor of a pipeline's job, which only runs the jobs of its steps. */
export const pipelineExecutor = 'pipeline';

/** What a job that runs elsewhere is linked to, with the older system's keys. */
export interface JobLinks {
  child_of?: string[];
  generated_by?: string[];
  acted_on?: string[];
  acted_using?: string[];
  archive_patterns?: unknown[];
  product_patterns?: unknown[];
  agent?: string | null;
  task?: string | null;
}

/** The declared outputs of a job: its files, with their paths below the job's folder, and its values. */
export interface JobOutputs {
  files: Record<string, { name: string; size: number; path: string }[]>;
  values: Record<string, unknown>;
}

/** One execution, here or elsewhere. Sizes in bytes. */
export interface Job {
  id: number;
  uuid: string;
  ownerId: number;
  pipelineId: number | null;
  processDefinitionId: number | null;
  definitionRevisionId: number | null;
  executor: string;
  state: State;
  /** Increases by one with every event; writes compare and set it. */
  revision: number;
  lastEvent: string;
  lastEventUuid: string;
  priority: number;
  /** How many starts were attempted; 0 before the first. */
  attempt: number;
  programFailures: number;
  platformFailures: number;
  request: RunRequest;
  handle: unknown;
  outcome: Outcome | null;
  waiting: string | null;
  inputName: string | null;
  inputSize: number | null;
  outputName: string | null;
  outputSize: number | null;
  /** Where the output is, below the job's folder. */
  outputPath: string | null;
  /** The outputs that its definition declares; null before its end, and if it declares none. */
  outputs: JobOutputs | null;
  /** SHA-256 of the token that lets others send events; null for jobs older than tokens. */
  tokenHash: string | null;
  session: string | null;
  archiveSystem: string | null;
  archivePath: string | null;
  /** Parameters of a job that runs elsewhere; part of its identity. */
  data: unknown;
  links: JobLinks | null;
  /** The id of the pipeline's job that it is a step of. */
  parentId: number | null;
  /** The name of that step. */
  step: string | null;
  /** Which item of a step that runs once per item, from 0. */
  item: number | null;
  /** The id of the operation that it serves. */
  operationId: number | null;
  /** Of a pipeline's job: its steps, as they were when it was accepted. */
  plan: unknown;
  /** The state of a service. */
  service: unknown;
  /** What a client of the scheduler's protocol sent, without its secrets; null for all other jobs. */
  task: TaskRecord | null;
  /** Hidden jobs are left out of lists, and take no events from outside. */
  hidden: boolean;
  created: Date;
  updated: Date;
  notBefore: Date | null;
  started: Date | null;
  ended: Date | null;
  cleared: Date | null;
}

/** A job before anything has happened to it. */
export type NewJob = Omit<
  Job,
  'id' | 'state' | 'revision' | 'lastEvent' | 'lastEventUuid' | 'created' | 'updated'
>;

/** A new job with nothing set but its owner and its executor. */
export const newJob = (uuid: string, ownerId: number, executor: string): NewJob => ({
  uuid,
  ownerId,
  executor,
  pipelineId: null,
  processDefinitionId: null,
  definitionRevisionId: null,
  priority: 0,
  attempt: 0,
  programFailures: 0,
  platformFailures: 0,
  request: {},
  handle: null,
  outcome: null,
  waiting: null,
  inputName: null,
  inputSize: null,
  outputName: null,
  outputSize: null,
  outputPath: null,
  outputs: null,
  tokenHash: null,
  session: null,
  archiveSystem: null,
  archivePath: null,
  data: null,
  links: null,
  parentId: null,
  step: null,
  item: null,
  operationId: null,
  plan: null,
  service: null,
  task: null,
  hidden: false,
  notBefore: null,
  started: null,
  ended: null,
  cleared: null,
});

/** One entry in a job's history. */
export interface JobEvent {
  uuid: string;
  jobId: number;
  name: string;
  state: State;
  revision: number;
  date: Date;
  data: unknown;
}

/** What an event changes in the job besides its state. */
export type JobChange = Partial<
  Pick<
    Job,
    | 'attempt'
    | 'programFailures'
    | 'platformFailures'
    | 'handle'
    | 'outcome'
    | 'waiting'
    | 'outputName'
    | 'outputSize'
    | 'outputPath'
    | 'outputs'
    | 'notBefore'
    | 'started'
    | 'ended'
    | 'cleared'
    | 'priority'
    | 'plan'
    | 'service'
  >
>;

/** The job after an event, and the event's entry in its history. Pure: time and uuid come in. */
export function applyEvent(
  job: Job,
  event: { name: EventName; to: State; uuid: string; date: Date; data: unknown; change: JobChange },
): { job: Job; event: JobEvent } {
  const revision = job.revision + 1;
  return {
    job: {
      ...job,
      ...event.change,
      state: event.to,
      revision,
      lastEvent: event.name,
      lastEventUuid: event.uuid,
      updated: event.date,
    },
    event: {
      uuid: event.uuid,
      jobId: job.id,
      name: event.name,
      state: event.to,
      revision,
      date: event.date,
      data: event.data,
    },
  };
}

/** A task as stored with its job. */
export interface TaskRecord {
  type: string;
  /** The fields it is shown with, in the older system's order. */
  shown: Record<string, string>;
}
