import type { PipelineDocument } from '../../lib/generated/pipeline-steps.js';
import type { ProcessDefinition } from '../definitions/process-definition.js';
import type { Outcome } from '../jobs/outcome.js';
import type { Moment } from '../moment.js';
import {
  endsOf,
  inOrder,
  type Source,
  type Step,
  sourceOf,
  stepInputsOf,
  stepsOf,
} from './pipeline-document.js';

/** What a step's job runs: a definition as it was when the pipeline's job was accepted. */
interface Pinned {
  /** The id of the stored revision, and its number. */
  revisionId: number;
  revision: number;
}

/** A step as a pipeline's job runs it. */
export interface PlannedStep extends Step, Pinned {
  /** The step that reads this one's output through a kernel pipe while both run; null if none does. */
  joinedTo: string | null;
}

/** What a pipeline's job does, fixed when it was accepted; the last three are set while it runs. */
export interface Plan {
  /** Ordered so that each step comes after those that it needs. */
  steps: PlannedStep[];
  output: Source;
  /** The pipeline's declared outputs, by name. */
  outputs?: Record<string, Source>;
  /** Seconds from when it was accepted or resumed; null is no limit. */
  timeout: number | null;
  /** When it was accepted or resumed; missing in older plans, and in those that have not begun. */
  began?: Moment;
  /** The number of items of steps that run once per item, as far as they have been counted. */
  totals: Record<string, number>;
  /** Why everything must end: it was cancelled, or timed out. The first reason is kept. */
  stop: Outcome | null;
  /** While it is being resumed: the steps that are run again although they succeeded. */
  again: string[] | null;
}

type Runs = Pinned & { definition: ProcessDefinition; inputs: readonly string[]; outputs: readonly string[] };

/**
 * The plan of a pipeline whose document has passed the rules.
 *
 * @param runs what each step of the document runs, in their order
 * @param executor the executor that the run asks for; undefined leaves it to each definition
 */
export function planOf(document: PipelineDocument, runs: readonly Runs[], executor?: string): Plan {
  const { steps } = stepsOf(
    document,
    runs.map(({ definition }) => stepInputsOf(definition)),
  );
  const output = document.output === undefined ? wholeOf(endsOf(steps)[0]?.name) : sourceOf(document.output);
  const byName = new Map(steps.map((step, index) => [step.name, { step, run: runs[index] as Runs }]));
  const planned = inOrder(steps).map((step): PlannedStep => {
    const { revisionId, revision } = byName.get(step.name)?.run as Runs;
    return { ...step, revisionId, revision, joinedTo: joinedTo(step, steps, output, byName, executor) };
  });
  const outputs = Object.entries(document.outputs ?? {}).map(([name, { step, output: own }]) => [
    name,
    { step, output: own ?? null },
  ]);
  const declared =
    outputs.length === 0 ? {} : { outputs: Object.fromEntries(outputs) as Record<string, Source> };
  return {
    steps: planned,
    output,
    ...declared,
    timeout: document.timeout ?? null,
    totals: {},
    stop: null,
    again: null,
  };
}

const wholeOf = (step: string | undefined): Source => ({ step: step ?? null, output: null });

/**
 * The step that can read this one's output while it is being written: this step's standard output must be all that the
 * reader needs, and nobody else may need it.
 */
function joinedTo(
  step: Step,
  steps: readonly Step[],
  output: Source,
  byName: ReadonlyMap<string, { run: Runs }>,
  executor: string | undefined,
): string | null {
  if (output.step === step.name && output.output === null) return null;
  const takers = steps.filter((other) => sourcesOf(other).some((source) => source.step === step.name));
  const [next] = takers;
  if (takers.length !== 1 || next === undefined) return null;
  if (next.input?.step !== step.name || next.input.output !== null) return null;
  const writer = byName.get(step.name)?.run;
  const reader = byName.get(next.name)?.run;
  if (writer === undefined || reader === undefined) return null;
  // The reader starts with the writer, so it must not have to wait for anything else.
  const alone = next.needs.length === 1 && next.inputs !== undefined && Object.keys(next.inputs).length === 0;
  const plain = [step, next].every(({ each }) => each === null) && [writer, reader].every(isPlain);
  const fits = alone && plain && writesStdout(writer.definition) && readsStdin(reader.definition);
  // The reader starts without waiting its turn, so it must have no concurrency limit of its own.
  const free = reader.definition.concurrency === null;
  // A pipe joins programs on one machine, this one.
  const here = [writer, reader].every(({ definition }) => (executor ?? definition.executor) === 'local');
  // Bytes in a pipe are in no file, so their size cannot be limited.
  const unbounded = writer.definition.limits.outputSize === null;
  return fits && free && here && unbounded ? next.name : null;
}

const isPlain = ({ definition, inputs, outputs }: Runs): boolean => {
  // A declared main output has a name as well.
  const others = outputs.filter((name) => name !== definition.mainOutput);
  return inputs.length === 0 && others.length === 0 && definition.retries.limit === 0;
};

const writesStdout = ({ output }: ProcessDefinition): boolean =>
  output === null || (output.type === 'file' && output.via === 'stream' && output.stream === 'STDOUT');

const readsStdin = ({ input }: ProcessDefinition): boolean =>
  input === null || (input.type === 'file' && input.via === 'stream');

/** All sources that a step reads. */
export function sourcesOf({ input, inputs }: Pick<Step, 'input' | 'inputs'>): Source[] {
  return [...(input === null ? [] : [input]), ...Object.values(inputs)];
}

/** The steps that start together with this one, itself included, in the order of the pipe. */
export function groupOf(plan: Plan, name: string): PlannedStep[] {
  const group: PlannedStep[] = [];
  const before = (one: string) => plan.steps.find(({ joinedTo }) => joinedTo === one);
  let step = plan.steps.find((each) => each.name === name);
  for (let earlier = step && before(step.name); earlier !== undefined; earlier = before(earlier.name)) {
    step = earlier;
  }
  while (step !== undefined) {
    group.push(step);
    const next: string | null = step.joinedTo;
    step = next === null ? undefined : plan.steps.find((each) => each.name === next);
  }
  return group;
}
