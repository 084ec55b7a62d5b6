import type { Outcome } from '../jobs/outcome.js';
import { succeeded } from '../jobs/outcome.js';
import type { DefinitionTest } from './process-definition.js';

/** The result of running an example: how the program ended, and its output, or null if there is none. */
interface ExampleResult {
  outcome: Outcome;
  output: Uint8Array | null;
}

/** Characters shown on each side of a difference. */
const shownAround = 30;

/** How an example's result differs from what was expected, as sentences; null if it does not. */
export function exampleProblem(
  { expect }: Pick<DefinitionTest, 'expect'>,
  { outcome, output }: ExampleResult,
  successCodes: readonly number[],
): string | null {
  const problems = [
    endProblem(expect.exitCode, outcome, successCodes),
    expect.output === null ? null : outputProblem(expect.output, output),
  ].filter((problem) => problem !== null);
  return problems.length === 0 ? null : problems.join(' ');
}

function endProblem(
  expected: number | null,
  outcome: Outcome,
  successCodes: readonly number[],
): string | null {
  if (expected === null ? succeeded(outcome, successCodes) : succeeded(outcome, [expected])) return null;
  const { cause, exit_code, signal, reason } = outcome;
  const came = cause === 'exit' ? `it exited with ${exit_code}` : `its end was ${signal ?? cause}`;
  const wanted = expected === null ? 'It did not succeed' : `It was to exit with ${expected}`;
  return `${wanted}: ${came}${reason === null ? '.' : ` (${reason.replace(/\.$/, '')}).`}`;
}

function outputProblem(expected: string, output: Uint8Array | null): string | null {
  if (output === null) return 'There is no output.';
  const wanted = new TextEncoder().encode(expected);
  const most = Math.max(wanted.length, output.length);
  let at = 0;
  while (at < most && wanted[at] === output[at]) at += 1;
  if (at === most) return null;
  return `The output differs at byte ${at}: ${part(output, at)} instead of ${part(wanted, at)}.`;
}

/** Some text around a byte offset, quoted; dots mark where it is cut. */
function part(bytes: Uint8Array, at: number): string {
  const from = Math.max(0, at - shownAround);
  const to = Math.min(bytes.length, at + shownAround);
  if (at >= bytes.length) return bytes.length === 0 ? 'nothing' : `the end after ${quoted(bytes, from, at)}`;
  return `${from > 0 ? '…' : ''}${quoted(bytes, from, to)}${to < bytes.length ? '…' : ''}`;
}

const quoted = (bytes: Uint8Array, from: number, to: number): string =>
  JSON.stringify(new TextDecoder().decode(bytes.subarray(from, to)));
