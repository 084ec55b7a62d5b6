import path from 'node:path';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import { filesOf as contentsOf, type FileDocument } from '../../domain/json/file-document.js';
import { plain, writeJsonText } from '../../domain/json/json-text.js';
import { PenstockError } from '../../lib/errors.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Store } from '../../store/store.js';
import type { Actor } from '../../usecases/actor.js';
import type { DefinitionService, FoundDefinition } from '../../usecases/definitions/process-definitions.js';
import { answer, type FileValue, jobAnswer, type NodeAnswer, type Piece, rawFile } from './node-answer.js';
import type { NodeJobs } from './node-jobs.js';
import { filesOf, forget, type NodeRequest, partOf, timeoutOf } from './node-request.js';
import type { NodeSettingsService } from './node-settings.js';
import { isProduct } from './products/product.js';

/** The administrator wrote node.yaml, so it may name anybody's definition. */
const installation: Actor = { id: 0, username: '', admin: true };

/** `calc`: the process definition that node.yaml names, with the input and output of a `run`. */
export function nodeCalc(given: {
  settings: NodeSettingsService;
  store: Store;
  definitions: DefinitionService;
  nodeJobs: NodeJobs;
  files: JobFiles;
  fileValue: FileValue;
}) {
  const { store, definitions, nodeJobs, files, fileValue } = given;
  const { calc } = given.settings.file;

  async function definitionOf(wanted: string | number): Promise<FoundDefinition> {
    if (/^\d+$/.test(String(wanted))) return definitions.find(installation, String(wanted));
    // Any user may give a definition any name, and calc must not run it just because of its name.
    const [one, other] = await store.definitions.named(String(wanted), 'admins');
    if (one === undefined || other !== undefined) {
      const what = one === undefined ? 'No admin has a' : 'Admins have more than one';
      throw new PenstockError(
        'not-found',
        `${what} process definition '${wanted}', which node.yaml names for calc.`,
      );
    }
    return definitions.find(installation, String(one));
  }

  /** The output file by its name, in pieces, in the form of the answer of `run`. */
  async function* named(job: Job): AsyncGenerator<string> {
    yield `{${JSON.stringify(job.outputName)}: `;
    yield* fileValue(outputOf(job), 'exact');
    yield '}';
  }
  const outputOf = (job: Job) => path.join(files.folder(job.uuid), job.outputPath ?? '');

  return async function run(request: NodeRequest, actor: Actor): Promise<NodeAnswer> {
    if (calc === null) return answer(0);
    const timeout = timeoutOf(request);
    let found: FoundDefinition;
    try {
      found = await definitionOf(calc);
    } catch (error) {
      if (error instanceof PenstockError && error.code === 'not-found') return answer(-1, error.message);
      throw error;
    }
    const { definition } = found;
    const seconds = timeout ?? (definition.timeout === null ? given.settings.current().timeout : undefined);
    const asked = seconds === undefined ? {} : { timeout: seconds };
    const job = await nodeJobs.submit(actor, found, inputFor(definition, request), asked);
    const output: Piece = definition.output?.type === 'folder' ? rawFile(outputOf(job)) : named(job);
    return jobAnswer({ files, fileValue }, job, [definition.exec, ...definition.argv.map(String)], output);
  };
}

/** The input for a definition: files if it takes a folder, else the only file that was sent, or the JSON itself. */
function inputFor(definition: ProcessDefinition, request: NodeRequest) {
  const part = partOf(request, 'input');
  forget(request);
  if (part === undefined) return null;
  const json = { name: 'input.json', content: writeJsonText(part) };
  if (definition.input?.type === 'folder') return { ...json, content: filesOf(part, undefined) ?? '' };
  if (part.kind !== 'object' || isProduct(part)) return json;
  filesOf(part, undefined);
  const [first, ...others] = contentsOf(plain(part) as FileDocument);
  return first === undefined || others.length > 0 ? json : { name: first[0], content: first[1] };
}
