import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { type Request, type RequestHandler, type Response, Router } from 'express';
import { PenstockError } from '../errors.js';
import type { Actor } from '../services/actor.js';
import type { FollowJobsService } from '../services/follow-jobs.js';
import { definitionUri, jobFields, jobUri, pipelineUri, showEvent } from '../services/job-view.js';
import type { StoredEvent } from '../store/job-events.js';
import { actorOf } from './answer.js';
import { eventStream, followOf, lastEventId } from './events.js';
import { listQuery } from './resource.js';

export interface FollowJobsOptions {
  authenticate: RequestHandler;
  service: FollowJobsService;
  /** Aborted when the server stops. */
  stopping: AbortSignal;
}

/** After a page the next one is not read at once: what happens meanwhile is read together. */
const breath = 50;
/** A stream has no end, but a login may have one: nothing is sent on one that was not checked for so long. */
const loginCheck = 5000;
/** An idle stream looks after itself now and then, too. */
const idle = 60_000;

/** `GET /api/job/?follow=1`: the events of all jobs, live. What does not ask for that is left to the list. */
export function followJobsRouter(options: FollowJobsOptions): Router {
  const router = Router();
  const asked: RequestHandler = (request, _response, next) =>
    next(
      ['GET', 'HEAD'].includes(request.method) && request.query.follow !== undefined ? undefined : 'route',
    );
  router.all('/', asked, options.authenticate, async (request, response, next) => {
    if (followOf(request)) await follow(options, request, response);
    else next('route');
  });
  return router;
}

function shown({ event, job }: StoredEvent): string {
  return JSON.stringify({
    ...showEvent(event),
    job: jobUri(job.uuid),
    job_uuid: job.uuid,
    pipeline: pipelineUri(job.pipelineId),
    session: job.session,
    process_definition: definitionUri(job.processDefinitionId),
    owner: job.owner,
  });
}

/** Where to go on: after the id that the client names, or else from now. */
async function startOf(request: Request, service: FollowJobsService): Promise<number> {
  const known = lastEventId(request);
  const last = await service.lastId();
  if (known !== null && known > last) {
    // As after going back to a backup: to wait until the number comes again would lose what comes before.
    throw new PenstockError(
      'bad-header',
      `Last-Event-ID: ${known} is not the id of an event here; the newest is ${last}. Leave it out to begin from now.`,
    );
  }
  return known ?? last;
}

/** Events are pulled from the database, in the order of their ids; the news only say when to look. */
async function follow(options: FollowJobsOptions, request: Request, response: Response): Promise<void> {
  const { service } = options;
  const query = listQuery(request, jobFields, true);
  const actor = actorOf(response);
  let after = await startOf(request, service);

  const sent = eventStream(request, response, options.stopping);
  const bell = doorbell(sent.signal);
  const unlisten = service.listen(actor, query, bell.ring);
  let checked = performance.now();
  try {
    // The place alone: who is cut off before the first event knows where to go on, too.
    sent.place(after);
    while (!sent.signal.aborted) {
      if (performance.now() - checked > loginCheck) {
        if (!(await stillIs(options.authenticate, request, response, actor))) break;
        checked = performance.now();
      }
      bell.reset();
      const page = await service.page(actor, query, after);
      for (const event of page.events) {
        await sent.send({ name: 'event', id: event.id, data: shown(event) });
      }
      after = page.reached;
      if (page.more) {
        if (page.events.length === 0) sent.place(after);
        // Others get their turn between the pages of who has much to catch up with.
        await turn();
        continue;
      }
      await pause(breath);
      await bell.rung(idle);
    }
  } catch (error) {
    // With the client gone, or the server stopping, there is nobody to tell.
    if (!sent.signal.aborted) throw error;
  } finally {
    unlisten();
    sent.end();
  }
}

/** True if the request's login would still be let in, with the same rights. */
async function stillIs(
  authenticate: RequestHandler,
  request: Request,
  response: Response,
  actor: Actor,
): Promise<boolean> {
  const error = await new Promise<unknown>((resolve) => void authenticate(request, response, resolve));
  const now = actorOf(response);
  return error === undefined && now.id === actor.id && now.admin === actor.admin;
}

/** Something to wait for that may ring any number of times. */
function doorbell(signal: AbortSignal) {
  let rung = false;
  let wake = () => {};
  const ring = () => {
    rung = true;
    wake();
  };
  signal.addEventListener('abort', ring, { once: true });
  return {
    ring,
    reset(): void {
      rung = signal.aborted;
    },
    /** Returns when it has rung since the reset, or after so many milliseconds. */
    async rung(longest: number): Promise<void> {
      if (rung) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, longest);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      wake = () => {};
    },
  };
}
