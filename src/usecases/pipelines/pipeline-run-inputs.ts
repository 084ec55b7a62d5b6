import { formOf } from '../../domain/inputs/form.js';
import { type CheckedInputs, checkInputs, takerOf } from '../../domain/inputs/input-values.js';
import { type Step, stepsOf } from '../../domain/pipelines/pipeline-document.js';
import { filledValues, pipelineInputs } from '../../domain/pipelines/pipeline-inputs.js';
import { sourcesOf } from '../../domain/pipelines/pipeline-plan.js';
import type { Problem } from '../../lib/errors.js';
import type { PipelineDocument } from '../../lib/generated/pipeline-steps.js';
import type { ValueSchema } from '../../lib/value-schema.js';
import type { PipelineRow } from '../../store/pipelines.js';
import { invalid } from '../body.js';
import { olderInputs, type TakenInputs } from '../runs/intake.js';
import type { Received } from '../runs/receive.js';
import type { Planned } from './pipeline-steps.js';

const documentOf = (row: PipelineRow): PipelineDocument | null =>
  row.type === 'steps' ? (JSON.parse(row.document) as PipelineDocument) : null;

/** The inputs that a run of a pipeline may send. */
export function takenBy(row: PipelineRow): TakenInputs {
  const document = documentOf(row);
  const own = document === null ? null : pipelineInputs(document);
  if (own !== null) return { ...own, declared: true };
  return olderInputs(document === null ? [] : ownInputs(stepsOf(document)));
}

/** What a form for running a pipeline needs. */
export function pipelineForm(row: PipelineRow): ValueSchema {
  const document = documentOf(row);
  const outputs = Object.entries(document?.outputs ?? { output: {} });
  return formOf({
    title: row.name,
    description: document?.description ?? null,
    inputs: takenBy(row).inputs,
    outputs: outputs.map(([name, written]) => ({ name, written, mediaType: null })),
  });
}

/** The inputs that a pipeline declares, checked; null if it declares none. Throws `invalid-input`. */
export function checkedOwn(row: PipelineRow, received: Received): CheckedInputs | null {
  const { declared, inputs, main } = takenBy(row);
  if (!declared) return null;
  const taker = { inputs, mainInput: main, argv: [], paths: [] };
  const checked = checkInputs(taker, { values: received.values, files: received.files });
  if (Array.isArray(checked)) throw invalid('invalid-input', checked);
  return checked;
}

/** Checks the values of steps that depend on nothing but the pipeline's inputs, before there is a job. */
export function checkStepValues({ plan, definitions }: Planned, { stored, secrets }: CheckedInputs): void {
  const problems = plan.steps.flatMap((step): Problem[] => {
    const definition = definitions.get(step.definition)?.definition;
    if (definition?.inputs == null) return [];
    const values = filledValues(step.values ?? {}, { ...stored, ...secrets });
    // What comes from other steps, or is a file, is not there yet.
    const inputs = definition.inputs.filter(
      ({ name, kind }) => kind === 'value' && step.inputs[name] === undefined,
    );
    const checked = checkInputs({ ...takerOf(definition), inputs }, { values, files: {} });
    if (!Array.isArray(checked)) return [];
    return checked.map(({ pointer, detail }) => ({
      pointer: inputsBehind(step.values?.[pointer.split('/')[2] ?? '']) ?? pointer,
      detail: `the step '${step.name}': ${detail}`,
    }));
  });
  if (problems.length > 0) throw invalid('invalid-input', problems.slice(0, 50));
}

/** The pointer to the input of the pipeline that a value is nothing but. */
function inputsBehind(value: unknown): string | undefined {
  const name = typeof value === 'string' ? /^\$\{inputs\.([A-Za-z0-9_-]+)\}$/.exec(value)?.[1] : undefined;
  return name === undefined ? undefined : `/inputs/${name}`;
}

/** The names of a pipeline's inputs besides its main one: `pipeline.NAME` in its steps. */
export const ownInputs = ({ steps }: { steps: readonly Step[] }): string[] => [
  ...new Set(
    steps
      .flatMap(sourcesOf)
      .flatMap(({ step, output }) => (step === null && output !== null ? [output] : [])),
  ),
];
