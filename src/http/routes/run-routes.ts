import type { Response } from 'express';
import type { Job } from '../../domain/jobs/job.js';
import { isSettled } from '../../domain/services/service.js';
import { type ErrorCode, PenstockError, shuttingDown } from '../../lib/errors.js';
import type { RunDocument } from '../../lib/generated/run-request.js';
import type { ValueSchema } from '../../lib/value-schema.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Actor } from '../../usecases/actor.js';
import { definitionForm } from '../../usecases/definitions/definition-form.js';
import type { DefinitionService, FoundDefinition } from '../../usecases/definitions/process-definitions.js';
import { jobFile, outputFiles } from '../../usecases/jobs/job-files.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import type { Shown } from '../../usecases/resource.js';
import type { TakenInputs } from '../../usecases/runs/intake.js';
import type { Received } from '../../usecases/runs/receive.js';
import type { RunService } from '../../usecases/runs/runs.js';
import type { Submitted } from '../../usecases/runs/submitted.js';
import { actorOf, goneSignal, originOf, sendJson, sendOf } from '../answers/answer.js';
import { sendBytes } from '../answers/send-bytes.js';
import { type RunBodyOptions, readRunBody } from '../bodies/run-body.js';
import type { Door } from '../door.js';
import { problemBody } from '../error-handler.js';
import { answer, bytes, jsonContent, object, ref } from '../openapi/openapi-parts.js';
import { wholeMeta } from '../page-links.js';
import type { Parameters } from '../parameters.js';
import type { Route, Routes } from '../route.js';
import { formRoute } from './form-route.js';
import { idempotencyKey, inputValues, runQuery } from './run-query.js';

/** Something that can be run with an input: a process definition or a pipeline. */
interface Runnable<Found> {
  /** Throws `not-found` if it does not exist or belongs to somebody else. */
  find(actor: Actor, id: string): Promise<Found>;
  /** Refuses a run that would fail anyway, before its body is read. `raw`: the answer should be the output. */
  check(actor: Actor, found: Found, raw: boolean): void;
  /** The file name that the program requires for its input, if any. */
  inputName(found: Found): string | undefined;
  /** The inputs that a run may have. */
  takenInputs(found: Found): TakenInputs;
  checkedDocument(found: Found, value: unknown): RunDocument;
  submit(
    actor: Actor,
    found: Found,
    received: Received,
    document: RunDocument,
    key: string | null,
  ): Promise<Submitted>;
  dryRun(actor: Actor, found: Found, document: RunDocument, received: Received): Shown | Promise<Shown>;
}

interface RunDoorOptions extends Door, RunBodyOptions {
  jobs: JobService;
  files: JobFiles;
  show: (job: Job) => Promise<Shown>;
}

interface RunRouteOptions extends RunDoorOptions {
  definitions: DefinitionService;
  runs: RunService;
}

export const definitionKey: Parameters = { id: [{ type: 'integer' }, 'Which definition.'] };

/**
 * Runs anything that can be run.
 *
 * @param refusal how one may be refused that the others are not
 */
function runRoute<Found>(runnable: Runnable<Found>, refusal: ErrorCode, options: RunDoorOptions): Route {
  const { jobs, files, receiver } = options;
  return {
    tags: ['job'],
    summary: 'Run it',
    description:
      'The body is the input file, whatever its content type, except for JSON and multipart. A part of a form is an input by its name (`input_file` if the definition declares none), or `job`, which is JSON.',
    query: {
      wait: [
        { type: 'number', minimum: 0 },
        'Seconds to wait for the end of the job, or until a service is ready.',
      ],
      output: [{ enum: ['raw'] }, 'With `wait`: `raw` sends the output as the body of the answer.'],
      output_name: [{ type: 'string' }, 'File name for the output.'],
      input_name: [{ type: 'string' }, 'File name for the input.'],
      'inputs.NAME': [
        { type: 'string' },
        'The value of the declared input NAME, as text; several times for an array.',
      ],
      dry_run: [{ enum: ['0', '1'] }, 'Only show what would run.'],
    },
    headers: {
      'Idempotency-Key': [{ type: 'string', maxLength: 255 }, 'The same key and request give the same job.'],
      Prefer: [{ type: 'string' }, '`wait=SECONDS`'],
    },
    body: {
      content: {
        ...bytes,
        ...jsonContent(ref('RunRequest')),
        'multipart/form-data': {
          schema: {
            ...object({ input_file: { type: 'string', format: 'binary' }, job: ref('RunRequest') }),
            maxProperties: 2100,
          },
        },
      },
    },
    answers: {
      200: {
        description: 'The job, which has ended or is a service that is ready; with `output=raw`, its output',
        content: { ...jsonContent(ref('Job')), ...bytes },
      },
      202: answer('Accepted; the job has not ended yet', ref('Job')),
    },
    errors: [
      'invalid-body',
      'invalid-input',
      'bad-json',
      'bad-header',
      'invalid-input-url',
      'idempotency-conflict',
      'too-slow',
      'too-large',
      'job-failed',
      'queue-full',
      'input-source-failed',
      'shutting-down',
      refusal,
    ],
    async handle(request, response) {
      const actor = actorOf(response);
      const query = runQuery(request, options.maxWait);
      const key = idempotencyKey(request);
      const found = await runnable.find(actor, String(request.params.id));
      if (!options.accepting()) throw shuttingDown();
      runnable.check(actor, found, query.raw);
      const received = receiver.begin(jobs.newUuid());
      let submitted: Submitted;
      try {
        const document = await readRunBody(request, response, options, received, {
          name: query.inputName ?? runnable.inputName(found),
          output: query.outputName,
          digest: key !== null,
          taken: runnable.takenInputs(found),
          values: inputValues(request),
          find: async (uuid, name) => outputFiles(files, await jobs.get(actor, uuid), name),
          checked: (value) => runnable.checkedDocument(found, value),
        });
        if (query.dry) {
          await receiver.drop(received);
          sendJson(response, 200, await runnable.dryRun(actor, found, document, received));
          return;
        }
        submitted = await runnable.submit(actor, found, received, document, key);
      } catch (error) {
        await receiver.drop(received);
        throw error;
      }
      const headers: Record<string, string> = {
        Location: `${originOf(request)}/api/job/${submitted.job.uuid}/`,
        ...(submitted.token === null ? { 'Idempotent-Replayed': 'true' } : {}),
      };
      if (query.wait === null) {
        await sendRun(response, options, submitted, false, headers);
        return;
      }
      const job = await jobs.waitUntil(submitted.job, isSettled, query.wait, goneSignal(response));
      await sendRun(response, options, { ...submitted, job }, query.raw, headers);
    },
  };
}

/** Answers a run with its job or its output, ended or not. */
async function sendRun(
  response: Response,
  options: RunDoorOptions,
  { job, token }: Submitted,
  raw: boolean,
  headers: Record<string, string>,
): Promise<void> {
  const show = async () => ({ ...(await options.show(job)), ...(token === null ? {} : { token }) });
  if (!isSettled(job)) {
    sendJson(response, 202, await show(), headers);
  } else if (!raw) {
    sendJson(response, 200, await show(), headers);
  } else if (job.state === 'FAILED') {
    const { outcome } = job;
    const how =
      outcome === null
        ? 'unknown'
        : [outcome.cause, outcome.exit_code ?? outcome.signal].filter((part) => part !== null).join(' ');
    const detail = `The job failed (${how})${outcome?.reason ? `: ${outcome.reason}` : '.'}`;
    sendJson(response, 422, { ...problemBody('job-failed', detail), ...(await show()) }, headers);
  } else {
    const output = jobFile(options.files, job, 'output');
    for (const [header, value] of Object.entries(headers)) response.setHeader(header, value);
    response.setHeader('X-Job-UUID', job.uuid);
    await sendBytes(response, output);
  }
}

/** A pipeline's run. */
export const pipelineRunRoutes = <Found>(
  runnable: Runnable<Found> & { form(found: Found): ValueSchema },
  options: RunDoorOptions,
): Routes => ({
  name: 'pipeline',
  login: options.authenticate,
  keys: { id: [{ type: 'string' }, 'Which pipeline: its id or UUID.'] },
  errors: ['not-found'],
  routes: {
    'POST /{id}/run/': runRoute(runnable, 'conflict', options),
    'GET /{id}/form/': formRoute(async (actor, id) => runnable.form(await runnable.find(actor, id))),
  },
});

/** The routes that only definitions have: their runs and their revisions. */
export function definitionRunRoutes(options: RunRouteOptions): Routes {
  const { definitions, runs } = options;
  const runnable: Runnable<FoundDefinition> = {
    ...runs,
    find: (actor, id) => definitions.find(actor, id),
    check(actor, { row, definition }, raw) {
      if (definition.service === null) return runs.checkQueue(actor);
      if (!raw) return runs.checkServices(actor, row, definition.concurrency);
      const detail =
        'output=raw does not work with a service, because its output exists only after it has ended.';
      throw new PenstockError('bad-query', detail, { problems: [{ pointer: '?output', detail }] });
    },
    inputName({ definition: { input } }) {
      return input?.type === 'file' && input.via === 'path' ? input.fileName : undefined;
    },
    dryRun: (_actor, found, document, received) => runs.dryRun(found, document, received),
  };
  return {
    name: 'process_definition',
    login: options.authenticate,
    keys: definitionKey,
    errors: ['not-found'],
    routes: {
      'POST /{id}/run/': runRoute(runnable, 'services-full', options),
      'GET /{id}/form/': formRoute(async (actor, id) =>
        definitionForm((await definitions.find(actor, id)).definition),
      ),
      'GET /{id}/revisions/': {
        summary: 'List its revisions',
        answers: { 200: answer('Revisions, oldest first', { type: 'object' }) },
        handle: sendOf(async (actor, id) => {
          const objects = await definitions.revisions(actor, id);
          return { meta: wholeMeta(objects.length), objects };
        }),
      },
    },
  };
}
