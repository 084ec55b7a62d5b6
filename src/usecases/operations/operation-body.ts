import { namedFiles } from '../../domain/definitions/command.js';
import { normalise, type ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { whyNotFed } from '../../domain/feeder/feeding.js';
import { operationInputProblems } from '../../domain/operations/message-inputs.js';
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

/** Read-only keys; they may be sent back as they were read. */
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

/** The keys that have no column of their own. */
export const documentOf = (body: OperationDocument): OperationDocument =>
  Object.fromEntries(documentKeys.filter((key) => body[key] !== undefined).map((key) => [key, body[key]]));

/** Why messages cannot be given to a program, as the rest of a sentence; null if they can. */
function whyNot(definition: ProcessDefinition): string | null {
  if (definition.service !== null) {
    const { output, service } = definition;
    const isOutput =
      output === null || (output.type === 'file' && output.via === 'stream' && output.stream === 'STDOUT');
    if (service.ready.by === 'line' && isOutput) {
      return 'its service.ready waits for a line of its standard output, which carries the answers; use a port, or "start"';
    }
    return whyNotFed(definition);
  }
  const { inputs, outputs } = namedFiles(definition);
  const [name] = [...inputs.map((one) => `input_file.${one}`), ...outputs.map((one) => `output_file.${one}`)];
  return name === undefined ? null : `it uses \${${name}}, which only a step of a pipeline has`;
}

/** The rules that a schema cannot state. A violation throws `invalid-body` with its place. */
export function operationRules(store: Store, streams: Pick<StreamRows, 'all'>) {
  function checked(given: unknown): OperationDocument {
    const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
    // What was read may be sent back as it was: read-only keys are dropped.
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
      throw wrong('/process_definition_id', 'it names a different definition than process_definition');
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
    throw wrong(pointer, `the operation's owner has no process definition ${quoted(said)}`);
  }

  /** Checks what an operation gives for declared inputs against the definition that it runs. */
  async function checkInputs(definitionId: number, { inputs = {} }: OperationDocument): Promise<void> {
    const row = await store.definitions.byId(definitionId);
    if (row === null) return;
    const definition = normalise(JSON.parse(row.definition) as DefinitionDocument);
    const problems = operationInputProblems(definition, inputs as Record<string, unknown>);
    if (problems.length > 0) throw invalid('invalid-input', problems);
  }

  /** Checks that a stream exists, and suggests the nearest name if not: an unknown name is most likely a typo. */
  function checkStream(ownerId: number, name: string | null | undefined, pointer: string): void {
    if (name === null || name === undefined) return;
    const known = streams.all().flatMap((row) => (row.ownerId === ownerId ? [row.name] : []));
    if (known.includes(name)) return;
    const near = nearest(name, known);
    const hint =
      near === undefined ? 'create it first with a POST to /api/stream/' : `did you mean "${near}"?`;
    throw wrong(pointer, `the operation's owner has no stream ${quoted(name)}; ${hint}`);
  }

  /** Checks that results do not return to the input: such messages would circulate forever. */
  function checkLoop(input: string, body: Pick<OperationDocument, 'output_stream' | 'dead_letters'>): void {
    for (const key of ['output_stream', 'dead_letters'] as const) {
      if (body[key] === input)
        throw wrong(`/${key}`, 'it is the input stream, so messages would circulate forever');
    }
    const { output_stream: output, dead_letters: dead } = body;
    if (dead && dead === output)
      throw wrong('/dead_letters', 'it is the output stream; dead letters need a stream of their own');
  }

  /** Without a framing, records are pieces of any length and cannot be matched to messages. */
  function checkFraming({ framing, answers }: OperationDocument): void {
    if (framing === 'none' && answers === 'one') {
      throw wrong(
        '/answers',
        'without a framing the end of an answer is unknown; use "any", or set a framing',
      );
    }
  }

  return { checked, definitionId, checkInputs, checkStream, checkLoop, checkFraming };
}
