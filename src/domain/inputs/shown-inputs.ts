import { posix } from 'node:path';
import type { InputTexts } from '../definitions/command.js';
import type { PlaceholderValues } from '../definitions/placeholder.js';
import type { ProcessDefinition } from '../definitions/process-definition.js';
import { hidden, inputTexts } from './input-texts.js';
import type { CheckedInputs } from './input-values.js';

/**
 * What declared inputs and outputs would stand for in a command, for showing it. Secrets are hidden; an input that is
 * not known stays its placeholder.
 *
 * @param folder the attempt's folder
 */
export function shownInputs(
  definition: ProcessDefinition,
  checked: CheckedInputs | null,
  folder: string,
): { texts: InputTexts; values: PlaceholderValues } {
  const { inputs, outputs, mainInput, mainOutput } = definition;
  const secrets = Object.fromEntries(Object.keys(checked?.secrets ?? {}).map((name) => [name, hidden]));
  const known =
    checked === null
      ? { texts: new Map(), values: {} }
      : inputTexts(inputs ?? [], checked.stored, secrets, mainInput, folder);
  const values: PlaceholderValues = {};
  // What only the adapter knows, or nobody yet, is shown as it is written.
  for (const { name } of inputs ?? []) values[`inputs.${name}`] = `\${inputs.${name}}`;
  for (const { name, kind, fileName } of outputs ?? []) {
    const own = posix.join(folder, 'outputs', name);
    const file = posix.join(own, fileName ?? name);
    values[`outputs.${name}`] = name === mainOutput ? `\${outputs.${name}}` : kind === 'folder' ? own : file;
  }
  return { texts: known.texts, values: { ...values, ...known.values } };
}
