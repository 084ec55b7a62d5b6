import { stat } from 'node:fs/promises';
import type { Request, Response } from 'express';
import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { PenstockError } from '../../lib/errors.js';
import { sharedReading } from '../../lib/shared-reading.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import { jobFile, oldLog } from '../../usecases/jobs/job-files.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import { queryValue } from '../answers/answer.js';
import { lastEventText, loginKeeper, sendLog } from '../answers/server-sent-events.js';
import type { Door } from '../door.js';

/** Milliseconds between checks of a log. */
const look = 100;

const sizes = sharedReading<number>(look / 2);
/** A log's size in bytes, looked up once for all its followers. 0 if the log does not exist yet. */
const sizeOf = (file: string) =>
  sizes(file, () =>
    stat(file).then(
      ({ size }) => size,
      () => 0,
    ),
  );

/**
 * Sends a log as it grows, and an `end` event once the job has ended and all of it was sent. Each attempt has its own
 * log; they follow each other. An event's id is the offset after it, and from the second attempt on `ATTEMPT.OFFSET`.
 *
 * @param asked which log, the attempt to begin with (null for the latest), and whether to send exact bytes
 */
export async function followLog(
  { authenticate, jobs, files, followers }: Door & { jobs: JobService; files: JobFiles },
  request: Request,
  response: Response,
  given: Job,
  asked: { stream: 'stdout' | 'stderr'; attempt: number | null; exact: boolean },
): Promise<void> {
  const { stream } = asked;
  if (asked.attempt === null) jobFile(files, given, stream);
  else oldLog(files, given, stream, asked.attempt);
  const latest = (job: Job) => Math.max(job.attempt, 1);
  let place = placeOf(request) ?? { attempt: asked.attempt ?? latest(given), offset: 0 };
  if (place.attempt > latest(given)) place = { attempt: latest(given), offset: 0 };
  const sent = followers.open(request, response);
  const stillIn = loginKeeper(authenticate, request, response);
  let job = given;
  while (!sent.signal.aborted && (await stillIn())) {
    // Check for the end first and read the log after that, so that everything written before the end is sent.
    if (isUnfinished(job.state)) job = await jobs.waitForEnd(job, look, sent.signal);
    const ended = !isUnfinished(job.state);
    while (!sent.signal.aborted) {
      const { attempt, offset } = place;
      // An attempt with a successor writes no more.
      const over = attempt < latest(job);
      const { file } = jobFile(files, job, stream, attempt);
      const whole = ended || over;
      if (whole || (await sizeOf(file)) !== offset) {
        place.offset = await sendLog(sent, file, offset, {
          whole,
          exact: asked.exact,
          idOf: (reached) => idOf(attempt, reached),
        });
      }
      if (!over) break;
      place = { attempt: attempt + 1, offset: 0 };
    }
    if (!ended) continue;
    await sent.send({
      name: 'end',
      id: idOf(place.attempt, place.offset),
      data: JSON.stringify({ state: job.state, outcome: job.outcome }),
    });
    break;
  }
  sent.end();
}

const idOf = (attempt: number, offset: number) => (attempt === 1 ? offset : `${attempt}.${offset}`);

/** Whether the client wants the exact bytes of a log, as JSON. */
export function exactOf(request: Request): boolean {
  const text = queryValue(request, 'as');
  if (text === undefined || text === 'json') return text !== undefined;
  throw new PenstockError('bad-query', `as: '${text.slice(0, 40)}' must be 'json'.`, {
    problems: [{ pointer: '?as', detail: "it must be 'json'" }],
  });
}

/** Where a client wants to resume. Null if it starts from the beginning. */
function placeOf(request: Request): { attempt: number; offset: number } | null {
  const text = lastEventText(request, /^(?:[1-9]\d{0,8}\.)?\d{1,15}$/);
  if (text === null) return null;
  const [offset, attempt = '1'] = text.split('.').reverse();
  return { attempt: Number(attempt), offset: Number(offset) };
}
