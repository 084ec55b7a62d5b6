import { namedFiles } from '../../domain/definitions/command.js';
import { normalise, type ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { whyNotFed } from '../../domain/feeder/feeding.js';
import { documentKeys } from '../../domain/operations/operation.js';
import type { OperationDocument } from '../../lib/generated/operation.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { nearest } from '../../lib/nearest.js';
import { validator } from '../../lib/schemas.js';
import { show as quoted } from '../../lib/wording.js';
import type { Store } from '../../store/store.js';
import { invalid } from '../body.js';
import { numericId } from '../resource.js';
import type { StreamRows } from '../streams/channels.js';

/** What only we can tell; it may be sent back as it was read. */
const told = [
  'id',
  'owner',
  'process_type',
  'state',
  'reason',
  'service',
  'counts',
  'lag',
  'created',
  'updated',
];

export const wrong = (pointer: string, detail: string) => invalid('invalid-body', [{ pointer, detail }]);

/** The part of it that has no column of its own. */
export const documentOf = (body: OperationDocument): OperationDocument =>
  Object.fromEntries(documentKeys.filter((key) => body[key] !== undefined).map((key) => [key, body[key]]));

/** Why messages cannot be given to a program, as the rest of a sentence; null if they can. */
function whyNot(definition: ProcessDefinition): string | null {
  if (definition.service !== null) {
    const { output, service } = definition;
    const isOutput =
      output === null || (output.type === 'file' && output.via === 'stream' && output.stream === 'STDOUT');
    if (service.ready.by === 'line' && isOutput) {
      return 'its service.ready is a line of its standard output, which is its answers; use a port, or "start"';
    }
    return whyNotFed(definition);
  }
  const { inputs, outputs } = namedFiles(definition);
  const [name] = [...inputs.map((one) => `input_file.${one}`), ...outputs.map((one) => `output_file.${one}`)];
  return name === undefined ? null : `it uses \${${name}}, which only a step of a pipeline has`;
}

/** The rules that a schema cannot state. What breaks one throws `invalid-body` with its place. */
export function operationRules(store: Store, streams: Pick<StreamRows, 'all'>) {
  function checked(given: unknown): OperationDocument {
    const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
    // What was read may be sent back as it was: what only we can tell is left out.
    const body = isObject
      ? Object.fromEntries(
          Object.entries(given).filter(
            ([key, value]) => !told.includes(key) && key !== 'resource_uri' && value !== undefined,
          ),
        )
      : given;
    const problems = validator('operation')(body);
    if (problems.length > 0) throw invalid('invalid-body', problems);
    return body as OperationDocument;
  }

  async function definitionId(ownerId: number, body: OperationDocument): Promise<number | undefined> {
    const { process_definition: given, process_definition_id: old } = body;
    if (given !== undefined && old !== undefined && String(given) !== String(old)) {
      throw wrong('/process_definition_id', 'it says another definition than process_definition does');
    }
    const said = given ?? old;
    if (said === undefined) return undefined;
    const id = numericId(String(said).match(/^(?:.*\/process_definition\/)?(\d+)\/?$/)?.[1] ?? '');
    const row = id === null ? null : await store.definitions.byId(id);
    const pointer = given === undefined ? '/process_definition_id' : '/process_definition';
    if (row !== null && row.ownerId === ownerId) {
      const why = whyNot(normalise(JSON.parse(row.definition) as DefinitionDocument));
      if (why !== null) throw wrong(pointer, `this definition cannot be given messages: ${why}`);
      return row.id;
    }
    throw wrong(pointer, `there is no process definition ${quoted(said)} of the operation's owner`);
  }

  /** A stream's name, or an error that knows the nearest: one that nobody publishes on is most likely a slip. */
  function checkStream(ownerId: number, name: string | null | undefined, pointer: string): void {
    if (name === null || name === undefined) return;
    const known = streams.all().flatMap((row) => (row.ownerId === ownerId ? [row.name] : []));
    if (known.includes(name)) return;
    const near = nearest(name, known);
    const hint = near === undefined ? 'make it first, by a POST to /api/stream/' : `did you mean "${near}"?`;
    throw wrong(pointer, `there is no stream ${quoted(name)} of the operation's owner; ${hint}`);
  }

  /** What streams lead back to: a message that comes again as its own result never ends. */
  function checkLoop(input: string, body: Pick<OperationDocument, 'output_stream' | 'dead_letters'>): void {
    for (const key of ['output_stream', 'dead_letters'] as const) {
      if (body[key] === input) throw wrong(`/${key}`, 'it is the input stream: its messages would never end');
    }
    const { output_stream: output, dead_letters: dead } = body;
    if (dead && dead === output)
      throw wrong('/dead_letters', 'it is the output stream: results are not dead');
  }

  /** Without a framing records are pieces of any length, and nobody's answers. */
  function checkFraming({ framing, answers }: OperationDocument): void {
    if (framing === 'none' && answers === 'one') {
      throw wrong(
        '/answers',
        'without a framing it is not known where an answer ends; say "any", or a framing',
      );
    }
  }

  return { checked, definitionId, checkStream, checkLoop, checkFraming };
}
