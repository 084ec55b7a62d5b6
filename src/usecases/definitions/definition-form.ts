import { namedFiles, needsInput } from '../../domain/definitions/command.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { formOf } from '../../domain/inputs/form.js';
import { outputsOf } from '../../domain/inputs/output-declaration.js';
import type { ValueSchema } from '../../lib/value-schema.js';
import { takenInputs } from '../runs/intake.js';

/** What a form for running a definition needs. What it does not declare follows from its placeholders. */
export function definitionForm(definition: ProcessDefinition): ValueSchema {
  const { name, exec, description, inputs, outputs } = definition;
  const taken = takenInputs(definition).inputs;
  const named = namedFiles(definition);
  const older = taken.map((input) => ({
    ...input,
    required: input.name === 'input' ? needsInput(definition) : true,
    stdin: input.name === 'input' && (definition.input === null || isStdin(definition)),
  }));
  const made = ['output', ...named.outputs.filter((one) => one !== 'output')];
  return formOf({
    title: name ?? exec,
    description,
    inputs: inputs === null ? older : taken,
    outputs: outputs ?? outputsOf(Object.fromEntries(made.map((one) => [one, { type: 'file' as const }]))),
  });
}

const isStdin = ({ input }: ProcessDefinition): boolean => input?.type === 'file' && input.via === 'stream';
