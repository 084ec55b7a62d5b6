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

/** Milliseconds between two looks at a log. */
const look = 100;

const sizes = sharedReading<number>(look / 2);
/** A log's size in bytes, looked up once for all who follow it; 0 if it is not made yet. */
const sizeOf = (file: string) =>
  sizes(file, () =>
    stat(file).then(
      ({ size }) => size,
      () => 0,
    ),
  );

/**
 * A log as it grows, ending with an `end` event once the job has ended and all of it was sent. Each attempt writes a
 * log of its own: one follows the other. An event's id is the offset after it; from the second attempt on the
 * attempt's number and a point stand before that.
 *
 * @param asked whose log, the attempt to begin with (null for the latest), and whether it is told to the letter
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
    // First whether it has ended, then the log: what was written before the end is sent before it.
    if (isUnfinished(job.state)) job = await jobs.waitForEnd(job, look, sent.signal);
    const ended = !isUnfinished(job.state);
    while (!sent.signal.aborted) {
      const { attempt, offset } = place;
      // An attempt that another one has followed has said all.
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

/** True if a log is to be told to the letter, as JSON. */
export function exactOf(request: Request): boolean {
  const text = queryValue(request, 'as');
  if (text === undefined || text === 'json') return text !== undefined;
  throw new PenstockError('bad-query', `as: '${text.slice(0, 40)}' is not 'json', which is all there is.`, {
    problems: [{ pointer: '?as', detail: "it is 'json'" }],
  });
}

/** Where a client broke off; null if it begins. */
function placeOf(request: Request): { attempt: number; offset: number } | null {
  const text = lastEventText(request, /^(?:[1-9]\d{0,8}\.)?\d{1,15}$/);
  if (text === null) return null;
  const [offset, attempt = '1'] = text.split('.').reverse();
  return { attempt: Number(attempt), offset: Number(offset) };
}
