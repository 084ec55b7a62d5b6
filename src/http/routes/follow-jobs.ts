import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import type { Request, Response } from 'express';
import { stringifyWritten } from '../../domain/json/written-json.js';
import { PenstockError } from '../../lib/errors.js';
import { textOnce } from '../../lib/shared-reading.js';
import type { StoredEvent } from '../../store/job-events.js';
import type { FollowJobsService } from '../../usecases/jobs/follow-jobs.js';
import { definitionUri, jobFields, jobUri, pipelineUri, showEvent } from '../../usecases/jobs/job-view.js';
import { actorOf } from '../answers/answer.js';
import { doorbell, followOf, lastEventId, loginKeeper, resuming } from '../answers/server-sent-events.js';
import type { Door } from '../door.js';
import { sse } from '../openapi/openapi-parts.js';
import { listQuery } from '../parameters.js';
import type { Besides } from '../resource.js';

interface FollowJobsOptions extends Door {
  service: FollowJobsService;
}

/** After a page the next one is not read at once: what happens meanwhile is read together. */
const breath = 50;

/** `GET /api/job/?follow=1`: the events of all jobs, live. What does not ask for that is left to the list. */
export const followJobs = (options: FollowJobsOptions): Besides => ({
  query: {
    follow: [
      { enum: ['0', '1'] },
      "Live: the events of all jobs that pass the filters, as server-sent events without an end. `state`, `last_event` and `updated` speak of the event, other filters of its job. An event's data are those of the history, with `job`, `job_uuid`, `owner`, `pipeline`, `process_definition` and `session`.",
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

/** Those who read the same page get the same objects. */
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
  const query = listQuery(request, jobFields, false, ['follow', 'last_event_id']);
  const actor = actorOf(response);
  let after = await startOf(request, service);

  const sent = options.followers.open(request, response);
  const bell = doorbell(sent.signal);
  const unlisten = service.listen(actor, query, bell.ring);
  const stillIn = loginKeeper(options.authenticate, request, response);
  try {
    // The place alone: who is cut off before the first event knows where to go on, too.
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
        // Others get their turn between the pages of who has much to catch up with.
        await turn();
        continue;
      }
      await pause(breath);
      await bell.rung();
    }
  } catch (error) {
    // With the client gone, or the server stopping, there is nobody to tell.
    if (!sent.signal.aborted) throw error;
  } finally {
    unlisten();
    sent.end();
  }
}
