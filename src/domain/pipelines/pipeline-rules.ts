import type { Problem } from '../../lib/errors.js';
import type { PipelineDocument } from '../../lib/generated/pipeline-steps.js';
import { nearest } from '../../lib/nearest.js';
import { below } from '../../lib/pointer.js';
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
  stepsOf,
} from './pipeline-document.js';

/** What the rules want to know of the definition that a step runs. */
interface StepDefinition {
  processType: 'single' | 'service';
  /** The names of inputs and outputs beyond the main ones. */
  inputs: readonly string[];
  outputs: readonly string[];
  /** Whether its command names its input file, so that it cannot be run without an input. */
  needsInput: boolean;
}

const mostProblems = 50;

/**
 * The rules that a JSON Schema cannot state of a pipeline of steps. The document must have passed
 * `schemas/pipeline-steps.json`.
 *
 * @param definitions what each step runs, in their order; null where there is none that the user may run
 */
export function checkPipeline(
  document: PipelineDocument,
  definitions: readonly (StepDefinition | null)[],
): Problem[] {
  const named = nameProblems(document.steps);
  if (named.length > 0) return named.slice(0, mostProblems);
  const { steps, undecided } = stepsOf(document);
  const linked = [
    ...undecided.map((index) => ({
      pointer: below(below('/steps', index), 'input'),
      detail: `it needs several steps; say which one's output is its input, or null for none`,
    })),
  ];
  for (const [index, step] of steps.entries()) {
    // The nearest names are looked for only for what is told.
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
      return [{ pointer, detail: `"${name}" means the pipeline itself; take another name` }];
    if (seen.has(name)) return [{ pointer, detail: `there is a step "${name}" already` }];
    seen.add(name);
    return [];
  });
}

/** A name that is no step's, with the one that was perhaps meant. */
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
  const said: [string, Source][] = Object.entries(document?.inputs ?? {}).map(([name, text]) => [
    below(below(place, 'inputs'), name),
    sourceOf(text),
  ]);
  if (typeof document?.input === 'string') said.push([below(place, 'input'), sourceOf(document.input)]);
  for (const [pointer, source] of said) {
    if (source.step === step.name) problems.push({ pointer, detail: 'a step cannot take its own output' });
    else problems.push(...sourceProblems(source, pointer, steps, definitions));
  }
  return problems;
}

/** A source must be a step, and a named output one that it has. */
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
    const detail = `"${source.step}" is run once per item; of its outputs only the main one is gathered`;
    return [{ pointer, detail }];
  }
  if (definition.outputs.includes(source.output)) return [];
  return [
    { pointer, detail: `${sourceText(source)}: ${noSuch('output', source.output, definition.outputs)}` },
  ];
}

/** That a definition has no input or output of that name. */
function noSuch(what: 'input' | 'output', name: string, names: readonly string[]): string {
  const wanted = `\${${what}_file.${name}}`;
  if (names.length === 0) return `the definition has no named ${what}s; ${wanted} is nowhere in it`;
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
    const detail = `the process definition ${step.definition} needs an input file (\${input_file}); say which step's output it is, or "${ownInput}"`;
    return [{ pointer: below(place, 'input'), detail }];
  }
  const given = Object.keys(step.inputs);
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

function eachProblems({ each, input, name }: Step, index: number, steps: readonly Step[]): Problem[] {
  if (each === null) return [];
  const place = below(below('/steps', index), 'each');
  const problems: Problem[] = [];
  const add = (key: string, detail: string) => problems.push({ pointer: below(place, key), detail });
  const from = steps.find((step) => step.name === input?.step);
  if (input === null) add('over', `the step "${name}" has no input to take items from`);
  else if (each.over === 'files') {
    if (from === undefined || input.output !== null) {
      add('over', 'files are those that a step left in its working folder; its input has to be a step');
    } else if (from.each !== null) {
      add('over', `"${from.name}" is run once per item, in many working folders; take its "items"`);
    }
  } else if (each.over === 'items' && (from === undefined || from.each === null)) {
    add('over', 'items are those of a step with "each"; its input has to be one');
  }
  if (each.over === 'files') {
    const wrong =
      each.files === null ? 'it says which files, such as "frames/*.png"' : globProblem(each.files);
    if (wrong !== undefined) add('files', wrong);
  } else if (each.files !== null) add('files', `it is for files only, but the items are ${each.over}`);
  return problems;
}

function outputProblems(
  { output }: PipelineDocument,
  steps: readonly Step[],
  definitions: readonly (StepDefinition | null)[],
): Problem[] {
  const pointer = '/output';
  if (output !== undefined) {
    const source = sourceOf(output);
    if (source.step === null) return [{ pointer, detail: 'it has to be a step; its own input is no output' }];
    return sourceProblems(source, pointer, steps, definitions);
  }
  const ends = endsOf(steps).map(({ name }) => name);
  if (ends.length <= 1) return [];
  return [{ pointer, detail: `say whose output is the pipeline's; nothing follows ${ends.join(', ')}` }];
}
