import type { Request, Response } from 'express';
import { type RequestHandler, Router } from 'express';
import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { stringifyWritten } from '../../domain/json/written-json.js';
import { isSettled } from '../../domain/services/service.js';
import { PenstockError, shuttingDown } from '../../lib/errors.js';
import { pacer } from '../../lib/pace.js';
import { sharedReading, textOnce } from '../../lib/shared-reading.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Actor } from '../../usecases/actor.js';
import { jobFile, namedOutput, oldLog, streams } from '../../usecases/jobs/job-files.js';
import { showEvent } from '../../usecases/jobs/job-view.js';
import { historyPage, type JobService } from '../../usecases/jobs/jobs.js';
import type { PipelineRunService } from '../../usecases/pipelines/pipeline-runs.js';
import type { Shown } from '../../usecases/resource.js';
import type { ControlService } from '../../usecases/services/service-control.js';
import { actorOf, queryValue, sendJson, sendJsonText } from '../answers/answer.js';
import { formatJson } from '../answers/format-json.js';
import { askedPart } from '../answers/log-part.js';
import { sendBytes } from '../answers/send-bytes.js';
import { sendLogFile } from '../answers/send-log.js';
import { doorbell, followOf, lastEventId, loginKeeper } from '../answers/server-sent-events.js';
import { hasBody, readJson } from '../bodies/body.js';
import type { Door } from '../door.js';
import { wholeMeta } from '../page-links.js';
import { checkMethod } from '../resource.js';
import { exactOf, followLog } from './follow-log.js';

interface JobRouteOptions extends Door {
  jobs: JobService;
  files: JobFiles;
  show: (job: Job) => Promise<Shown>;
  cancel: (actor: Actor, job: Job) => Promise<Shown>;
  control: ControlService;
  pipelineRuns: Pick<PipelineRunService, 'resume'>;
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

const notBoth = new PenstockError(
  'bad-query',
  'as=json is for follow=1, and offset and length are for a log that is not followed; a stream goes on by last_event_id.',
);

/** Aborted when the client has gone before its answer. */
export function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController();
  response.on('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
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
      const part = askedPart(request);
      const exact = exactOf(request);
      if (followOf(request)) {
        if (part !== null) throw notBoth;
        await followLog(options, request, response, job, { stream, attempt, exact });
        return;
      }
      if (exact) throw notBoth;
      const log = attempt === null ? jobFile(files, job, stream) : oldLog(files, job, stream, attempt);
      await sendLogFile(request, response, log, Math.max(attempt ?? job.attempt, 1), part);
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
    const events = await wholeHistory(jobs, actorOf(response), job.uuid);
    const meta = formatJson(wholeMeta(events.length));
    sendJsonText(response, 200, `{"meta": ${meta}, "objects": [${events.join(', ')}]}`);
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

/** The events of a job as JSON texts, in pieces that let others have their turn. */
async function wholeHistory(jobs: JobService, actor: Actor, uuid: string): Promise<string[]> {
  const texts: string[] = [];
  const pace = pacer();
  for (let after = 0; ; ) {
    const page = await jobs.historyPage(actor, uuid, after);
    for (const event of page) {
      texts.push(formatJson(showEvent(event)));
      after = event.id;
    }
    if (page.length < historyPage) return texts;
    await pace();
  }
}

/** One reading after each event, and one text of it, for all who follow one job. */
const readTogether = sharedReading<{ events: Awaited<ReturnType<JobService['historyPage']>>; job: Job }>();
const shownOnce = textOnce((event: Parameters<typeof showEvent>[0]) => stringifyWritten(showEvent(event)));

/** A job's history as it grows. It ends with the job's own end; what others add later is there to be read. */
async function followHistory(
  { authenticate, jobs, followers }: JobRouteOptions,
  request: Request,
  response: Response,
  { uuid }: Job,
): Promise<void> {
  let revision = lastEventId(request) ?? -1;
  let after = 0;
  const sent = followers.open(request, response);
  const stillIn = loginKeeper(authenticate, request, response);
  const actor = actorOf(response);
  const bell = doorbell(sent.signal);
  const unlisten = jobs.listen(uuid, bell.ring);
  try {
    while (!sent.signal.aborted && (await stillIn())) {
      bell.reset();
      const { events, job } = await readTogether(
        `${jobs.announced()} ${actor.id} ${uuid} ${after}`,
        async () => ({
          events: await jobs.historyPage(actor, uuid, after),
          // After its events: one that ended meanwhile has one more, which is read first.
          job: await jobs.get(actor, uuid),
        }),
      );
      for (const event of events) {
        after = event.id;
        if (event.revision <= revision) continue;
        revision = event.revision;
        await sent.send({ name: 'event', id: revision, data: shownOnce(event) });
      }
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
