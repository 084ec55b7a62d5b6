import path from 'node:path';
import { elsewhere, type Job } from '../domain/job.js';
import { isUnfinished } from '../domain/job-state.js';
import { PenstockError } from '../errors.js';
import { fileSize, type JobFiles } from '../store/files.js';

export const streams = ['input', 'output', 'stdout', 'stderr'] as const;
export type Stream = (typeof streams)[number];

function present(file: string, name: string): { file: string; name: string } {
  if (fileSize(file) !== null) return { file, name };
  throw new PenstockError('gone', `The file ${name} of this job was there and has been taken away.`);
}

/**
 * The file behind a job's bytes, and the name that a client should give it.
 * Throws `gone` when it was cleared away, `not-ready` when it may still come, `not-found` when it never will.
 */
export function jobFile(files: JobFiles, job: Job, stream: Stream): { file: string; name: string } {
  if (job.executor === elsewhere) {
    throw new PenstockError('not-found', 'This job runs elsewhere; it has no files here.');
  }
  if (job.cleared !== null) {
    throw new PenstockError(
      'gone',
      `The files of the job ${job.uuid} were cleared away at ${job.cleared.toISOString()}.`,
    );
  }
  switch (stream) {
    case 'input':
      if (job.inputName === null) throw new PenstockError('not-found', 'This job has no input.');
      return present(files.input(job.uuid), job.inputName);
    case 'output':
      if (job.outputPath !== null) {
        return present(path.join(files.folder(job.uuid), job.outputPath), job.outputName ?? 'output');
      }
      if (isUnfinished(job.state)) {
        throw new PenstockError(
          'not-ready',
          `The job is ${job.state}: its output is there when it has ended. Wait with ?wait=SECONDS on the job.`,
          {
            headers: { 'Retry-After': '1' },
          },
        );
      }
      throw new PenstockError('not-found', 'This job made no output.');
    case 'stdout':
    case 'stderr':
      // Before the first attempt there is nothing; the log of a job that waits is an empty one.
      return {
        file: path.join(files.attempt(job.uuid, Math.max(job.attempt, 1)), stream),
        name: `${stream}.txt`,
      };
  }
}
