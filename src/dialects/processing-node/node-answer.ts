import { createReadStream } from 'node:fs';
import path from 'node:path';
import { pythonList } from '../../domain/external-jobs/python-text.js';
import type { Job } from '../../domain/jobs/job.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import { returnCode } from './node-jobs.js';

/** A JSON value as text; what may be large comes in pieces, which are read only when they are sent. */
export type Piece = string | AsyncIterable<string>;

/** What a command came to. `job` is the one that it ran, if it did. */
export interface NodeAnswer {
  result: Piece;
  message: Piece;
  job?: string;
}

export const answer = (result: unknown, message: unknown = ''): NodeAnswer => ({
  result: JSON.stringify(result),
  message: JSON.stringify(message),
});

/** How a file is read as a JSON value. */
export type FileValue = (file: string, how: 'exact' | 'replace') => AsyncIterable<string>;

export async function* rawFile(file: string): AsyncGenerator<string> {
  for await (const piece of createReadStream(file, { encoding: 'utf8' })) yield piece as string;
}

/**
 * The answer that a job's end makes: its output if it has succeeded, else its return code; and its status object.
 * A run that never began, or whose output is not there, is told with -1 and the reason.
 *
 * @param command the program and its arguments, as they are told
 * @param output what a success is answered with; without it, its return code
 */
export function jobAnswer(
  given: { files: JobFiles; fileValue: FileValue },
  job: Job,
  command: readonly string[],
  output?: Piece,
): NodeAnswer {
  const { outcome } = job;
  if (outcome === null || outcome.cause === 'platform' || outcome.cause === 'lost') {
    const reason = outcome?.reason ?? 'How it ended is not known.';
    const began = outcome !== null && outcome.exit_code !== null;
    return { ...answer(-1, began ? reason : { returncode: -1, message: reason }), job: job.uuid };
  }
  const code = returnCode(job);
  const log = (name: string) =>
    given.fileValue(path.join(given.files.attempt(job.uuid, job.attempt), name), 'replace');
  async function* status(): AsyncGenerator<string> {
    yield `{"command": ${JSON.stringify(pythonList(command))}, "stdout": `;
    yield* log('stdout');
    yield ', "stderr": ';
    yield* log('stderr');
    yield `, "returncode": ${code}`;
    // Nobody could tell from a number why something ended that did not end by itself.
    if (outcome?.reason) yield `, "message": ${JSON.stringify(outcome.reason)}`;
    yield '}';
  }
  const succeeded = job.state === 'FINISHED';
  return {
    result: succeeded && output !== undefined ? output : String(code),
    message: status(),
    job: job.uuid,
  };
}
