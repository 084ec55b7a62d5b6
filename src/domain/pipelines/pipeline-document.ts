import type { PipelineDocument } from '../../lib/generated/pipeline-steps.js';
import type { ProcessDefinition } from '../definitions/process-definition.js';

/** A step as it is sent. */
export type StepDocument = PipelineDocument['steps'][number];

/** How a step is run once per item. `concurrency` null leaves the bound to the server. */
export interface Each {
  over: 'lines' | 'json' | 'files' | 'items';
  files: string | null;
  concurrency: number | null;
  gather: 'concat' | 'lines' | 'json';
}

/** Where bytes come from: a step's output (`output` names one of several), or the pipeline's own input (`step` is null). */
export interface Source {
  step: string | null;
  output: string | null;
}

/** A step with everything it leaves out filled in. */
export interface Step {
  name: string;
  /** The definition's id. */
  definition: number;
  /** All steps that must have succeeded before it, each once. */
  needs: string[];
  input: Source | null;
  inputs: Record<string, Source>;
  /** The values of declared inputs, in which `${inputs.NAME}` stands for inputs of the pipeline. */
  values?: Record<string, unknown>;
  each: Each | null;
  tee: boolean;
  environment: Record<string, string>;
  timeout: number | null;
}

/** The word for the pipeline itself in place of a step's name. */
export const ownInput = 'pipeline';

/** `STEP`, `STEP.NAME`, `pipeline` or `pipeline.NAME`. */
export function sourceOf(text: string): Source {
  const dot = text.indexOf('.');
  const step = dot < 0 ? text : text.slice(0, dot);
  return { step: step === ownInput ? null : step, output: dot < 0 ? null : text.slice(dot + 1) };
}

/** A source as written in a document. */
export const sourceText = ({ step, output }: Source): string =>
  `${step ?? ownInput}${output === null ? '' : `.${output}`}`;

/** The id of a definition, given alone or as a resource_uri. */
export const definitionIdOf = (named: number | string): number =>
  typeof named === 'number' ? named : Number(/(\d+)\/?$/.exec(named)?.[1] ?? 0);

/** What a step's definition declares, as far as it decides what the step's inputs mean. */
interface StepInputs {
  /** The names of declared values; everything else is files. */
  values: readonly string[];
  /** The input that its adapter or standard input carries. */
  main: string | null;
  /** The input that the output of the step before goes into: the main one, or the only file. */
  body: string | null;
}

/** What a definition declares, for its steps; null if it declares nothing. */
export function stepInputsOf({
  inputs,
  mainInput,
}: Pick<ProcessDefinition, 'inputs' | 'mainInput'>): StepInputs | null {
  if (inputs === null) return null;
  const files = inputs.filter(({ kind }) => kind !== 'value').map(({ name }) => name);
  return {
    values: inputs.filter(({ kind }) => kind === 'value').map(({ name }) => name),
    main: mainInput,
    body: mainInput ?? (files.length === 1 ? (files[0] ?? null) : null),
  };
}

/** The pipeline's input that a text is nothing but. */
const onlyInput = (given: unknown): string | undefined =>
  typeof given === 'string' ? /^\$\{inputs\.([A-Za-z_][A-Za-z0-9_-]{0,63})\}$/.exec(given)?.[1] : undefined;

/** The source that an entry of a step's inputs names; undefined if it names none. */
function givenSource(given: unknown): Source | undefined {
  const own = onlyInput(given);
  if (own !== undefined) return { step: null, output: own };
  if (typeof given === 'string') return isSource(given) ? sourceOf(given) : undefined;
  return outputReference(given);
}

const isSource = (text: string) => /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}(\.[A-Za-z0-9_-]{1,64})?$/.test(text);

/** `{"step": …, "output": …}` as a source; undefined for anything else. */
function outputReference(given: unknown): Source | undefined {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return undefined;
  const { step, output, ...more } = given as { step?: unknown; output?: unknown };
  if (typeof step !== 'string' || Object.keys(more).length > 0) return undefined;
  if (output !== undefined && typeof output !== 'string') return undefined;
  return { step, output: output ?? null };
}

/** The inputs of a step: sources of bytes or of values that a step made, and values that are given. */
function inputsIn(
  step: StepDocument,
  declared: StepInputs | null,
): { sources: Record<string, Source>; values: Record<string, unknown> } {
  const sources: Record<string, Source> = {};
  const values: Record<string, unknown> = {};
  for (const [name, given] of Object.entries(step.inputs ?? {})) {
    const isValue = declared?.values.includes(name) === true;
    const source = isValue ? outputReference(given) : givenSource(given);
    if (source === undefined) values[name] = given;
    else sources[name] = source;
  }
  return { sources, values };
}

/** Where a step's input comes from by default; undefined if the step has to say it. */
function unsaidInput(
  step: StepDocument,
  before: string | undefined,
  sources: Readonly<Record<string, Source>>,
): Source | null | undefined {
  const named = Object.values(sources).map((source) => source.step);
  if (step.needs === undefined) {
    if (named.length > 0) return null;
    return { step: before ?? null, output: null };
  }
  if (step.needs.length === 0) return named.length > 0 ? null : { step: null, output: null };
  const left = [...new Set(step.needs)].filter((name) => !named.includes(name));
  if (left.length > 1) return undefined;
  return left[0] === undefined ? null : { step: left[0], output: null };
}

/**
 * The steps with their defaults filled in. `undecided` are the indices of those that have to say where their input
 * comes from.
 *
 * @param declared what the definition of each step declares
 */
export function stepsOf(
  document: PipelineDocument,
  declared: readonly (StepInputs | null)[] = [],
): { steps: Step[]; undecided: number[] } {
  const undecided: number[] = [];
  const steps = document.steps.map((step, index): Step => {
    const said = step.input === undefined ? undefined : step.input === null ? null : sourceOf(step.input);
    const takes = declared[index] ?? null;
    const { sources: inputs, values } = inputsIn(step, takes);
    // Without a file to go into, nothing comes from the step before.
    const idle = takes !== null && said === undefined && (takes.body === null || takes.body in inputs);
    const unsaid = idle
      ? null
      : said === undefined
        ? unsaidInput(step, document.steps[index - 1]?.name, inputs)
        : said;
    if (unsaid === undefined) undecided.push(index);
    let input = unsaid ?? null;
    if (takes?.main != null && inputs[takes.main] !== undefined) {
      input = inputs[takes.main] ?? null;
      delete inputs[takes.main];
    } else if (takes?.body != null && takes.main === null && input !== null) {
      inputs[takes.body] = input;
      input = null;
    }
    const sources = [input, ...Object.values(inputs)].flatMap((source) =>
      source === null || source.step === null ? [] : [source.step],
    );
    const { each } = step;
    return {
      name: step.name,
      definition: definitionIdOf(step.process_definition),
      needs: [...new Set([...(step.needs ?? []), ...sources])],
      input,
      inputs,
      ...(Object.keys(values).length === 0 ? {} : { values }),
      each:
        each === undefined
          ? null
          : {
              over: each.over,
              files: each.files ?? null,
              concurrency: each.concurrency ?? null,
              gather: each.gather ?? 'concat',
            },
      tee: step.tee ?? false,
      environment: { ...step.environment },
      timeout: step.timeout ?? null,
    };
  });
  return { steps, undecided };
}

/** The steps that no other step reads from or waits for. */
export function endsOf(steps: readonly Step[]): Step[] {
  const needed = new Set(steps.flatMap(({ needs }) => needs));
  return steps.filter(({ name }) => !needed.has(name));
}

/** Every step after those that it needs, otherwise in the given order; steps in a circle are left out. */
export function inOrder<T extends Pick<Step, 'name' | 'needs'>>(steps: readonly T[]): T[] {
  const done = new Set<string>();
  const ordered: T[] = [];
  for (let left = [...steps]; ; ) {
    const ready = left.find(({ needs }) => needs.every((name) => done.has(name)));
    if (ready === undefined) return ordered;
    ordered.push(ready);
    done.add(ready.name);
    left = left.filter((step) => step !== ready);
  }
}

/** A circle of steps that need each other, from one of them back to it; undefined if there is none. */
export function circleOf(steps: readonly Step[]): string[] | undefined {
  const ordered = new Set(inOrder(steps).map(({ name }) => name));
  const left = new Map(steps.filter(({ name }) => !ordered.has(name)).map((step) => [step.name, step]));
  // Every step that is left needs another one that is left, so following them must come back to one seen before.
  const path: string[] = [];
  for (let name = left.keys().next().value; name !== undefined; ) {
    const seen = path.indexOf(name);
    if (seen >= 0) return [...path.slice(seen), name];
    path.push(name);
    name = left.get(name)?.needs.find((need) => left.has(need));
  }
  return undefined;
}
