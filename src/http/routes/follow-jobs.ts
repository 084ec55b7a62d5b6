import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import type { Request, Response } from 'express';
import { stringifyWritten } from '../../domain/json/written-json.js';
import { PenstockError } from '../../lib/errors.js';
import { textOnce } from '../../lib/shared-reading.js';
import type { StoredEvent } from '../../store/job-events.js';
import type { FollowJobsService } from '../../usecases/jobs/follow-jobs.js';
import { jobFields } from '../../usecases/jobs/job-fields.js';
import { definitionUri, jobUri, pipelineUri, showEvent } from '../../usecases/jobs/job-view.js';
import { actorOf } from '../answers/answer.js';
import { doorbell, followOf, lastEventId, loginKeeper, resuming } from '../answers/server-sent-events.js';
import type { Door } from '../door.js';
import { sse } from '../openapi/openapi-parts.js';
import { listQuery } from '../parameters.js';
import type { Besides } from '../resource.js';

interface FollowJobsOptions extends Door {
  service: FollowJobsService;
}

/** Milliseconds before the next page is read, so that events that happen meanwhile are read together. */
const breath = 50;

/** `GET /api/job/?follow=1`: the events of all jobs, live. Other requests go on to the list. */
export const followJobs = (options: FollowJobsOptions): Besides => ({
  query: {
    follow: [
      { enum: ['0', '1'] },
      'Stream the events of all jobs that match the filters, as endless server-sent events. `state`, `last_event` and `updated` filter by the event, all other filters by its job. The data of an event are those of the history, with `job`, `job_uuid`, `owner`, `pipeline`, `process_definition` and `session`.',
    ],
    ...resuming().query,
  },
  headers: resuming().headers,
  content: sse,
  async handle(request, response, next) {
    if (followOf(request)) await follow(options, request, response);
    else next();
  },
});

/** Followers that read the same page share its objects. */
const shown = textOnce(({ event, job }: StoredEvent) =>
  stringifyWritten({
    ...showEvent(event),
    job: jobUri(job.uuid),
    job_uuid: job.uuid,
    pipeline: pipelineUri(job.pipelineId),
    session: job.session,
    process_definition: definitionUri(job.processDefinitionId),
    owner: job.owner,
  }),
);

/** Where to begin: after the id that the client sent, or else from now. */
async function startOf(request: Request, service: FollowJobsService): Promise<number> {
  const known = lastEventId(request);
  const last = await service.lastId();
  if (known !== null && known > last) {
    // This happens after a restore. Waiting for the number to come again would lose the events before it.
    throw new PenstockError(
      'bad-header',
      `Last-Event-ID: there is no event ${known}; the newest is ${last}. Leave the header out to begin from now.`,
    );
  }
  return known ?? last;
}

/** Reads events from the database, in the order of their ids. Notifications only say when to look. */
async function follow(options: FollowJobsOptions, request: Request, response: Response): Promise<void> {
  const { service } = options;
  const query = listQuery(request, jobFields, false, ['follow', 'last_event_id']);
  const actor = actorOf(response);
  let after = await startOf(request, service);

  const sent = options.followers.open(request, response);
  const bell = doorbell(sent.signal);
  const unlisten = service.listen(actor, query, bell.ring);
  const stillIn = loginKeeper(options.authenticate, request, response);
  try {
    // An id without an event, so that the client can resume even if it is cut off before the first event.
    sent.place(after);
    while (!sent.signal.aborted) {
      if (!(await stillIn())) break;
      bell.reset();
      const page = await service.page(actor, query, after);
      for (const event of page.events) {
        await sent.send({ name: 'event', id: event.id, data: shown(event) });
      }
      after = page.reached;
      if (page.more) {
        if (page.events.length === 0) sent.place(after);
        // Let others have a turn between the pages of a client that has much to catch up with.
        await turn();
        continue;
      }
      await pause(breath);
      await bell.rung();
    }
  } catch (error) {
    // If the client is gone or the server is stopping, there is nobody to answer.
    if (!sent.signal.aborted) throw error;
  } finally {
    unlisten();
    sent.end();
  }
}
