import { existsSync } from 'node:fs';
import path from 'node:path';
import { externalExecutor, type Job, pipelineExecutor } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { PenstockError } from '../../lib/errors.js';
import { fileSize, type JobFiles } from '../../store/folder/job-files.js';
import { logStart } from '../../store/folder/log-file.js';

export type JobStream = 'input' | 'output' | 'stdout' | 'stderr';

/** A file of a job, the name that a client should give it, and where its bytes begin, if a log was cut. */
export interface JobFile {
  file: string;
  name: string;
  start: number;
}

function present(file: string, name: string, start = 0): JobFile {
  if (fileSize(file) !== null) return { file, name, start };
  throw new PenstockError('gone', `The file ${name} of this job was there and has been taken away.`);
}

/**
 * The file behind a job's bytes, and the name that a client should give it.
 * A log is that of the latest attempt, or of the one that is asked for.
 * Throws `gone` when it was cleared away, `not-ready` when it may still come, `not-found` when it never will.
 */
export function jobFile(files: JobFiles, job: Job, stream: JobStream, attempt = job.attempt): JobFile {
  if (job.executor === externalExecutor) {
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
        const file = path.join(files.folder(job.uuid), job.outputPath);
        return present(file, job.outputName ?? 'output', isLog(job) ? logStart(file) : 0);
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
      return ofLog(job, files.log(job.uuid, Math.max(attempt, 1), stream), `${stream}.txt`);
  }
}

/** Only the logs of services are cut. */
const ofLog = ({ service }: Job, file: string, name: string): JobFile => ({
  file,
  name,
  start: service === null ? 0 : logStart(file),
});

/** True if the output of a service is what it wrote to a stream, which may have been cut. */
const isLog = ({ service, outputPath }: Job): boolean =>
  service !== null && /^\d+\/(stdout|stderr)$/.test(outputPath ?? '');

/** The log of an attempt that is asked for by its number. Throws `not-found` for one that was never made, `gone` later. */
export function oldLog(files: JobFiles, job: Job, stream: 'stdout' | 'stderr', attempt: number): JobFile {
  if (attempt > job.attempt) {
    throw new PenstockError('not-found', `The job ${job.uuid} has made ${job.attempt} attempts.`);
  }
  const found = jobFile(files, job, stream, attempt);
  if (existsSync(path.dirname(found.file))) return found;
  throw new PenstockError('gone', `The files of attempt ${attempt} were taken away; later ones are kept.`);
}

/** Where the logs of a job's latest attempt begin and end; null where there are none here. */
export function logRanges(files: JobFiles, job: Job): Record<'stdout' | 'stderr', LogRange> | null {
  const noLogsHere = [externalExecutor, pipelineExecutor].includes(job.executor) || job.attempt === 0;
  if (noLogsHere || job.cleared !== null) return null;
  const place = (stream: 'stdout' | 'stderr'): LogRange => {
    const { file, start } = jobFile(files, job, stream);
    return { start, end: Math.max(start, fileSize(file) ?? 0) };
  };
  return { stdout: place('stdout'), stderr: place('stderr') };
}

/** In bytes from the first that was ever written, whatever was cut away since. */
interface LogRange {
  start: number;
  end: number;
}

/** The file behind an output beside the main one: what the program wrote to `${output_file.NAME}`. */
export function namedOutput(files: JobFiles, job: Job, name: string): JobFile {
  // Whatever holds for its other output holds for this one.
  if (job.outputPath === null || job.cleared !== null) jobFile(files, job, 'output');
  const file = /^[A-Za-z0-9_-]{1,64}$/.test(name) ? files.namedOutput(job.uuid, job.attempt, name) : null;
  if (file !== null && fileSize(file) !== null) return { file, name, start: 0 };
  throw new PenstockError('not-found', `This job made no output '${name}'.`);
}
