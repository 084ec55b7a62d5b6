import path from 'node:path';
import {
  buildCommand,
  missingInput,
  namedFiles,
  needsInput,
  outputNameOf,
  withMain,
} from '../../domain/definitions/command.js';
import { checkEnvironment } from '../../domain/definitions/definition-rules.js';
import { shownPlaces } from '../../domain/definitions/places.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { shownInputs } from '../../domain/inputs/shown-inputs.js';
import { type Job, type NewJob, newJob, type RunRequest } from '../../domain/jobs/job.js';
import { newServiceState } from '../../domain/services/service.js';
import { PenstockError } from '../../lib/errors.js';
import type { RunDocument } from '../../lib/generated/run-request.js';
import { validator } from '../../lib/schemas.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { DefinitionRow } from '../../store/process-definitions.js';
import type { Actor } from '../actor.js';
import { invalid } from '../body.js';
import type { FoundDefinition } from '../definitions/process-definitions.js';
import { newJobToken } from '../external-jobs/job-tokens.js';
import type { JobService } from '../jobs/jobs.js';
import type { Shown } from '../resource.js';
import { hashToken } from '../users/logins.js';
import { checkedInputs, checkNamed, namedDigests } from './checked-inputs.js';
import type { Once } from './idempotency.js';
import { type TakenInputs, takenInputs } from './intake.js';
import { checkedFileName, type Received, type Receiver } from './receive.js';
import type { Submitted } from './submitted.js';
import type { WhereService } from './whereabouts.js';

/** The part of the worker that runs accepted jobs. */
interface Worker {
  /** How many jobs wait, in all and for one user. */
  readonly waiting: number;
  waitingOf(ownerId: number): number;
  /** Why no further service of a definition can be started, in words; undefined if it can. */
  full(ownerId: number, definitionId: number, concurrency: number | null): string | undefined;
  submit(job: Job, definition: ProcessDefinition): void;
}

interface RunLimits {
  queued: number;
  queuedPerUser: number;
}

/** What Penstock itself sets in a job, beyond what a request may. */
interface Inside {
  fields?: Partial<Pick<NewJob, 'operationId' | 'parentId' | 'step' | 'item' | 'session' | 'task'>>;
  request?: Pick<RunRequest, 'feed' | 'message' | 'joined' | 'scripts' | 'server'>;
}

/** Runs process definitions. */
export function runService(given: {
  files: JobFiles;
  jobs: JobService;
  receiver: Receiver;
  worker: Worker;
  once: Once;
  limits: RunLimits;
  /** Seconds; null: no limit. */
  defaultTimeout: number | null;
  where: WhereService;
  clock: () => Date;
}) {
  const { files, jobs, receiver, worker, once, limits, where, clock } = given;

  function checkQueue(actor: Actor): void {
    const mine = worker.waitingOf(actor.id);
    const full =
      worker.waiting >= limits.queued
        ? `${worker.waiting} jobs are already waiting (MAX_QUEUED_JOBS)`
        : mine >= limits.queuedPerUser
          ? `${mine} of your jobs are already waiting (MAX_QUEUED_JOBS_PER_USER)`
          : undefined;
    if (full === undefined) return;
    throw new PenstockError('queue-full', `${full}. Try again later.`, { headers: { 'Retry-After': '5' } });
  }

  /** Services do not wait for their turn: either there is room for another one, or there is not. */
  function checkServices(actor: Actor, row: DefinitionRow, concurrency: number | null): void {
    const full = worker.full(actor.id, row.id, concurrency);
    if (full === undefined) return;
    throw new PenstockError('services-full', `${full}. Stop one first.`, {
      headers: { 'Retry-After': '60' },
    });
  }

  /** Checked again for every run: the machine or application may no longer exist. */
  function checkPlace({ document }: FoundDefinition, request: RunRequest): void {
    if ((request.executor ?? document.executor ?? 'local') === 'local') return;
    const wrong = where.check(document, request);
    if (wrong.length > 0) throw invalid('invalid-body', wrong);
  }

  async function accept(
    actor: Actor,
    found: FoundDefinition,
    received: Received,
    request: RunRequest,
    key: { key: string; fingerprint: string } | null,
    fields: Inside['fields'] = {},
  ): Promise<Submitted> {
    const { row, revisionId, definition } = found;
    const inputs = checkedInputs(definition, received, request.feed !== undefined);
    if (definition.inputs === null) checkNamed(namedFiles(definition).inputs, received);
    if (received.input === null && request.feed === undefined && needsInput(definition, request.environment))
      throw invalid('invalid-body', [{ pointer: '/input', detail: missingInput(definition) }]);
    const executor = request.executor ?? definition.executor;
    checkPlace(found, request);
    if (definition.service !== null) checkServices(actor, row, definition.concurrency);
    else if (request.attended !== true) checkQueue(actor);
    const { environment } = request;
    if (environment !== undefined) files.keepEnvironment(received.uuid, environment);
    if (inputs !== null && Object.keys(inputs.secrets).length > 0)
      files.keepSecrets(received.uuid, inputs.secrets);
    const token = newJobToken();
    const job = await jobs.create(
      {
        ...newJob(received.uuid, actor.id, executor),
        processDefinitionId: row.id,
        definitionRevisionId: revisionId,
        priority: request.priority ?? definition.priority,
        request: {
          ...request,
          ...(inputs === null ? {} : { inputs: inputs.stored }),
          ...(environment === undefined ? {} : { environment: namesOnly(environment) }),
        },
        inputName: received.input?.name ?? null,
        inputSize: received.input?.size ?? null,
        outputName: outputNameOf(definition, request.output?.name),
        tokenHash: hashToken(token),
        service: definition.service === null ? null : newServiceState(clock()),
        ...fields,
      },
      { process_definition: row.id, revision: row.revision },
      { key },
    );
    files.accept(job.uuid);
    worker.submit(job, definition);
    return { job, token };
  }

  return {
    /** Refuses early, before a body is read, what would be refused anyway. */
    checkQueue,
    checkServices,

    /** A run's JSON, checked against its schema and the definition. */
    checkedDocument(found: FoundDefinition, value: unknown): RunDocument {
      const document = checkedRequest(value);
      const wrong = [
        ...checkEnvironment(found.document, document.environment ?? {}),
        ...where.check(found.document, document),
      ];
      if (wrong.length > 0) throw invalid('invalid-body', wrong);
      return document;
    },

    /**
     * Creates a job from what was received. When this returns, the job is durable and can be read.
     *
     * @param key the Idempotency-Key, if there is one
     * @param inside what only Penstock itself sets; such a job has no key
     * @returns the job with its token, or without one if it already existed
     */
    async submit(
      actor: Actor,
      found: FoundDefinition,
      received: Received,
      document: RunDocument & Omit<RunRequest, 'inputs'>,
      key: string | null,
      inside: Inside = {},
    ): Promise<Submitted> {
      const { input: _, inputs: _inputs, ...request } = document;
      if (key === null) {
        return accept(actor, found, received, { ...request, ...inside.request }, null, inside.fields);
      }
      return once(
        actor,
        key,
        [
          found.row.id,
          document,
          received.input?.name ?? null,
          received.digest,
          ...namedDigests(received),
          ...(found.definition.inputs === null ? [] : [received.values, received.files]),
        ],
        (stored) => accept(actor, found, received, request, stored),
        () => receiver.drop(received),
      );
    },

    /** The inputs that a run may send. */
    takenInputs: ({ definition }: FoundDefinition): TakenInputs => takenInputs(definition),

    /**
     * What would run. Starts and stores nothing.
     *
     * @param received what was sent; null where the inputs are not known yet
     */
    dryRun(found: FoundDefinition, document: RunDocument, received: Received | null): Shown {
      const { definition } = found;
      checkPlace(found, document);
      const uuid = '00000000-0000-0000-0000-000000000000';
      const place = where.show(definition, document, uuid);
      const folder = place?.folder ?? files.attempt(uuid, 1);
      const inputs = received === null ? null : checkedInputs(definition, received);
      const declared = shownInputs(definition, inputs, folder);
      const values = { ...declared.values, work_dir: path.join(folder, 'work'), job_uuid: uuid };
      const outputName = outputNameOf(definition, document.output?.name);
      const inputName = received?.input?.name ?? null;
      const input = inputName === null ? null : { name: inputName };
      const shown = shownPlaces({ definition, values, folder, input, outputName });
      return {
        ...buildCommand(
          definition,
          document,
          withMain(definition, shown.values),
          given.defaultTimeout,
          declared.texts,
        ),
        ...(inputs === null ? {} : { inputs: inputs.stored }),
        executor: document.executor ?? definition.executor,
        ...place?.shown,
        files: {
          // Declared files have places of their own, which argv shows.
          input: definition.inputs !== null && definition.mainInput === null ? null : shown.input,
          output: shown.output,
          output_name: outputName,
        },
        priority: document.priority ?? definition.priority,
        limits: shownLimits(definition),
      };
    },
  };
}

/** A run's JSON, checked as far as possible without its definition. */
export function checkedRequest(value: unknown): RunDocument {
  const problems = validator('run-request')(value);
  if (problems.length > 0) throw invalid('invalid-body', problems);
  const document = value as RunDocument;
  const { input, output } = document;
  if (input?.text !== undefined && input.url !== undefined) {
    throw invalid('invalid-body', [{ pointer: '/input', detail: 'it must have a text or a url, not both' }]);
  }
  if (input !== undefined && input.text === undefined && input.url === undefined) {
    throw invalid('invalid-body', [{ pointer: '/input', detail: 'it must have a text or a url' }]);
  }
  if (input?.name !== undefined) checkedFileName(input.name, '/input/name');
  if (output?.name !== undefined) checkedFileName(output.name, '/output/name');
  return document;
}

/** The names of variables without their values, which may be secrets. */
export const namesOnly = (environment: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.keys(environment).map((name) => [name, '']));

function shownLimits({ limits, service }: ProcessDefinition): Shown {
  return {
    output_size: limits.outputSize,
    log_size: service?.logSize ?? limits.logSize,
    memory: limits.memory,
    cpu_time: limits.cpuTime,
    cpus: limits.cpus,
    processes: limits.processes,
  };
}

export type RunService = ReturnType<typeof runService>;
