import type { Request, Response } from 'express';
import { PenstockError } from '../../lib/errors.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import { type JobStream, jobFile, namedOutput, oldLog } from '../../usecases/jobs/job-files.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import { actorOf, queryValue } from '../answers/answer.js';
import { askedPart } from '../answers/log-part.js';
import { sendBytes } from '../answers/send-bytes.js';
import { sendLogFile } from '../answers/send-log.js';
import { followOf, resuming } from '../answers/server-sent-events.js';
import type { Door } from '../door.js';
import { answer, bytes, type Json, sse } from '../openapi/openapi-parts.js';
import type { Parameters } from '../parameters.js';
import type { Route, Routes } from '../route.js';
import { exactOf, followLog } from './follow-log.js';
import { jobKey } from './job-routes.js';

interface JobBytesOptions extends Door {
  jobs: JobService;
  files: JobFiles;
}

/** The attempt whose log is asked for. Null for the latest. */
function attemptOf(request: Request): number | null {
  const text = queryValue(request, 'attempt');
  if (text === undefined) return null;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new PenstockError('bad-query', `attempt: '${text}' is not a whole number, 1 or more.`, {
    problems: [{ pointer: '?attempt', detail: 'it must be a whole number, 1 or more' }],
  });
}

const notBoth = new PenstockError(
  'bad-query',
  'as=json needs follow=1. offset and length do not work with follow=1; to resume a stream, send last_event_id.',
);

export const range: Parameters = { Range: [{ type: 'string' }, 'Part of the bytes.'] };
const logResuming = resuming({ type: 'string', pattern: '^([1-9][0-9]{0,8}[.])?[0-9]{1,15}$' });
const logQuery: Parameters = {
  follow: [{ enum: ['0', '1'] }, 'Stream it as server-sent events that finish with an `end` event.'],
  attempt: [{ type: 'integer', minimum: 1 }, 'The attempt whose log to read; by default the latest.'],
  as: [
    { enum: ['json'] },
    'With `follow`: the data of each event is JSON, the exact text, or `{"base64": "…"}` if it is not UTF-8.',
  ],
  offset: [
    { type: 'integer' },
    'From where on, in bytes from the first that was ever written, whatever was cut away since; below 0 from the end. Whole lines are sent, and `Log-Start`, `Log-From`, `Log-To`, `Log-End` and `Log-Attempt` say where they stand.',
  ],
  length: [{ type: 'integer', minimum: 1 }, 'The greatest number of bytes to send.'],
  ...logResuming.query,
};

/** What a job has read and written: its input, its output, and its logs. */
export function jobBytesRoutes(options: JobBytesOptions): Routes {
  const { jobs, files } = options;
  const find = (request: Request, response: Response) =>
    jobs.get(actorOf(response), String(request.params.uuid));

  const route = (name: JobStream, own: Partial<Route> & Pick<Route, 'handle'>, live: Json = {}): Route => ({
    summary: `The bytes of a job's ${name}`,
    headers: range,
    answers: {
      200: { description: 'The bytes', content: { ...bytes, ...live } },
      206: { description: 'Part of them', content: bytes },
      304: answer('Unchanged'),
    },
    ...own,
  });

  const log = (stream: 'stdout' | 'stderr') =>
    route(
      stream,
      {
        query: logQuery,
        headers: { ...range, ...logResuming.headers },
        errors: ['bad-header'],
        async handle(request, response) {
          const job = await find(request, response);
          const attempt = attemptOf(request);
          const part = askedPart(request);
          const exact = exactOf(request);
          if (followOf(request)) {
            if (part !== null) throw notBoth;
            await followLog(options, request, response, job, { stream, attempt, exact });
            return;
          }
          if (exact) throw notBoth;
          const file = attempt === null ? jobFile(files, job, stream) : oldLog(files, job, stream, attempt);
          await sendLogFile(request, response, file, Math.max(attempt ?? job.attempt, 1), part);
        },
      },
      sse,
    );

  return {
    name: 'job',
    login: options.authenticate,
    keys: jobKey,
    errors: ['not-found', 'precondition-failed', 'not-ready', 'gone', 'range-not-satisfiable'],
    routes: {
      'GET /{uuid}/input/': route('input', {
        async handle(request, response) {
          await sendBytes(response, jobFile(files, await find(request, response), 'input'));
        },
      }),
      'GET /{uuid}/output/': route('output', {
        query: {
          name: [
            { type: 'string' },
            'The name of another output: what the program wrote to `${output_file.NAME}`.',
          ],
        },
        async handle(request, response) {
          const job = await find(request, response);
          const name = queryValue(request, 'name');
          const file = name === undefined ? jobFile(files, job, 'output') : namedOutput(files, job, name);
          await sendBytes(response, file);
        },
      }),
      'GET /{uuid}/stdout/': log('stdout'),
      'GET /{uuid}/stderr/': log('stderr'),
    },
  };
}
