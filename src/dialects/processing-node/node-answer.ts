import { createReadStream } from 'node:fs';
import path from 'node:path';
import { pythonList } from '../../domain/external-jobs/python-text.js';
import type { Job } from '../../domain/jobs/job.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import { returnCode } from './node-jobs.js';

/** A JSON value as text. A large one comes in pieces, which are read only when they are sent. */
export type Piece = string | AsyncIterable<string>;

/** The result of a command. `job` is the job that it ran, if any. */
export interface NodeAnswer {
  result: Piece;
  message: Piece;
  job?: string;
}

export const answer = (result: unknown, message: unknown = ''): NodeAnswer => ({
  result: JSON.stringify(result),
  message: JSON.stringify(message),
});

/** Reads a file as a JSON value. */
export type FileValue = (file: string, how: 'exact' | 'replace') => AsyncIterable<string>;

export async function* rawFile(file: string): AsyncGenerator<string> {
  for await (const piece of createReadStream(file, { encoding: 'utf8' })) yield piece as string;
}

/**
 * The answer for a job that has ended: its output if it succeeded, else its return code; and its status object. For a run
 * that never began or whose output is missing, the answer is -1 and the reason.
 *
 * @param command the program and its arguments, as shown in the status object
 * @param output the answer for a success; without it, the return code
 */
export function jobAnswer(
  given: { files: JobFiles; fileValue: FileValue },
  job: Job,
  command: readonly string[],
  output?: Piece,
): NodeAnswer {
  const { outcome } = job;
  if (outcome === null || outcome.cause === 'platform' || outcome.cause === 'lost') {
    const reason = outcome?.reason ?? 'It is unknown how the program ended.';
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
    // The return code alone does not say why a program was ended.
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
