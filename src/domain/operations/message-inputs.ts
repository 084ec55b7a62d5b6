import { PenstockError, type Problem } from '../../lib/errors.js';
import { below, keysOf } from '../../lib/pointer.js';
import type { ProcessDefinition } from '../definitions/process-definition.js';
import { checkInputs, takerOf, unknownInput } from '../inputs/input-values.js';
import { atPointer } from '../inputs/output-declaration.js';
import { parseWritten } from '../json/written-json.js';

/** The pointer into the message that an operation's input is taken by; undefined for a fixed value. */
function messagePointer(given: unknown): string | undefined {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return undefined;
  const { message, ...more } = given as { message?: unknown };
  return typeof message === 'string' && Object.keys(more).length === 0 ? message : undefined;
}

/** Whether an operation's inputs need messages that are JSON. */
const readsMessages = (inputs: Readonly<Record<string, unknown>>): boolean =>
  Object.values(inputs).some((given) => messagePointer(given) !== undefined);

/**
 * The values of declared inputs for one message. What a pointer does not find is absent. Throws `invalid-input` for a
 * message that is not JSON, if the inputs are taken from it.
 */
export function messageInputs(
  inputs: Readonly<Record<string, unknown>>,
  body: Uint8Array,
): Record<string, unknown> {
  let message: unknown;
  if (readsMessages(inputs)) {
    try {
      message = parseWritten(new TextDecoder('utf-8', { fatal: true }).decode(body));
    } catch {
      const detail = 'The message is not JSON, and the operation takes inputs from it.';
      throw new PenstockError('invalid-input', detail);
    }
  }
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, given]) => {
      const pointer = messagePointer(given);
      if (pointer === undefined) return [[name, given]];
      const [found, value] = atPointer(message, keysOf(pointer));
      return found ? [[name, value]] : [];
    }),
  );
}

/** The file of a definition that a message becomes: the main one, or the only one; null if it takes none. */
export function messageFile({ inputs, mainInput }: ProcessDefinition): string | null {
  const files = (inputs ?? []).filter(({ kind }) => kind !== 'value');
  return mainInput ?? (files.length === 1 ? (files[0]?.name ?? null) : null);
}

/** Problems of an operation's inputs with that definition, as far as they do not depend on messages. */
export function operationInputProblems(
  definition: ProcessDefinition,
  inputs: Readonly<Record<string, unknown>>,
): Problem[] {
  const declared = definition.inputs ?? [];
  const names = declared.map(({ name }) => name);
  const file = messageFile(definition);
  const problems: Problem[] = [];
  for (const [name, given] of Object.entries(inputs)) {
    const pointer = below('/inputs', name);
    if (!names.includes(name)) problems.push({ pointer, detail: unknownInput(name, names) });
    const path = messagePointer(given);
    if (path === undefined) continue;
    if (path !== '' && !/^(\/([^/~]|~[01])*)+$/.test(path))
      problems.push({
        pointer: below(pointer, 'message'),
        detail: 'it must be a JSON pointer such as /rate',
      });
    if (definition.service !== null)
      problems.push({
        pointer,
        detail: 'a service gets its inputs once, when it starts, and not with each message',
      });
  }
  for (const { name, kind, required } of declared) {
    if (kind === 'value' || name === file) continue;
    const pointer = below('/inputs', name);
    if (required) problems.push({ pointer, detail: `${name} is a file, and a message can be one file only` });
  }
  if (problems.length > 0) return problems;
  // What comes with messages is checked with each of them.
  const later = Object.keys(inputs).filter((name) => messagePointer(inputs[name]) !== undefined);
  const fixed = declared.filter(({ name, kind }) => kind === 'value' && !later.includes(name));
  const values = Object.fromEntries(Object.entries(inputs).filter(([name]) => !later.includes(name)));
  const checked = checkInputs({ ...takerOf(definition), inputs: fixed }, { values, files: {} });
  return Array.isArray(checked) ? checked : [];
}
