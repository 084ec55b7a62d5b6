import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type FeederPlan, type FeederReport, planFile, reportFile } from '../../domain/feeder/feeder-plan.js';
import { exited, type Outcome, succeeded } from '../../domain/jobs/outcome.js';
import type { AdapterContext, PreparedInput, PreparedOutput } from '../../drivers/adapters/adapter.js';
import { keptOutput } from '../../drivers/adapters/fed.js';
import type { Companion } from '../../drivers/executors/executor.js';
import { programFile } from '../../lib/package.js';

/** The feeder is a separate program, built next to this one. */
const program = programFile('feeder');

/** Whether the attempt with that folder has a feeder. */
export const hasFeeder = (folder: string): boolean => existsSync(path.join(folder, planFile));

/** Writes the feeder's plan, if there is anything to do, and returns the companion that carries it out. */
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
 * How a run with a feeder ended. The feeder's report decides if the feeder failed, or ended a program that had finished
 * its work.
 */
export function withFeeder({ folder, feed, definition }: AdapterContext, outcome: Outcome): Outcome {
  if (!hasFeeder(folder)) return outcome;
  const report = readReport(path.join(folder, reportFile));
  if (report === null) return outcome;
  // Whatever ended it has already given the reason.
  if (!['exit', 'signal', 'platform'].includes(outcome.cause)) return outcome;
  if (report.problem !== null) return { ...outcome, cause: 'platform', reason: sentence(report.problem) };
  if (report.toldToEnd !== null && endedAsTold(outcome)) {
    const reason = `It had read all its input and was quiet for ${report.toldToEnd} s, so it was sent SIGTERM.`;
    return { ...exited(0), reason };
  }
  const [port] = report.unheard;
  if (port !== undefined && feed === null && succeeded(outcome, definition.successCodes)) {
    return {
      ...outcome,
      cause: 'platform',
      reason: `It succeeded, but never listened on the port ${port}.`,
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

/** Ended by SIGTERM as reported by the kernel or a shell, or by a program that caught it and exited with success. */
const endedAsTold = ({ cause, signal, exit_code: code }: Outcome): boolean =>
  (cause === 'signal' && signal === 'SIGTERM') || (cause === 'exit' && (code === 0 || code === 143));

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
