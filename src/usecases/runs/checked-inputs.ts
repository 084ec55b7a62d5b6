import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { type CheckedInputs, checkInputs, takerOf } from '../../domain/inputs/input-values.js';
import { invalid } from '../body.js';
import { unreadNamed } from './intake.js';
import type { Received } from './receive.js';

/**
 * Declared inputs, checked, with their defaults; null if the definition declares none. Throws `invalid-input`.
 *
 * @param fed true for a program that gets its main input message by message
 */
export function checkedInputs(
  definition: ProcessDefinition,
  received: Received,
  fed = false,
): CheckedInputs | null {
  if (definition.inputs === null) return null;
  const taker = takerOf(definition);
  const given = fed ? taker.inputs.filter(({ name }) => name !== definition.mainInput) : taker.inputs;
  const checked = checkInputs(
    { ...taker, inputs: given },
    { values: received.values, files: received.files },
  );
  if (Array.isArray(checked)) throw invalid('invalid-input', checked);
  return checked;
}

/** The named inputs received must be exactly those that the command reads. */
export function checkNamed(wanted: readonly string[], { named }: Received): void {
  const given = Object.keys(named);
  const problems = [
    ...wanted
      .filter((name) => !given.includes(name))
      .map((name) => ({
        pointer: `/input_file.${name}`,
        detail: `the command reads \${input_file.${name}}, but it was not sent`,
      })),
    ...given
      .filter((name) => !wanted.includes(name))
      .map((name) =>
        unreadNamed(
          name,
          wanted.map((one) => ({ name: one })),
        ),
      ),
  ];
  if (problems.length > 0) throw invalid('invalid-body', problems);
}

/** What distinguishes one request's named inputs from another's; empty without named inputs. */
export const namedDigests = ({ named }: Received): unknown[] =>
  Object.keys(named).length === 0 ? [] : [Object.entries(named).sort()];
