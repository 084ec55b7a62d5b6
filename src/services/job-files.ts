import { existsSync } from 'node:fs';
import path from 'node:path';
import { elsewhere, type Job, pipelineExecutor } from '../domain/job.js';
import { isUnfinished } from '../domain/job-state.js';
import { PenstockError } from '../errors.js';
import { fileSize, type JobFiles } from '../store/files.js';

export const streams = ['input', 'output', 'stdout', 'stderr'] as const;
export type Stream = (typeof streams)[number];

/** A file of a job, and the name that a client should give it. */
export interface JobFile {
  file: string;
  name: string;
}

function present(file: string, name: string): { file: string; name: string } {
  if (fileSize(file) !== null) return { file, name };
  throw new PenstockError('gone', `The file ${name} of this job was there and has been taken away.`);
}

/**
 * The file behind a job's bytes, and the name that a client should give it.
 * A log is that of the latest attempt, or of the one that is asked for.
 * Throws `gone` when it was cleared away, `not-ready` when it may still come, `not-found` when it never will.
 */
export function jobFile(files: JobFiles, job: Job, stream: Stream, attempt = job.attempt): JobFile {
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
      if (job.executor === pipelineExecutor) {
        throw new PenstockError(
          'not-found',
          "A pipeline's job has no logs of its own; the jobs of its steps have.",
        );
      }
      // Before the first attempt there is nothing; the log of a job that waits is an empty one.
      return { file: files.log(job.uuid, Math.max(attempt, 1), stream), name: `${stream}.txt` };
  }
}

/** The log of an attempt that is asked for by its number. Throws `not-found` for one that was never made, `gone` later. */
export function oldLog(files: JobFiles, job: Job, stream: 'stdout' | 'stderr', attempt: number): JobFile {
  if (attempt > job.attempt) {
    throw new PenstockError('not-found', `The job ${job.uuid} has made ${job.attempt} attempts.`);
  }
  const found = jobFile(files, job, stream, attempt);
  if (existsSync(path.dirname(found.file))) return found;
  throw new PenstockError('gone', `The files of attempt ${attempt} were taken away; later ones are kept.`);
}
