import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from 'vitest/node';

/** A test that was not run, or did not pass, and why. */
interface Told {
  name: string;
  file: string;
  why: string;
}

/** What `npm test` says at its end: how many tests there were, what was not run, what failed, and what took longest. */
export interface Summary {
  passed: number;
  failed: Told[];
  skipped: Told[];
  /** Passed, but not at the first try: each is a fault of the test or of the product that waits to be found. */
  unsteady: Told[];
  /** The files that took longest, in seconds, the longest first. */
  longest: { file: string; seconds: number }[];
}

const mostLongest = 10;

/** A group that is skipped as a whole says why in its name: `a server over TLS (skipped: there is no openssl)`. */
const inName = /\s*\(skipped: (.*)\)$/;

/** The outermost group that holds nothing but skipped tests: it is named once instead of each of its tests. */
function skippedAsWhole(test: TestCase): TestCase | TestSuite {
  let found: TestCase | TestSuite = test;
  for (let parent = test.parent; parent.type === 'suite'; parent = parent.parent) {
    if ([...parent.children.allTests()].some((each) => each.result().state !== 'skipped')) break;
    found = parent;
  }
  return found;
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  return (
    note ??
    inName.exec(test.fullName.replaceAll(') > ', ')\n').split('\n')[0] ?? '')?.[1] ??
    'no reason given'
  );
}

/** The first line of what went wrong. */
const firstLine = (errors: readonly { message: string }[] | undefined): string =>
  errors?.[0]?.message.split('\n')[0]?.slice(0, 300) ?? 'no reason given';

/** Counts the tests of a run and writes the summary as JSON to the file that PENSTOCK_TEST_SUMMARY names. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const summary: Summary = { passed: 0, failed: [], skipped: [], unsteady: [], longest: [] };
    if (errors.length > 0) summary.failed.push({ name: 'the run', file: 'no file', why: firstLine(errors) });
    const groups = new Map<TestCase | TestSuite, Told>();
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      const file = module.relativeModuleId;
      // A file that cannot even be loaded has no tests that could fail.
      const broken = module.errors();
      if (broken.length > 0) summary.failed.push({ name: 'the file', file, why: firstLine(broken) });
      for (const test of tests) {
        const { state, errors } = test.result();
        if (state === 'passed') {
          summary.passed += 1;
          if (test.diagnostic()?.flaky)
            summary.unsteady.push({ name: test.fullName, file, why: firstLine(errors) });
        } else if (state === 'failed')
          summary.failed.push({ name: test.fullName, file, why: firstLine(errors) });
        else {
          const group = skippedAsWhole(test);
          const name = group.fullName.replace(inName, '');
          groups.set(group, { name, file, why: reasonOf(test) });
          summary.skipped.push({ name: test.fullName, file, why: reasonOf(test) });
        }
      }
    }
    summary.longest = modules
      .map((module) => ({
        file: module.relativeModuleId,
        seconds: Math.round(module.diagnostic().duration / 1000),
      }))
      .sort((a, b) => b.seconds - a.seconds)
      .slice(0, mostLongest);
    for (const { name, file, why } of groups.values()) console.log(`skipped: ${name} (${file}): ${why}`);
    const target = process.env.PENSTOCK_TEST_SUMMARY;
    if (target !== undefined) writeFileSync(target, JSON.stringify(summary));
  }
}
