import type { Request, Response } from 'express';
import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { isSettled } from '../../domain/services/service.js';
import { PenstockError, shuttingDown } from '../../lib/errors.js';
import { pacer } from '../../lib/pace.js';
import type { Actor } from '../../usecases/actor.js';
import { showEvent } from '../../usecases/jobs/job-view.js';
import { historyPage, type JobService } from '../../usecases/jobs/jobs.js';
import type { PipelineRunService } from '../../usecases/pipelines/pipeline-runs.js';
import type { Shown } from '../../usecases/resource.js';
import type { ControlService } from '../../usecases/services/service-control.js';
import { actorOf, goneSignal, queryValue, sendJson, sendJsonText } from '../answers/answer.js';
import { formatJson } from '../answers/format-json.js';
import { followOf, resuming } from '../answers/server-sent-events.js';
import { hasBody, readJson } from '../bodies/body.js';
import type { Door } from '../door.js';
import { answer, jsonContent, object, readingJson, ref, sse } from '../openapi/openapi-parts.js';
import { wholeMeta } from '../page-links.js';
import type { Parameters } from '../parameters.js';
import type { Besides } from '../resource.js';
import type { Route, Routes } from '../route.js';
import { followHistory } from './follow-history.js';

interface JobRouteOptions extends Door {
  jobs: JobService;
  show: (job: Job) => Promise<Shown>;
  cancel: (actor: Actor, job: Job) => Promise<Shown>;
  control: ControlService;
  pipelineRuns: Pick<PipelineRunService, 'resume'>;
}

export const jobKey: Parameters = { uuid: [{ type: 'string', format: 'uuid' }, 'Which job.'] };

/** How long a request wants to wait, in milliseconds: `?wait=SECONDS` or `Prefer: wait=SECONDS`. Null if it does not. */
export function waitOf(request: Request, longest: number): number | null {
  const text = queryValue(request, 'wait') ?? /\bwait=(\d+)/.exec(request.get('prefer') ?? '')?.[1];
  if (text === undefined) return null;
  const seconds = Number(text);
  if (text.trim() === '' || !Number.isFinite(seconds) || seconds < 0) {
    throw new PenstockError('bad-query', `wait: '${text}' is not a number of seconds, 0 or more.`, {
      problems: [{ pointer: '?wait', detail: 'it must be a number of seconds, 0 or more' }],
    });
  }
  return Math.min(seconds * 1000, longest);
}

/** What a request waits for: the end of a job, or with `?until=ready` also that a service is ready. */
function untilOf(request: Request): (job: Job) => boolean {
  const text = queryValue(request, 'until');
  if (text === 'ready') return isSettled;
  if (text === undefined || text === 'end') return (job) => !isUnfinished(job.state);
  throw new PenstockError('bad-query', `until: '${text}' must be 'end' or 'ready'.`, {
    problems: [{ pointer: '?until', detail: "it must be 'end' or 'ready'" }],
  });
}

/** `GET …/<uuid>/?wait=SECONDS`: the job once it has ended, or once a service does its work. */
export function waitForJob({
  jobs,
  show,
  maxWait,
}: Pick<JobRouteOptions, 'jobs' | 'show' | 'maxWait'>): Besides {
  return {
    query: {
      wait: [{ type: 'number', minimum: 0 }, 'Seconds to wait for the job to end.'],
      until: [{ enum: ['end', 'ready'] }, 'With `wait`: `ready` also returns once a service is ready.'],
    },
    async handle(request, response, next) {
      if (request.query.wait === undefined && request.query.until === undefined) return next();
      const until = untilOf(request);
      const wait = waitOf(request, maxWait);
      if (wait === null) {
        const detail = 'until only works together with wait. Add wait=SECONDS.';
        throw new PenstockError('bad-query', detail, { problems: [{ pointer: '?until', detail }] });
      }
      const job = await jobs.get(actorOf(response), String(request.params.uuid));
      sendJson(response, 200, await show(await jobs.waitUntil(job, until, wait, goneSignal(response))));
    },
  };
}

const receipt = { 200: answer('The processes that were signalled, and those that survived', ref('Receipt')) };

/** The routes that only jobs have, except for those of their files: their history, and what can be done to them. */
export function jobRoutes(options: JobRouteOptions): Routes {
  const { jobs } = options;
  const find = (request: Request, response: Response) =>
    jobs.get(actorOf(response), String(request.params.uuid));

  const control = (what: 'stop' | 'restart', summary: string): Route => ({
    summary,
    answers: receipt,
    errors: ['not-a-service', 'illegal-transition'],
    async handle(request, response) {
      request.resume();
      const job = await find(request, response);
      sendJson(response, 200, await options.control(actorOf(response), job, what));
    },
  });

  return {
    name: 'job',
    login: options.authenticate,
    keys: jobKey,
    errors: ['not-found'],
    routes: {
      'POST /{uuid}/stop/': control('stop', 'Stop a service, which then counts as finished'),
      'POST /{uuid}/restart/': control('restart', 'Restart the program of a service'),
      'GET /{uuid}/history/': {
        summary: 'List its events, oldest first',
        query: {
          follow: [{ enum: ['0', '1'] }, 'Stream it as server-sent events that finish with an `end` event.'],
          ...resuming().query,
        },
        headers: resuming().headers,
        answers: {
          200: { description: 'The events', content: { ...jsonContent({ type: 'object' }), ...sse } },
        },
        errors: ['bad-header'],
        async handle(request, response) {
          const job = await find(request, response);
          if (followOf(request)) {
            await followHistory(options, request, response, job);
            return;
          }
          const events = await wholeHistory(jobs, actorOf(response), job.uuid);
          const meta = formatJson(wholeMeta(events.length));
          sendJsonText(response, 200, `{"meta": ${meta}, "objects": [${events.join(', ')}]}`);
        },
      },
      'POST /{uuid}/cancel/': {
        summary: 'Cancel the job, with every process that it started',
        answers: receipt,
        errors: ['illegal-transition', 'job-hidden'],
        async handle(request, response) {
          request.resume();
          sendJson(response, 200, await options.cancel(actorOf(response), await find(request, response)));
        },
      },
      'POST /{uuid}/resume/': {
        tags: ['pipeline'],
        summary: 'Resume a failed pipeline where it failed',
        body: {
          content: jsonContent({
            ...object({
              from: { type: 'string', maxLength: 64, description: 'The step to begin with instead.' },
            }),
            additionalProperties: false,
          }),
        },
        answers: { 202: answer('Resumed', ref('Job')) },
        errors: [...readingJson, 'illegal-transition', 'conflict', 'queue-full', 'shutting-down'],
        async handle(request, response) {
          const job = await find(request, response);
          const body = hasBody(request) ? await readJson(request, options.maxBodySize) : null;
          if (!options.accepting()) throw shuttingDown();
          const resumed = await options.pipelineRuns.resume(actorOf(response), job, body);
          sendJson(response, 202, await options.show(resumed));
        },
      },
    },
  };
}

/** The events of a job as JSON texts, read in pages that let others have a turn. */
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
