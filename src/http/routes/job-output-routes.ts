import type { Request, Response } from 'express';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { archiveName, archiveNames } from '../../domain/jobs/archive-names.js';
import type { Job } from '../../domain/jobs/job.js';
import { PenstockError } from '../../lib/errors.js';
import { pacer } from '../../lib/pace.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import { present } from '../../usecases/jobs/job-files.js';
import {
  isFile,
  type JobOutput,
  jobOutputs,
  type OutputFile,
  oneOutput,
} from '../../usecases/jobs/job-outputs.js';
import { jobUri } from '../../usecases/jobs/job-view.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import { sha256Of } from '../../usecases/jobs/output-digests.js';
import { actorOf, goneSignal, queryValue, sendJson, sendJsonText } from '../answers/answer.js';
import { formatJson } from '../answers/format-json.js';
import { type Archived, type ArchiveFormat, archiveFormats, sendArchive } from '../answers/send-archive.js';
import { sendBytes } from '../answers/send-bytes.js';
import type { Door } from '../door.js';
import { typeByName } from '../guards/untrusted.js';
import { answer, bytes, jsonContent } from '../openapi/openapi-parts.js';
import { wholeMeta } from '../page-links.js';
import type { Route, Routes } from '../route.js';
import { range } from './job-bytes-routes.js';
import { jobKey } from './job-routes.js';

interface JobOutputOptions extends Door {
  jobs: JobService;
  files: JobFiles;
  /** The definition by the id of its revision. */
  definitionOf: (revisionId: number) => Promise<ProcessDefinition>;
}

/** What a job has put out: all of it, one by one, or as an archive. */
export function jobOutputRoutes({ jobs, files, definitionOf, authenticate }: JobOutputOptions): Routes {
  async function find(request: Request, response: Response) {
    const job = await jobs.get(actorOf(response), String(request.params.uuid));
    const { definitionRevisionId: revision } = job;
    const definition = revision === null ? null : await definitionOf(revision);
    return { job, definition, outputs: jobOutputs(files, job, definition) };
  }

  const one = (id: string, summary: string): Route => ({
    id,
    summary,
    headers: range,
    answers: {
      200: { description: 'The bytes, or the value', content: { ...bytes, ...jsonContent({}) } },
      206: { description: 'Part of them', content: bytes },
      304: answer('Unchanged'),
    },
    errors: ['precondition-failed', 'range-not-satisfiable'],
    async handle(request, response) {
      const { job, outputs } = await find(request, response);
      const output = oneOutput(outputs, job.uuid, String(request.params.output), fileOf(request));
      if (isFile(output)) await sendBytes(response, output, { type: output.mediaType, etag: true });
      else sendJson(response, 200, output.value);
    },
  });

  return {
    name: 'job',
    login: authenticate,
    keys: {
      ...jobKey,
      output: [{ type: 'string' }, 'The name of the output.'],
      file: [{ type: 'string' }, 'The path of the file in the output, with its slashes.'],
    },
    errors: ['not-found', 'not-ready', 'gone'],
    routes: {
      'GET /{uuid}/outputs/': {
        summary: 'List its outputs, or get all their files as an archive',
        query: {
          archive: [{ enum: archiveFormats }, 'Send all files as an archive instead.'],
          sha256: [{ enum: ['0', '1'] }, 'Compute the SHA-256 of each file, up to 4 GiB in total.'],
        },
        answers: {
          200: {
            description: 'Files and values, or the archive',
            content: { ...jsonContent({ type: 'object' }), ...bytes },
          },
        },
        async handle(request, response) {
          const archive = choice(request, 'archive', archiveFormats);
          const hashed = choice(request, 'sha256', ['0', '1'] as const) === '1';
          if (archive !== undefined && hashed) {
            throw new PenstockError('bad-query', 'archive does not work with sha256=1. Ask for one of them.');
          }
          const { job, definition, outputs } = await find(request, response);
          if (archive === undefined) await sendList(response, job, outputs, hashed);
          else await sendAll(response, job, definition?.name ?? job.uuid, archive, outputs.filter(isFile));
        },
      },
      'GET /{uuid}/outputs/{output}/': one('output_named', 'An output: the bytes of its file, or its value'),
      'GET /{uuid}/outputs/{output}/{...file}/': one('output_file', 'A file of an output that has several'),
    },
  };
}

/** A query parameter with a few values. */
function choice<T extends string>(request: Request, name: string, values: readonly T[]): T | undefined {
  const text = queryValue(request, name);
  const found = values.find((value) => value === text);
  if (found !== undefined || text === undefined) return found;
  const detail = `${name}: '${text.slice(0, 40)}' must be ${values.join(' or ')}.`;
  throw new PenstockError('bad-query', detail, { problems: [{ pointer: `?${name}`, detail }] });
}

/** The path of a file in the URL. The parts are decoded; the last is empty if the URL ends with a slash. */
function fileOf(request: Request): string | undefined {
  const parts: unknown = request.params.file;
  return Array.isArray(parts) ? parts.join('/').replace(/\/$/, '') : undefined;
}

async function sendList(
  response: Response,
  job: Job,
  outputs: readonly JobOutput[],
  hashed: boolean,
): Promise<void> {
  const gone = goneSignal(response);
  if (hashed) await allPresent(outputs.filter(isFile));
  const digests = hashed
    ? await sha256Of(outputs.filter(isFile), actorOf(response).id, gone).catch((error: unknown) => {
        if (!gone.aborted) throw error;
      })
    : new Map<OutputFile, string>();
  if (digests === undefined) return;
  const objects: string[] = [];
  const pace = pacer();
  for (const output of outputs) {
    await pace();
    objects.push(formatJson(isFile(output) ? shown(output, digests.get(output) ?? null) : output));
  }
  const meta = formatJson(wholeMeta(objects.length));
  sendJsonText(response, 200, `{"meta": ${meta}, "objects": [${objects.join(', ')}]}`);

  function shown({ output, name, size, several, mediaType }: OutputFile, sha256: string | null) {
    const inside = several ? `${name.split('/').map(encodeURIComponent).join('/')}/` : '';
    const uri = `${jobUri(job.uuid)}outputs/${output}/${inside}`;
    // Without its parameters: the character set is only assumed.
    const type = mediaType ?? typeByName(response, name).split(';')[0];
    return { output, name, media_type: type, size, sha256, uri };
  }
}

async function sendAll(
  response: Response,
  job: Job,
  jobName: string,
  format: ArchiveFormat,
  outputs: readonly OutputFile[],
): Promise<void> {
  if (outputs.length === 0) {
    throw new PenstockError('not-found', `The job ${job.uuid} has no output files to put into an archive.`);
  }
  const names = archiveNames(outputs);
  await allPresent(outputs);
  const files = outputs.map(
    ({ file, start, size, name }, index): Archived => ({ file, start, size, name: names[index] ?? name }),
  );
  await sendArchive(response, format, archiveName(jobName, format), files, job.ended ?? job.updated);
}

/** Throws `gone` if one of the files was deleted: once the answer has begun, it could only break off. */
async function allPresent(files: readonly OutputFile[]): Promise<void> {
  const pace = pacer();
  for (const { file, name } of files) {
    await pace();
    present(file, name);
  }
}
