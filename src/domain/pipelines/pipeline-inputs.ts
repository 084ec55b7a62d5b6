import type { Problem } from '../../lib/errors.js';
import type { PipelineDocument } from '../../lib/generated/pipeline-steps.js';
import { nearest } from '../../lib/nearest.js';
import { below } from '../../lib/pointer.js';
import { declaredIn, placeholdersIn, substitute } from '../definitions/placeholder.js';
import type { ProcessDefinition } from '../definitions/process-definition.js';
import { type InputDeclaration, inputsOf } from '../inputs/declaration.js';
import { textOf } from '../inputs/value-text.js';

/** The inputs that a pipeline declares, and the file that a body of bytes would be; null if it declares none. */
export function pipelineInputs(
  document: PipelineDocument,
): { inputs: InputDeclaration[]; main: string | null } | null {
  if (document.inputs === undefined) return null;
  const inputs = inputsOf(document.inputs);
  const files = inputs.filter(({ kind }) => kind === 'file');
  return { inputs, main: files.length === 1 ? (files[0]?.name ?? null) : null };
}

/** The names of a pipeline's inputs that a value of a step's refers to. */
function referred(value: unknown): string[] {
  if (typeof value === 'string') {
    return placeholdersIn(value).flatMap((found) => {
      const declared = declaredIn(found);
      return declared?.end === 'inputs' ? [declared.name] : [];
    });
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(referred);
}

/** The declarations of what a step's definition takes. */
type Definition = { declared?: Pick<ProcessDefinition, 'inputs'> | null } | null;

/** Problems of a pipeline's declared inputs and of what its steps make of them. */
export function pipelineInputProblems(
  document: PipelineDocument,
  definitions: readonly Definition[],
): Problem[] {
  const inputs = new Map(inputsOf(document.inputs).map((input) => [input.name, input]));
  const used = new Set<string>();
  const problems: Problem[] = [];
  for (const [index, step] of document.steps.entries()) {
    const takes = definitions[index]?.declared?.inputs ?? [];
    if (step.input !== undefined || index === 0) used.add(mainName(step.input, document) ?? '');
    for (const [name, given] of Object.entries(step.inputs ?? {})) {
      const pointer = below(below(below('/steps', index), 'inputs'), name);
      const target = takes?.find((one) => one.name === name);
      if (typeof given === 'string' && given.startsWith('pipeline'))
        used.add(given.slice('pipeline.'.length) || (mainName('pipeline', document) ?? ''));
      for (const own of referred(given)) {
        used.add(own);
        const input = inputs.get(own);
        if (input === undefined) problems.push({ pointer, detail: unknownOwn(own, [...inputs.keys()]) });
        else {
          const detail = whyUnfit(input, target, given);
          if (detail !== undefined) problems.push({ pointer, detail });
        }
      }
    }
  }
  for (const input of inputs.values()) {
    const pointer = below('/inputs', input.name);
    if (input.stdin)
      problems.push({
        pointer: below(pointer, 'stdin'),
        detail: 'a pipeline has no standard input; its steps have',
      });
    if (!used.has(input.name))
      problems.push({
        pointer,
        detail: `no step uses it: write "\${inputs.${input.name}}" into the inputs of one`,
      });
  }
  return problems.slice(0, 50);
}

/** The declared input that a step without further words takes: the pipeline's only file. */
function mainName(said: string | null | undefined, document: PipelineDocument): string | undefined {
  if (said !== undefined && said !== 'pipeline')
    return said?.startsWith('pipeline.') ? said.slice('pipeline.'.length) : undefined;
  return pipelineInputs(document)?.main ?? undefined;
}

function unknownOwn(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return `the pipeline has no input "${name}"; ${near === undefined ? 'declare it in its "inputs"' : `did you mean "${near}"?`}`;
}

/** Why an input of the pipeline cannot become that input of a step; undefined if it can. */
function whyUnfit(
  input: InputDeclaration,
  target: InputDeclaration | undefined,
  given: unknown,
): string | undefined {
  const whole = given === `\${inputs.${input.name}}`;
  if (input.kind !== 'value' && !whole) return `"${input.name}" is a file, which cannot be part of a value`;
  if (target === undefined) return undefined;
  if ((input.kind === 'value') !== (target.kind === 'value')) {
    const [one, other] = input.kind === 'value' ? ['a value', 'a file'] : ['a file', 'a value'];
    return `"${input.name}" is ${one}, and the step's "${target.name}" is ${other}`;
  }
  if (input.secret && !target.secret)
    return `"${input.name}" is secret, and the step's "${target.name}" is not`;
  return undefined;
}

/**
 * The values of a step with the pipeline's in place of `${inputs.NAME}`. A value that is nothing but one that is absent
 * is absent, too.
 */
export function filledValues(
  values: Readonly<Record<string, unknown>>,
  own: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const texts = Object.fromEntries(
    Object.entries(own).map(([name, value]) => [`inputs.${name}`, textOf(value)]),
  );
  const fill = (value: unknown): unknown => {
    if (typeof value === 'string') {
      const alone = /^\$\{inputs\.([A-Za-z_][A-Za-z0-9_-]*)\}$/.exec(value)?.[1];
      if (alone !== undefined) return own[alone];
      const missing = referred(value).filter((name) => own[name] === undefined);
      return substitute(value, {
        ...Object.fromEntries(missing.map((name) => [`inputs.${name}`, ''])),
        ...texts,
      });
    }
    if (Array.isArray(value)) return value.map(fill);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one)]));
  };
  return Object.fromEntries(
    Object.entries(values)
      .map(([name, value]) => [name, fill(value)] as const)
      .filter(([, value]) => value !== undefined),
  );
}
