import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type FeederPlan, type FeederReport, planFile, reportFile } from '../../domain/feeder/feeder-plan.js';
import { exited, type Outcome, succeeded } from '../../domain/jobs/outcome.js';
import type { AdapterContext, PreparedInput, PreparedOutput } from '../../drivers/adapters/adapter.js';
import { keptOutput } from '../../drivers/adapters/fed.js';
import type { Companion } from '../../drivers/executors/executor.js';
import { programFile } from '../../lib/package.js';

/** The feeder is a program of its own beside this one, as it was built. */
const program = programFile('feeder');

/** Whether a feeder was given something to do for the attempt with that folder. */
export const hasFeeder = (folder: string): boolean => existsSync(path.join(folder, planFile));

/** Writes down what the feeder is to do, if there is anything, and gives the companion that does it. */
export async function planFeeder(
  context: AdapterContext,
  given: PreparedInput,
  wanted: PreparedOutput,
): Promise<Companion[]> {
  const inlet = given.inlet ?? null;
  const outlet = wanted.outlet ?? null;
  if (inlet === null && outlet === null) return [];
  const { folder, feed, input, definition } = context;
  const plan: FeederPlan = {
    inlet,
    outlet,
    feed,
    input: feed === null ? (input?.file ?? null) : null,
    output: feed === null && outlet !== null ? await keptOutput(context) : null,
    limit: definition.limits.outputSize,
    killGrace: definition.killGrace,
  };
  writeFileSync(path.join(folder, planFile), JSON.stringify(plan), { mode: 0o600 });
  return [
    {
      name: 'the feeder',
      argv: [process.execPath, '--max-semi-space-size=4', program],
      stderr: path.join(folder, 'feeder.log'),
      attends: true,
    },
  ];
}

/**
 * How a run with a feeder ended: what the feeder says counts where it could not do its work, or has ended a program
 * that had done its own.
 */
export function withFeeder({ folder, feed, definition }: AdapterContext, outcome: Outcome): Outcome {
  if (!hasFeeder(folder)) return outcome;
  const report = readReport(path.join(folder, reportFile));
  if (report === null) return outcome;
  // Who ended it has given the reason.
  if (!['exit', 'signal', 'platform'].includes(outcome.cause)) return outcome;
  if (report.problem !== null) return { ...outcome, cause: 'platform', reason: sentence(report.problem) };
  if (report.toldToEnd !== null && endedAsTold(outcome)) {
    const reason = `It had read all of its input and was quiet for ${report.toldToEnd} s: it was told to end, by SIGTERM.`;
    return { ...exited(0), reason };
  }
  const [port] = report.unheard;
  if (port !== undefined && feed === null && succeeded(outcome, definition.successCodes)) {
    return {
      ...outcome,
      cause: 'platform',
      reason: `It ended well, but never listened on the port ${port}.`,
    };
  }
  return outcome;
}

function readReport(file: string): FeederReport | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as FeederReport;
  } catch {
    return null;
  }
}

/** SIGTERM, as the kernel tells it, or a shell, or a program that has caught it and ended well. */
const endedAsTold = ({ cause, signal, exit_code: code }: Outcome): boolean =>
  (cause === 'signal' && signal === 'SIGTERM') || (cause === 'exit' && (code === 0 || code === 143));

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
