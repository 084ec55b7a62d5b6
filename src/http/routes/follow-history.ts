import type { Request, Response } from 'express';
import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { stringifyWritten } from '../../domain/json/written-json.js';
import { sharedReading, textOnce } from '../../lib/shared-reading.js';
import { showEvent } from '../../usecases/jobs/job-view.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import { actorOf } from '../answers/answer.js';
import { doorbell, lastEventId, loginKeeper } from '../answers/server-sent-events.js';
import type { Door } from '../door.js';

/** One read and one text per event for all followers of a job. */
const readTogether = sharedReading<{ events: Awaited<ReturnType<JobService['historyPage']>>; job: Job }>();
const shownOnce = textOnce((event: Parameters<typeof showEvent>[0]) => stringifyWritten(showEvent(event)));

/** Sends a job's history as it grows, until the job ends. Events that others add later can be read without follow. */
export async function followHistory(
  { authenticate, jobs, followers }: Door & { jobs: JobService },
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
          // Read after the events: if the job ended in between, the next round reads its last event first.
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
