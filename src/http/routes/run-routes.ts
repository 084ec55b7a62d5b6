import { Readable } from 'node:stream';
import { type Request, type Response, Router } from 'express';
import type { Job } from '../../domain/jobs/job.js';
import { isSettled } from '../../domain/services/service.js';
import { PenstockError, shuttingDown } from '../../lib/errors.js';
import type { RunDocument } from '../../lib/generated/run-request.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Actor } from '../../usecases/actor.js';
import type { DefinitionService, FoundDefinition } from '../../usecases/definitions/process-definitions.js';
import { jobFile } from '../../usecases/jobs/job-files.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import type { Shown } from '../../usecases/resource.js';
import { fetchInput } from '../../usecases/runs/fetch-input.js';
import { checkedFileName, type Received, type Receiver } from '../../usecases/runs/receive.js';
import type { RunService } from '../../usecases/runs/runs.js';
import type { Submitted } from '../../usecases/runs/submitted.js';
import { actorOf, originOf, queryValue, sendJson } from '../answers/answer.js';
import { sendBytes } from '../answers/send-bytes.js';
import { beginning, bodyOf, hasBody, mediaType, readJson } from '../bodies/body.js';
import { readMultipart } from '../bodies/multipart.js';
import type { Door } from '../door.js';
import { problemBody } from '../error-handler.js';
import { wholeMeta } from '../page-links.js';
import { checkMethod } from '../resource.js';
import { goneSignal, waitOf } from './job-routes.js';

/** What can be run with an input: a process definition, or a pipeline. */
interface Runnable<Found> {
  /** Throws `not-found` for what is not there, or is somebody else's. */
  find(actor: Actor, id: string): Promise<Found>;
  /** Refuses early what would be refused anyway, before a body is read. `raw`: the output is to be the answer. */
  check(actor: Actor, found: Found, raw: boolean): void;
  /** The name that its input has to have for the program, if it insists on one. */
  inputName(found: Found): string | undefined;
  checkedDocument(found: Found, value: unknown): RunDocument;
  submit(
    actor: Actor,
    found: Found,
    received: Received,
    document: RunDocument,
    key: string | null,
  ): Promise<Submitted>;
  dryRun(actor: Actor, found: Found, document: RunDocument, inputName: string | null): Shown | Promise<Shown>;
}

interface RunDoorOptions extends Door {
  jobs: JobService;
  receiver: Receiver;
  files: JobFiles;
  show: (job: Job) => Promise<Shown>;
  /** How inputs are fetched from URLs; the time, in milliseconds, bounds the whole of it. */
  inputUrl: { privateAddresses: boolean; timeout: number };
}

interface RunRouteOptions extends RunDoorOptions {
  definitions: DefinitionService;
  runs: RunService;
}

/** What the query of a run says, or an error that names what it says wrongly. */
function runQuery(request: Request, longest: number) {
  const wait = waitOf(request, longest);
  const output = queryValue(request, 'output');
  if (output !== undefined && output !== 'raw') {
    throw new PenstockError('bad-query', `output: '${output}' is not 'raw', which is all there is.`);
  }
  if (output === 'raw' && wait === null) {
    throw new PenstockError(
      'bad-query',
      'output=raw needs wait=SECONDS: without waiting there is no output to answer with.',
    );
  }
  const dry = queryValue(request, 'dry_run');
  if (dry !== undefined && !['', '0', '1', 'true', 'false'].includes(dry)) {
    throw new PenstockError('bad-query', `dry_run: '${dry}' is neither 1 nor 0.`);
  }
  const outputName = queryValue(request, 'output_name');
  const inputName = queryValue(request, 'input_name');
  return {
    wait,
    raw: output === 'raw',
    dry: dry !== undefined && dry !== '0' && dry !== 'false',
    outputName: outputName === undefined ? undefined : checkedFileName(outputName, '?output_name'),
    inputName: inputName === undefined ? undefined : checkedFileName(inputName, '?input_name'),
  };
}

function idempotencyKey(request: Request): string | null {
  const key = request.get('idempotency-key');
  if (key === undefined) return null;
  if (!/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw new PenstockError('bad-header', 'Idempotency-Key: it must be 1 to 255 printable ASCII characters.');
  }
  return key;
}

/** `POST …/<id>/run/` for whatever can be run. */
export function runDoor<Found>(runnable: Runnable<Found>, options: RunDoorOptions): Router {
  const { jobs, receiver } = options;
  const router = Router();

  /** Reads the body in whichever form it comes; the input is on the disk when this returns. */
  async function receive(
    request: Request,
    response: Response,
    found: Found,
    received: Received,
    names: { input: string | undefined; output: string | undefined },
    digest: boolean,
  ): Promise<RunDocument> {
    const type = mediaType(request);
    const name = names.input ?? runnable.inputName(found);
    let document: RunDocument = {};
    if (type === 'multipart/form-data') {
      const parts = await readMultipart(request, receiver, received, {
        maxBodySize: options.maxBodySize,
        digest,
        name,
      });
      if (parts.job !== undefined) document = runnable.checkedDocument(found, parts.job);
      if (document.input !== undefined && received.input !== null) {
        throw new PenstockError('invalid-body', 'The input comes twice: as input_file and in the part job.');
      }
    } else if (type === 'application/json' && hasBody(request)) {
      document = runnable.checkedDocument(found, await readJson(request, options.maxBodySize));
    } else {
      if (Number(request.headers['content-length'] ?? 0) > receiver.limit) {
        throw new PenstockError(
          'too-large',
          `The input is larger than this server takes: ${receiver.limit} bytes (MAX_INPUT_SIZE).`,
        );
      }
      const body = await beginning(bodyOf(request));
      // No bytes are no input, unless something is said of them: then they are an empty file.
      if (body !== null || type !== '') {
        await receiver.store(received, name ?? 'input', body ?? Readable.from([]), { digest });
      }
    }
    const { input } = document;
    if (input?.text !== undefined) {
      await receiver.store(
        received,
        name ?? input.name ?? 'input',
        Readable.from([Buffer.from(input.text)]),
        { digest },
      );
    } else if (input?.url !== undefined) {
      const fetched = await fetchInput(input.url, {
        ...options.inputUrl,
        signal: goneSignal(response),
        limit: receiver.limit,
      });
      const chosen = name ?? input.name ?? fetched.name ?? 'input';
      await receiver.store(received, chosen, fetched.stream, { digest });
    }
    if (names.output !== undefined) {
      document = { ...document, output: { ...document.output, name: names.output } };
    }
    return document;
  }

  router.all('/:id/run', checkMethod(['POST']), options.authenticate, async (request, response) => {
    const actor = actorOf(response);
    const query = runQuery(request, options.maxWait);
    const key = idempotencyKey(request);
    const found = await runnable.find(actor, String(request.params.id));
    if (!options.accepting()) throw shuttingDown();
    runnable.check(actor, found, query.raw);
    const received = receiver.begin(jobs.newUuid());
    let submitted: Submitted;
    try {
      const names = { input: query.inputName, output: query.outputName };
      const document = await receive(request, response, found, received, names, key !== null);
      if (query.dry) {
        const inputName = received.input?.name ?? null;
        await receiver.drop(received);
        sendJson(response, 200, await runnable.dryRun(actor, found, document, inputName));
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
      await answer(response, submitted, false, headers);
      return;
    }
    const job = await jobs.waitUntil(submitted.job, isSettled, query.wait, goneSignal(response));
    await answer(response, { ...submitted, job }, query.raw, headers);
  });

  async function answer(
    response: Response,
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

  return router;
}

/** What a definition has beyond what every resource has. */
export function runRouter(options: RunRouteOptions): Router {
  const { definitions, runs } = options;
  const runnable: Runnable<FoundDefinition> = {
    ...runs,
    find: (actor, id) => definitions.find(actor, id),
    check(actor, { row, definition }, raw) {
      if (definition.service === null) return runs.checkQueue(actor);
      if (!raw) return runs.checkServices(actor, row, definition.concurrency);
      const detail =
        'output=raw is for what comes to an end: the output of a service is there when it has ended.';
      throw new PenstockError('bad-query', detail, { problems: [{ pointer: '?output', detail }] });
    },
    inputName({ definition: { input } }) {
      return input?.type === 'file' && input.via === 'path' ? input.fileName : undefined;
    },
    dryRun: (_actor, found, document, inputName) => runs.dryRun(found, document, inputName),
  };
  const router = runDoor(runnable, options);

  router.all('/:id/revisions', checkMethod(['GET']), options.authenticate, async (request, response) => {
    const revisions = await definitions.revisions(actorOf(response), String(request.params.id));
    sendJson(response, 200, { meta: wholeMeta(revisions.length), objects: revisions });
  });

  return router;
}
