import type { Problem } from '../../lib/errors.js';
import type { PipelineDocument } from '../../lib/generated/pipeline-steps.js';
import { nearest } from '../../lib/nearest.js';
import { below } from '../../lib/pointer.js';
import type { ProcessDefinition } from '../definitions/process-definition.js';
import { titleOf } from '../inputs/declaration.js';
import { unknownInput } from '../inputs/input-values.js';
import { globProblem } from './glob.js';
import {
  circleOf,
  endsOf,
  ownInput,
  type Source,
  type Step,
  type StepDocument,
  sourceOf,
  sourceText,
  stepInputsOf,
  stepsOf,
} from './pipeline-document.js';

/** What the rules need to know about the definition that a step runs. */
interface StepDefinition {
  processType: 'single' | 'service';
  /** The names of inputs and outputs beyond the main ones. */
  inputs: readonly string[];
  outputs: readonly string[];
  /** Whether its command names its input file, so that it cannot be run without an input. */
  needsInput: boolean;
  /** What it declares; null if it declares nothing. */
  declared?: Pick<ProcessDefinition, 'inputs' | 'mainInput'> | null;
}

const mostProblems = 50;

/**
 * The rules that a JSON Schema cannot state of a pipeline of steps. The document must have passed
 * `schemas/pipeline-steps.json`.
 *
 * @param definitions what each step runs, in their order; null where the user may run none by that id
 */
export function checkPipeline(
  document: PipelineDocument,
  definitions: readonly (StepDefinition | null)[],
): Problem[] {
  const named = nameProblems(document.steps);
  if (named.length > 0) return named.slice(0, mostProblems);
  const { steps, undecided } = stepsOf(
    document,
    definitions.map((one) => (one?.declared == null ? null : stepInputsOf(one.declared))),
  );
  const linked = [
    ...undecided.map((index) => ({
      pointer: below(below('/steps', index), 'input'),
      detail: `it needs several steps; say which of them its input comes from, or null for no input`,
    })),
  ];
  for (const [index, step] of steps.entries()) {
    // Nearest names take time, so they are sought only for problems that are reported.
    if (linked.length >= mostProblems) break;
    linked.push(...linkProblems(step, document.steps[index], index, steps, definitions));
  }
  const circle = linked.length > 0 ? undefined : circleOf(steps);
  if (circle !== undefined) {
    const index = steps.findIndex(({ name }) => name === circle[0]);
    const detail = `these steps need each other in a circle: ${circle.join(' needs ')}`;
    linked.push({ pointer: below(below('/steps', index), 'needs'), detail });
  }
  return [
    ...linked,
    ...steps.flatMap((step, index) => definitionProblems(step, index, definitions[index] ?? null)),
    ...steps.flatMap((step, index) => eachProblems(step, index, steps)),
    ...outputProblems(document, steps, definitions),
  ].slice(0, mostProblems);
}

function nameProblems(steps: readonly StepDocument[]): Problem[] {
  const seen = new Set<string>();
  return steps.flatMap(({ name }, index) => {
    const pointer = below(below('/steps', index), 'name');
    if (name === ownInput)
      return [{ pointer, detail: `"${name}" means the pipeline itself; choose another name` }];
    if (seen.has(name)) return [{ pointer, detail: `there is a step "${name}" already` }];
    seen.add(name);
    return [];
  });
}

/** The message for an unknown step, with the name that was perhaps meant. */
function unknownStep(name: string, steps: readonly Step[]): string {
  const names = steps.map((step) => step.name);
  const near = nearest(name, names);
  return `there is no step "${name}"; ${near === undefined ? `there are ${names.slice(0, 20).join(', ')}` : `did you mean "${near}"?`}`;
}

function linkProblems(
  step: Step,
  document: StepDocument | undefined,
  index: number,
  steps: readonly Step[],
  definitions: readonly (StepDefinition | null)[],
): Problem[] {
  const place = below('/steps', index);
  const known = (name: string) => steps.some((other) => other.name === name);
  const problems: Problem[] = [];
  document?.needs?.forEach((name, position) => {
    const pointer = below(below(place, 'needs'), position);
    if (name === step.name) problems.push({ pointer, detail: 'a step cannot need itself' });
    else if (!known(name)) problems.push({ pointer, detail: unknownStep(name, steps) });
  });
  const said: [string, Source][] = Object.entries({ ...step.inputs }).flatMap(([name, source]) =>
    document?.inputs?.[name] === undefined ? [] : [[below(below(place, 'inputs'), name), source]],
  );
  if (typeof document?.input === 'string') said.push([below(place, 'input'), sourceOf(document.input)]);
  for (const [pointer, source] of said) {
    if (source.step === step.name) problems.push({ pointer, detail: 'a step cannot take its own output' });
    else problems.push(...sourceProblems(source, pointer, steps, definitions));
  }
  return problems;
}

/** A source must be a step, and a named output must be one of its outputs. */
function sourceProblems(
  source: Source,
  pointer: string,
  steps: readonly Step[],
  definitions: readonly (StepDefinition | null)[],
): Problem[] {
  if (source.step === null) return [];
  const index = steps.findIndex(({ name }) => name === source.step);
  if (index < 0) return [{ pointer, detail: unknownStep(source.step, steps) }];
  const definition = definitions[index];
  if (source.output === null || !definition) return [];
  if (steps[index]?.each) {
    const detail = `"${source.step}" runs once per item, and only its main output is gathered`;
    return [{ pointer, detail }];
  }
  if (definition.outputs.includes(source.output)) return [];
  return [
    { pointer, detail: `${sourceText(source)}: ${noSuch('output', source.output, definition.outputs)}` },
  ];
}

/** The message for a definition without an input or output of that name. */
function noSuch(what: 'input' | 'output', name: string, names: readonly string[]): string {
  const wanted = `\${${what}_file.${name}}`;
  if (names.length === 0)
    return `the definition has no named ${what}s; its command does not contain ${wanted}`;
  const near = nearest(name, names);
  return `the definition has no ${what} "${name}"; ${near === undefined ? `it has ${names.join(', ')}` : `did you mean "${near}"?`}`;
}

function definitionProblems(step: Step, index: number, definition: StepDefinition | null): Problem[] {
  const place = below('/steps', index);
  const pointer = below(place, 'process_definition');
  if (definition === null) return [{ pointer, detail: `there is no process definition ${step.definition}` }];
  if (definition.processType === 'service') {
    const detail = `the process definition ${step.definition} is a service, which never ends by itself`;
    return [{ pointer, detail }];
  }
  if (step.input === null && definition.needsInput) {
    const detail = `the process definition ${step.definition} needs an input file (\${input_file}); say which step it comes from, or "${ownInput}"`;
    return [{ pointer: below(place, 'input'), detail }];
  }
  if (definition.declared) return declaredProblems(step, place, definition.declared);
  const given = Object.keys(step.inputs);
  const values = Object.keys(step.values ?? {}).map((name) => ({
    pointer: below(below(place, 'inputs'), name),
    detail: 'it must be STEP, STEP.NAME or pipeline',
  }));
  if (values.length > 0) return values;
  const missing = definition.inputs.filter((name) => !given.includes(name));
  const unknown = given.filter((name) => !definition.inputs.includes(name));
  return [
    ...missing.map((name) => ({
      pointer: below(place, 'inputs'),
      detail: `the definition reads \${input_file.${name}}; say where it comes from: "inputs": {"${name}": "STEP"}`,
    })),
    ...unknown.map((name) => ({
      pointer: below(below(place, 'inputs'), name),
      detail: noSuch('input', name, definition.inputs),
    })),
  ];
}

/** Each declared input of a step's definition that has to come must be given, and nothing else may be. */
function declaredProblems(
  step: Step,
  place: string,
  { inputs, mainInput }: Pick<ProcessDefinition, 'inputs' | 'mainInput'>,
): Problem[] {
  const names = (inputs ?? []).map(({ name }) => name);
  const given = [...Object.keys(step.inputs), ...Object.keys(step.values ?? {})];
  if (step.input !== null && mainInput !== null) given.push(mainInput);
  const pointer = below(place, 'inputs');
  const missing = (inputs ?? []).filter(({ name, required }) => required && !given.includes(name));
  const files = Object.keys(step.values ?? {}).filter((name) =>
    inputs?.some((input) => input.name === name && input.kind !== 'value'),
  );
  return [
    ...(step.input !== null && mainInput === null
      ? [
          {
            pointer: below(place, 'input'),
            detail: 'its definition takes no file that this could be; use "inputs"',
          },
        ]
      : []),
    ...missing.map((input) => ({
      pointer: below(pointer, input.name),
      detail: `the input ${titleOf(input)} is required; say what it is, or where it comes from`,
    })),
    ...given
      .filter((name) => !names.includes(name))
      .map((name) => ({ pointer: below(pointer, name), detail: unknownInput(name, names) })),
    ...files.map((name) => ({
      pointer: below(pointer, name),
      detail: `${name} is a file; say where it comes from: STEP, STEP.NAME, or \${inputs.NAME}`,
    })),
  ];
}

function eachProblems({ each, input, name }: Step, index: number, steps: readonly Step[]): Problem[] {
  if (each === null) return [];
  const place = below(below('/steps', index), 'each');
  const problems: Problem[] = [];
  const add = (key: string, detail: string) => problems.push({ pointer: below(place, key), detail });
  const from = steps.find((step) => step.name === input?.step);
  if (input === null) add('over', `the step "${name}" has no input to take items from`);
  else if (each.over === 'files') {
    if (from === undefined || input.output !== null) {
      add('over', "files are taken from a step's working folder, so the input must be a step");
    } else if (from.each !== null) {
      add('over', `"${from.name}" runs once per item, in many working folders; use its "items"`);
    }
  } else if (each.over === 'items' && (from === undefined || from.each === null)) {
    add('over', 'items are taken from a step with "each", so the input must be such a step');
  }
  if (each.over === 'files') {
    const wrong = each.files === null ? 'say which files, such as "frames/*.png"' : globProblem(each.files);
    if (wrong !== undefined) add('files', wrong);
  } else if (each.files !== null)
    add('files', `this is only for "over": "files", but over is "${each.over}"`);
  return problems;
}

function outputProblems(
  { output, outputs }: PipelineDocument,
  steps: readonly Step[],
  definitions: readonly (StepDefinition | null)[],
): Problem[] {
  const own = Object.entries(outputs ?? {}).flatMap(([name, source]) =>
    sourceProblems(
      { step: source.step, output: source.output ?? null },
      below('/outputs', name),
      steps,
      definitions,
    ),
  );
  if (own.length > 0) return own;
  const pointer = '/output';
  if (output !== undefined) {
    const source = sourceOf(output);
    if (source.step === null)
      return [{ pointer, detail: "it must be a step; the pipeline's own input is not an output" }];
    return sourceProblems(source, pointer, steps, definitions);
  }
  const ends = endsOf(steps).map(({ name }) => name);
  if (ends.length <= 1) return [];
  return [
    { pointer, detail: `say which step's output is the pipeline's; these are last: ${ends.join(', ')}` },
  ];
}
