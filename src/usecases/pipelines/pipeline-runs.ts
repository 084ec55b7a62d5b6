import { missingInput, needsInput } from '../../domain/definitions/command.js';
import { checkEnvironment } from '../../domain/definitions/definition-rules.js';
import { type Job, newJob, pipelineExecutor } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { stepsAgain } from '../../domain/pipelines/pipeline.js';
import { sourceText } from '../../domain/pipelines/pipeline-document.js';
import type { Plan, PlannedStep } from '../../domain/pipelines/pipeline-plan.js';
import { PenstockError, type Problem } from '../../lib/errors.js';
import type { RunDocument } from '../../lib/generated/run-request.js';
import { nearest } from '../../lib/nearest.js';
import type { ValueSchema } from '../../lib/value-schema.js';
import type { IdempotencyKey } from '../../store/companions.js';
import { fileSize, type JobFiles } from '../../store/folder/job-files.js';
import type { PipelineRow } from '../../store/pipelines.js';
import type { Store } from '../../store/store.js';
import type { Actor } from '../actor.js';
import { invalid, objectBody } from '../body.js';
import { newJobToken } from '../external-jobs/job-tokens.js';
import { definitionUri } from '../jobs/job-view.js';
import type { JobService } from '../jobs/jobs.js';
import type { Shown } from '../resource.js';
import { checkNamed, namedDigests } from '../runs/checked-inputs.js';
import type { Once } from '../runs/idempotency.js';
import type { TakenInputs } from '../runs/intake.js';
import type { Received, Receiver } from '../runs/receive.js';
import { checkedRequest, namesOnly, type RunService } from '../runs/runs.js';
import type { Submitted } from '../runs/submitted.js';
import type { WhereService } from '../runs/whereabouts.js';
import { hashToken } from '../users/logins.js';
import { checkedOwn, checkStepValues, ownInputs, pipelineForm, takenBy } from './pipeline-run-inputs.js';
import type { Planned } from './pipeline-steps.js';
import type { PipelineService } from './pipelines.js';

/** The part of the worker that runs accepted pipelines. */
interface PipelineWorker {
  submit(job: Job): void;
  resume(job: Job, again: string[], by: string): Promise<Job>;
}

/** Running pipelines of steps, and resuming them. */
export function pipelineRunService(given: {
  store: Store;
  files: JobFiles;
  jobs: JobService;
  pipelines: PipelineService;
  runs: RunService;
  receiver: Receiver;
  worker: PipelineWorker;
  once: Once;
  where: WhereService;
}) {
  const { store, files, jobs, pipelines, runs, receiver, worker, once, where } = given;

  /** Problems of steps that cannot run where the run, or their own definition, asks for it. */
  function wrongSteps({ plan, definitions }: Planned, document: RunDocument): Problem[] {
    return plan.steps.flatMap((step): Problem[] => {
      const definition = definitions.get(step.definition)?.document;
      if (definition === undefined) return [];
      const { environment = {} } = document;
      return [
        ...checkEnvironment(definition, environment),
        ...where.check(definition, document).map(({ pointer, detail }) => ({
          pointer,
          detail: `the step '${step.name}': ${detail}`,
        })),
      ];
    });
  }

  /** Problems of a run without an input: steps that take the pipeline's input and whose commands name it. */
  function withoutInput({ plan, definitions }: Planned, document: RunDocument): Problem[] {
    return plan.steps.flatMap(({ name, definition, input, each, environment }): Problem[] => {
      const command = definitions.get(definition)?.definition;
      if (command === undefined || input === null || input.step !== null) return [];
      if (input.output !== null || each !== null) return [];
      if (!needsInput(command, { ...environment, ...document.environment })) return [];
      return [{ pointer: '/input', detail: `the step '${name}': ${missingInput(command)}` }];
    });
  }

  async function accept(
    actor: Actor,
    row: PipelineRow,
    received: Received,
    document: RunDocument,
    key: IdempotencyKey | null,
  ): Promise<Submitted> {
    const { input: _, inputs: _inputs, ...request } = document;
    const { environment } = request;
    const planned = await pipelines.planFor(actor, row, request);
    const { plan } = planned;
    const wrong = wrongSteps(planned, document);
    if (wrong.length > 0) throw invalid('invalid-body', wrong);
    const inputs = checkedOwn(row, received);
    if (inputs === null) checkNamed(ownInputs(plan), received);
    else checkStepValues(planned, inputs);
    if (received.input === null) {
      const missing = withoutInput(planned, document);
      if (missing.length > 0) throw invalid('invalid-body', missing);
    }
    runs.checkQueue(actor);
    if (environment !== undefined) files.keepEnvironment(received.uuid, environment);
    if (inputs !== null && Object.keys(inputs.secrets).length > 0)
      files.keepSecrets(received.uuid, inputs.secrets);
    const token = newJobToken();
    const job = await jobs.create(
      {
        ...newJob(received.uuid, actor.id, pipelineExecutor),
        pipelineId: row.id,
        priority: request.priority ?? 0,
        request: {
          ...request,
          ...(inputs === null ? {} : { inputs: inputs.stored }),
          ...(environment === undefined ? {} : { environment: namesOnly(environment) }),
        },
        inputName: received.input?.name ?? null,
        inputSize: received.input?.size ?? null,
        outputName: request.output?.name ?? null,
        tokenHash: hashToken(token),
        plan,
      },
      { pipeline: row.id, steps: plan.steps.map(({ name }) => name) },
      { key },
    );
    files.accept(job.uuid);
    worker.submit(job);
    return { job, token };
  }

  /** The outputs of steps that succeeded are used again, so they must still exist. */
  async function checkOutputs(job: Job, again: readonly string[]): Promise<void> {
    const { steps } = job.plan as Plan;
    const passedOn = new Set(
      steps.filter(({ joinedTo, tee }) => joinedTo !== null && !tee).map(({ name }) => name),
    );
    for (const { step, state, uuid } of await store.stepJobs.counts(job.id)) {
      const one = steps.find(({ name }) => name === step);
      if (one === undefined || one.each !== null || again.includes(step) || passedOn.has(step)) continue;
      if (state === 'FAILED' || isUnfinished(state)) continue;
      const { outputPath } = (await store.jobs.byUuid(uuid)) ?? { outputPath: null };
      if (outputPath !== null && fileSize(`${files.folder(uuid)}/${outputPath}`) !== null) continue;
      const detail = `The output of the step '${step}' no longer exists. Resume from that step: {"from": "${step}"}.`;
      throw new PenstockError('conflict', detail);
    }
  }

  return {
    find: (actor: Actor, id: string): Promise<PipelineRow> => pipelines.find(actor, id),

    check: (actor: Actor): void => runs.checkQueue(actor),

    // The definition of the step that takes it names it.
    inputName: (_row: PipelineRow): string | undefined => undefined,

    form: (row: PipelineRow): ValueSchema => pipelineForm(row),

    takenInputs: (row: PipelineRow): TakenInputs => takenBy(row),

    checkedDocument: (_row: PipelineRow, value: unknown): RunDocument => checkedRequest(value),

    /**
     * Creates a job from what was received, with the current definitions. When this returns, the job is durable.
     *
     * @param key the Idempotency-Key, if there is one
     */
    async submit(
      actor: Actor,
      row: PipelineRow,
      received: Received,
      document: RunDocument,
      key: string | null,
    ): Promise<Submitted> {
      if (key === null) return accept(actor, row, received, document, null);
      return once(
        actor,
        key,
        [
          'pipeline',
          row.id,
          document,
          received.input?.name ?? null,
          received.digest,
          ...namedDigests(received),
          ...(takenBy(row).declared ? [received.values, received.files] : []),
        ],
        (stored) => accept(actor, row, received, document, stored),
        () => receiver.drop(received),
      );
    },

    /** What would run. Starts and stores nothing. */
    async dryRun(actor: Actor, row: PipelineRow, document: RunDocument, received: Received): Promise<Shown> {
      const planned = await pipelines.planFor(actor, row, document);
      const inputs = checkedOwn(row, received);
      if (inputs !== null) checkStepValues(planned, inputs);
      const { plan, definitions } = planned;
      const wrong = wrongSteps(planned, document);
      if (wrong.length > 0) throw invalid('invalid-body', wrong);
      const steps = plan.steps.flatMap((step): Shown[] => {
        const definition = definitions.get(step.definition);
        if (definition === undefined) return [];
        const { environment } = { environment: { ...step.environment, ...document.environment } };
        const timeout = step.timeout === null ? {} : { timeout: step.timeout };
        const { executor } = document;
        const there = executor === undefined ? {} : { executor };
        const command = runs.dryRun(definition, { environment, ...timeout, ...there }, null);
        return [{ ...shownStep(step), command }];
      });
      return { steps, output: sourceText(plan.output), timeout: document.timeout ?? plan.timeout };
    },

    /**
     * Resumes a failed pipeline's job where it failed, and reuses what succeeded.
     *
     * @param body `{"from": "step"}` begins with that step; null or an empty object begins where it failed
     */
    async resume(actor: Actor, job: Job, body: unknown): Promise<Job> {
      const { from } = objectBody(body ?? {}, ['from'], 'a resume') as { from?: unknown };
      if (job.executor !== pipelineExecutor) {
        throw new PenstockError('illegal-transition', 'Only the job of a pipeline of steps can be resumed.');
      }
      if (job.state !== 'FAILED') {
        throw new PenstockError(
          'illegal-transition',
          `The job is ${job.state}; only a failed job can be resumed.`,
        );
      }
      const plan = job.plan as Plan;
      const names = plan.steps.map(({ name }) => name);
      if (from !== undefined && !(typeof from === 'string' && names.includes(from))) {
        const near = typeof from === 'string' ? nearest(from, names) : undefined;
        const hint = near === undefined ? `there are ${names.join(', ')}` : `did you mean "${near}"?`;
        throw invalid('invalid-body', [
          { pointer: '/from', detail: `it is not a step of this job; ${hint}` },
        ]);
      }
      if (job.cleared !== null) {
        const at = job.cleared.toISOString();
        throw new PenstockError(
          'conflict',
          `The files of this job were cleared at ${at}. Run the pipeline again.`,
        );
      }
      const counts = await store.stepJobs.counts(job.id);
      const failed = new Set(counts.filter(({ state }) => state === 'FAILED').map(({ step }) => step));
      const again = stepsAgain(plan, failed, from === undefined ? null : (from as string));
      await checkOutputs(job, again);
      runs.checkQueue(actor);
      return worker.resume(job, again, actor.username);
    },
  };
}

/** A step of a plan as the API shows it. */
export const shownStep = (step: PlannedStep): Shown => ({
  name: step.name,
  process_definition: definitionUri(step.definition),
  revision: step.revision,
  needs: step.needs,
  input: step.input === null ? null : sourceText(step.input),
  inputs: Object.fromEntries(Object.entries(step.inputs).map(([name, source]) => [name, sourceText(source)])),
  each: step.each,
  joined_to: step.joinedTo,
});

export type PipelineRunService = ReturnType<typeof pipelineRunService>;
