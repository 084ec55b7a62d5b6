import { existsSync } from 'node:fs';
import path from 'node:path';
import { externalExecutor, type Job, pipelineExecutor } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { PenstockError } from '../../lib/errors.js';
import { nearest } from '../../lib/nearest.js';
import { fileSize, type JobFiles } from '../../store/folder/job-files.js';
import { logStart } from '../../store/folder/log-file.js';

export type JobStream = 'input' | 'output' | 'stdout' | 'stderr';

/** A file of a job, the name that a client should give it, and where its bytes begin, if a log was cut. */
export interface JobFile {
  file: string;
  name: string;
  start: number;
}

/** A file that is still there. Throws `gone` if it is not. */
export function present(file: string, name: string, start = 0): JobFile {
  if (fileSize(file) !== null) return { file, name, start };
  throw new PenstockError('gone', `The file ${name} of this job has been deleted.`);
}

/**
 * The file behind a job's bytes, and the name that a client should give it. A log is that of the latest attempt, unless
 * another is requested. Throws `gone` if it was cleared, `not-ready` if it may still come, `not-found` if it never
 * will.
 */
export function jobFile(files: JobFiles, job: Job, stream: JobStream, attempt = job.attempt): JobFile {
  if (job.executor === externalExecutor) {
    throw new PenstockError('not-found', 'This job runs elsewhere; it has no files here.');
  }
  if (job.cleared !== null) {
    throw new PenstockError(
      'gone',
      `The files of the job ${job.uuid} were cleared at ${job.cleared.toISOString()}.`,
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
          `The job is ${job.state}: its output will be there when it has ended. Wait for that with ?wait=SECONDS on the job.`,
          {
            headers: { 'Retry-After': '1' },
          },
        );
      }
      throw new PenstockError('not-found', 'This job produced no output.');
    case 'stdout':
    case 'stderr':
      if (job.executor === pipelineExecutor) {
        throw new PenstockError(
          'not-found',
          "A pipeline's job has no logs of its own; the jobs of its steps have.",
        );
      }
      // Before the first attempt there is no file; a waiting job has an empty log.
      return ofLog(job, files.log(job.uuid, Math.max(attempt, 1), stream), `${stream}.txt`);
  }
}

/** Only the logs of services are cut. */
const ofLog = ({ service }: Job, file: string, name: string): JobFile => ({
  file,
  name,
  start: service === null ? 0 : logStart(file),
});

/** True for a service whose output is a standard stream: that log may have been cut. */
const isLog = ({ service, outputPath }: Job): boolean =>
  service !== null && /^\d+\/(stdout|stderr)$/.test(outputPath ?? '');

/** The log of an attempt by its number. Throws `not-found` if there was no such attempt, `gone` if its files were deleted. */
export function oldLog(files: JobFiles, job: Job, stream: 'stdout' | 'stderr', attempt: number): JobFile {
  if (attempt > job.attempt) {
    throw new PenstockError('not-found', `The job ${job.uuid} has made ${job.attempt} attempts.`);
  }
  const found = jobFile(files, job, stream, attempt);
  if (existsSync(path.dirname(found.file))) return found;
  throw new PenstockError(
    'gone',
    `The files of attempt ${attempt} were deleted; those of later attempts are kept.`,
  );
}

/** Where the logs of a job's latest attempt begin and end; null if there are none here. */
export function logRanges(files: JobFiles, job: Job): Record<'stdout' | 'stderr', LogRange> | null {
  const noLogsHere = [externalExecutor, pipelineExecutor].includes(job.executor) || job.attempt === 0;
  if (noLogsHere || job.cleared !== null) return null;
  const place = (stream: 'stdout' | 'stderr'): LogRange => {
    const { file, start } = jobFile(files, job, stream);
    return { start, end: Math.max(start, fileSize(file) ?? 0) };
  };
  return { stdout: place('stdout'), stderr: place('stderr') };
}

/** In bytes from the first ever written, whatever has been cut away since. */
interface LogRange {
  start: number;
  end: number;
}

/**
 * The files of a declared output; without a name, the main output. Throws as `jobFile` does, and `not-found` if the job
 * made no such output. `identity` tells the bytes from all others.
 */
export function outputFiles(
  files: JobFiles,
  job: Job,
  name: string | undefined,
): { file: string; name: string; identity: string }[] {
  const identity = `${job.uuid}/${job.attempt}/${name ?? ''}`;
  if (name === undefined) {
    const { file, name: shown } = jobFile(files, job, 'output');
    return [{ file, name: shown, identity }];
  }
  // The errors for the main output hold for the others as well.
  if (job.cleared !== null || isUnfinished(job.state)) jobFile(files, job, 'output');
  if (job.outputs === null) {
    const { file, name: shown } = namedOutput(files, job, name);
    return [{ file, name: shown, identity }];
  }
  const made = job.outputs.files[name];
  if (made === undefined) throw noSuchOutput(job, name);
  return made.map((one) => {
    const file = path.join(files.folder(job.uuid), one.path);
    return { file: present(file, one.name).file, name: one.name, identity: `${identity}/${one.name}` };
  });
}

/** The error for an output that a job does not have. */
function noSuchOutput({ outputs }: Job, name: string): PenstockError {
  const names = Object.keys(outputs?.files ?? {});
  const near = nearest(name, names);
  const known = names.length === 0 ? 'It has none' : `It has ${names.slice(0, 20).join(', ')}`;
  const hint = near === undefined ? `${known}.` : `Did you mean '${near}'?`;
  return new PenstockError('not-found', `This job produced no output '${name.slice(0, 64)}'. ${hint}`);
}

/** The file of a named output: what the program wrote to `${output_file.NAME}`. */
export function namedOutput(files: JobFiles, job: Job, name: string): JobFile {
  // The errors for the main output hold for this one as well.
  if (job.outputs !== null) {
    const [one, ...more] = outputFiles(files, job, name);
    if (one !== undefined && more.length === 0) return { file: one.file, name: one.name, start: 0 };
    const detail = `The output '${name}' is several files: see /api/job/${job.uuid}/outputs/.`;
    throw new PenstockError('not-found', detail);
  }
  if (job.outputPath === null || job.cleared !== null) jobFile(files, job, 'output');
  const file = /^[A-Za-z0-9_-]{1,64}$/.test(name) ? files.namedOutput(job.uuid, job.attempt, name) : null;
  if (file !== null && fileSize(file) !== null) return { file, name, start: 0 };
  throw new PenstockError('not-found', `This job produced no output '${name}'.`);
}
