import type { PipelineDocument } from '../../lib/generated/pipeline-steps.js';

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

/** Where a step's input comes from by default; undefined if the step has to say it. */
function unsaidInput(step: StepDocument, before: string | undefined): Source | null | undefined {
  const named = Object.values(step.inputs ?? {}).map((text) => sourceOf(text).step);
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
 */
export function stepsOf(document: PipelineDocument): { steps: Step[]; undecided: number[] } {
  const undecided: number[] = [];
  const steps = document.steps.map((step, index): Step => {
    const said = step.input === undefined ? undefined : step.input === null ? null : sourceOf(step.input);
    const unsaid = said === undefined ? unsaidInput(step, document.steps[index - 1]?.name) : said;
    if (unsaid === undefined) undecided.push(index);
    const input = unsaid ?? null;
    const inputs = Object.fromEntries(
      Object.entries(step.inputs ?? {}).map(([name, text]) => [name, sourceOf(text)]),
    );
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
