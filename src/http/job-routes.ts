import { closeSync, openSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Request, Response } from 'express';
import { type RequestHandler, Router } from 'express';
import type { Job } from '../domain/job.js';
import { isUnfinished } from '../domain/job-state.js';
import { isSettled } from '../domain/service.js';
import { stringifyWritten } from '../domain/written-json.js';
import { PenstockError } from '../errors.js';
import type { Actor } from '../services/actor.js';
import type { ControlService } from '../services/control.js';
import { type JobFile, jobFile, namedOutput, oldLog, streams } from '../services/job-files.js';
import { showEvent } from '../services/job-view.js';
import type { JobService } from '../services/jobs.js';
import type { PipelineRunService } from '../services/pipeline-runs.js';
import type { Shown } from '../services/resource.js';
import { fileSize, type JobFiles } from '../store/files.js';
import { actorOf, queryValue, sendJson } from './answer.js';
import { hasBody, readJson, shuttingDown } from './body.js';
import { doorbell, eventStream, followOf, lastEventId, loginKeeper } from './events.js';
import { followLog } from './follow-log.js';
import { checkMethod } from './resource.js';

export interface JobRouteOptions {
  authenticate: RequestHandler;
  jobs: JobService;
  files: JobFiles;
  show: (job: Job) => Promise<Shown>;
  cancel: (actor: Actor, job: Job) => Promise<Shown>;
  control: ControlService;
  pipelineRuns: Pick<PipelineRunService, 'resume'>;
  maxWait: number;
  maxBodySize: number;
  accepting: () => boolean;
  /** Aborted when the server stops. */
  stopping: AbortSignal;
}

/** How long a request wants to wait, in milliseconds: `?wait=SECONDS`, or `Prefer: wait=SECONDS`; null if not at all. */
export function waitOf(request: Request, longest: number): number | null {
  const text = queryValue(request, 'wait') ?? /\bwait=(\d+)/.exec(request.get('prefer') ?? '')?.[1];
  if (text === undefined) return null;
  const seconds = Number(text);
  if (text.trim() === '' || !Number.isFinite(seconds) || seconds < 0) {
    throw new PenstockError('bad-query', `wait: '${text}' is not a number of seconds, 0 or more.`, {
      problems: [{ pointer: '?wait', detail: 'a number of seconds, 0 or more' }],
    });
  }
  return Math.min(seconds * 1000, longest);
}

/** What a request waits for: a job's end, or with `?until=ready` also that a service does its work. */
function untilOf(request: Request): (job: Job) => boolean {
  const text = queryValue(request, 'until');
  if (text === 'ready') return isSettled;
  if (text === undefined || text === 'end') return (job) => !isUnfinished(job.state);
  throw new PenstockError('bad-query', `until: '${text}' is neither 'end' nor 'ready'.`, {
    problems: [{ pointer: '?until', detail: "it is 'end' or 'ready'" }],
  });
}

/** Which attempt's log is asked for; null for the latest. */
function attemptOf(request: Request): number | null {
  const text = queryValue(request, 'attempt');
  if (text === undefined) return null;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new PenstockError('bad-query', `attempt: '${text}' is not the number of an attempt, from 1 up.`, {
    problems: [{ pointer: '?attempt', detail: 'a whole number from 1 up' }],
  });
}

/** Aborted when the client has gone before its answer. */
export function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController();
  response.on('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}

const smallFile = 64 * 1024;

function readPart(file: string, start: number, length: number): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, length, start));
  } finally {
    closeSync(descriptor);
  }
}

/** Requests with one of these want more than just all of the bytes. */
const conditional = [
  'range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
];

/**
 * Closes the connection where a file turns out to be shorter than its answer has said: a program or a cap on its log cut
 * it meanwhile. What comes next on the connection would else be read as the rest of it.
 */
function closeIfShort(response: Response): void {
  response.once('pipe', (file: Readable) => {
    let sent = 0;
    file.on('data', (piece: Buffer) => {
      sent += piece.length;
    });
    // Before the response learns of the end, and is whole for it.
    file.prependListener('end', () => {
      if (sent < Number(response.getHeader('Content-Length'))) response.destroy();
    });
  });
}

/** Sends a job's bytes: `Range`, conditional requests, type by name. */
export async function sendBytes(response: Response, { file, name, start }: JobFile): Promise<void> {
  const whole = fileSize(file);
  const size = whole === null ? null : Math.max(0, whole - start);
  const suffix = /^bytes=-(\d+)$/.exec(response.req.headers.range ?? '')?.[1];
  // The last n bytes of fewer than n are all of them (RFC 9110, 14.1.2); the library calls that unsatisfiable.
  if (suffix !== undefined && size !== null && size > 0 && Number(suffix) > size) {
    response.req.headers.range = 'bytes=0-';
  }
  if (size === null) {
    // A stream that nothing was written to has no file before the program starts.
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': '0' }).end();
    return;
  }
  response.attachment(name);
  // A name without a known extension says nothing of the bytes.
  if (!/\.[^.]+$/.test(name) || response.get('Content-Type') === undefined)
    response.type('application/octet-stream');
  const asked = conditional.some((header) => response.req.headers[header] !== undefined);
  if (size <= smallFile && !asked) {
    // Small ones are in memory anyway: one answer, without the way through streams.
    const bytes = readPart(file, start, size);
    response.writeHead(200, { 'Content-Length': bytes.length, 'Accept-Ranges': 'bytes' });
    response.end(response.req.method === 'HEAD' ? undefined : bytes);
    return;
  }
  closeIfShort(response);
  await new Promise<void>((resolve, reject) => {
    response.sendFile(file, { dotfiles: 'allow', cacheControl: false, start }, (error?: Error) => {
      if (error === undefined || error === null) resolve();
      else if (response.headersSent || response.req.destroyed) {
        // The client went away in the middle, or the file cannot be read to its end: nothing more can be told.
        response.destroy();
        resolve();
      } else reject(error);
    });
  });
}

/** What a job has beyond what every resource has: its bytes, its history, waiting, cancelling. */
export function jobRouter(options: JobRouteOptions): Router {
  const { jobs, files } = options;
  const router = Router();
  const find = (request: Request, response: Response) =>
    jobs.get(actorOf(response), String(request.params.uuid));

  // Not `get`: with it the router would answer OPTIONS in its own words.
  const waits: RequestHandler = (request, _response, next) =>
    next(
      ['GET', 'HEAD'].includes(request.method) &&
        (request.query.wait !== undefined || request.query.until !== undefined)
        ? undefined
        : 'route',
    );
  router.all('/:uuid', waits, checkMethod(['GET']), options.authenticate, async (request, response) => {
    const until = untilOf(request);
    const wait = waitOf(request, options.maxWait);
    if (wait === null) {
      const detail = 'until is about what to wait for; add wait=SECONDS.';
      throw new PenstockError('bad-query', detail, { problems: [{ pointer: '?until', detail }] });
    }
    const job = await jobs.waitUntil(await find(request, response), until, wait, goneSignal(response));
    sendJson(response, 200, await options.show(job));
  });

  for (const stream of streams) {
    router.all(`/:uuid/${stream}`, checkMethod(['GET']), options.authenticate, async (request, response) => {
      const job = await find(request, response);
      if (stream === 'input' || stream === 'output') {
        const named = stream === 'output' ? queryValue(request, 'name') : undefined;
        await sendBytes(
          response,
          named === undefined ? jobFile(files, job, stream) : namedOutput(files, job, named),
        );
        return;
      }
      const attempt = attemptOf(request);
      if (followOf(request)) {
        await followLog(options, request, response, job, { stream, attempt });
        return;
      }
      await sendBytes(
        response,
        attempt === null ? jobFile(files, job, stream) : oldLog(files, job, stream, attempt),
      );
    });
  }

  for (const what of ['stop', 'restart'] as const) {
    router.all(`/:uuid/${what}`, checkMethod(['POST']), options.authenticate, async (request, response) => {
      request.resume();
      const job = await find(request, response);
      sendJson(response, 200, await options.control(actorOf(response), job, what));
    });
  }

  router.all('/:uuid/history', checkMethod(['GET']), options.authenticate, async (request, response) => {
    const job = await find(request, response);
    if (followOf(request)) {
      await followHistory(options, request, response, job);
      return;
    }
    const events = (await jobs.history(actorOf(response), job.uuid)).map(showEvent);
    sendJson(response, 200, {
      meta: { limit: events.length, next: null, offset: 0, previous: null, total_count: events.length },
      objects: events,
    });
  });

  router.all('/:uuid/cancel', checkMethod(['POST']), options.authenticate, async (request, response) => {
    request.resume();
    sendJson(response, 200, await options.cancel(actorOf(response), await find(request, response)));
  });

  router.all('/:uuid/resume', checkMethod(['POST']), options.authenticate, async (request, response) => {
    const job = await find(request, response);
    const body = hasBody(request) ? await readJson(request, options.maxBodySize) : null;
    if (!options.accepting()) throw shuttingDown();
    const resumed = await options.pipelineRuns.resume(actorOf(response), job, body);
    sendJson(response, 202, await options.show(resumed));
  });

  return router;
}

/** A job's history as it grows. It ends with the job's own end; what others add later is there to be read. */
async function followHistory(
  { authenticate, jobs, stopping }: JobRouteOptions,
  request: Request,
  response: Response,
  { uuid }: Job,
): Promise<void> {
  let revision = lastEventId(request) ?? -1;
  let after = 0;
  const sent = eventStream(request, response, stopping);
  const stillIn = loginKeeper(authenticate, request, response);
  const actor = actorOf(response);
  const bell = doorbell(sent.signal);
  const unlisten = jobs.listen(uuid, bell.ring);
  try {
    while (!sent.signal.aborted && (await stillIn())) {
      bell.reset();
      for (const event of await jobs.history(actor, uuid, after)) {
        after = event.id;
        if (event.revision <= revision) continue;
        revision = event.revision;
        await sent.send({ name: 'event', id: revision, data: stringifyWritten(showEvent(event)) });
      }
      const job = await jobs.get(actor, uuid);
      if (job.revision > revision) continue;
      if (isUnfinished(job.state)) await bell.rung();
      else {
        await sent.send({ name: 'end', id: revision, data: JSON.stringify({ state: job.state }) });
        break;
      }
    }
  } finally {
    unlisten();
    sent.end();
  }
}
