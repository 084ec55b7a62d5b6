import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import type { Plan } from '../../domain/pipelines/pipeline-plan.js';
import type { StepCount } from '../../store/step-jobs.js';
import { shownStep } from '../pipelines/pipeline-runs.js';
import type { Shown } from '../resource.js';
import { jobUri } from './job-view.js';

/** The steps of a pipeline's job with their states and times: the graph as the API shows it. */
export function shownSteps({ plan }: Job, counts: readonly StepCount[]): Shown[] {
  const { steps, totals } = plan as Plan;
  return steps.map((step) => {
    const mine = counts.filter((count) => count.step === step.name);
    const times = {
      started: earliest(mine.map(({ started }) => started)),
      ended: mine.some(({ state }) => isUnfinished(state)) ? null : latest(mine.map(({ ended }) => ended)),
    };
    return {
      ...shownStep(step),
      ...(step.each === null
        ? single(mine)
        : several(mine, new Map(Object.entries(totals)).get(step.name) ?? null)),
      ...times,
    };
  });
}

function single([only]: readonly StepCount[]): Shown {
  return {
    state: only?.state ?? null,
    job: only === undefined ? null : jobUri(only.uuid),
    attempt: only?.attempt ?? 0,
    outcome: only?.outcome ? (JSON.parse(only.outcome) as unknown) : null,
  };
}

function several(mine: readonly StepCount[], total: number | null): Shown {
  const count = (wanted: (state: StepCount['state']) => boolean) =>
    mine.filter(({ state }) => wanted(state)).reduce((sum, one) => sum + one.count, 0);
  const failed = count((state) => state === 'FAILED');
  const running = count((state) => state === 'RUNNING');
  const waiting = count((state) => state === 'CREATED' || state === 'RESET');
  const finished = count(() => true) - failed - running - waiting;
  const state =
    failed > 0 ? 'FAILED' : finished === total ? 'FINISHED' : mine.length === 0 ? null : 'RUNNING';
  return {
    state,
    job: null,
    items: { total, waiting, running, finished, failed },
    attempt: Math.max(0, ...mine.map(({ attempt }) => attempt)),
    outcome: null,
  };
}

const dates = (list: readonly (string | null)[]) =>
  list.filter((date) => date !== null).map((date) => new Date(date).toISOString());
const earliest = (list: readonly (string | null)[]) => dates(list).sort()[0] ?? null;
const latest = (list: readonly (string | null)[]) => dates(list).sort().at(-1) ?? null;
