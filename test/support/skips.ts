import { writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node';

/** What `npm test` says at its end: how many tests there were, and what was not run. */
export interface Summary {
  passed: number;
  failed: number;
  skipped: { name: string; file: string; why: string }[];
}

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

/** Counts the tests of a run and writes the summary as JSON to the file that PENSTOCK_TEST_SUMMARY names. */
export default class Skips implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const summary: Summary = { passed: 0, failed: errors.length, skipped: [] };
    const groups = new Map<TestCase | TestSuite, Summary['skipped'][number]>();
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      // A file that cannot even be loaded has no tests that could fail.
      if (module.errors().length > 0) summary.failed += 1;
      for (const test of tests) {
        const { state } = test.result();
        if (state === 'passed') summary.passed += 1;
        else if (state === 'failed') summary.failed += 1;
        else {
          const group = skippedAsWhole(test);
          const name = group.fullName.replace(inName, '');
          groups.set(group, { name, file: module.relativeModuleId, why: reasonOf(test) });
          summary.skipped.push({ name: test.fullName, file: module.relativeModuleId, why: reasonOf(test) });
        }
      }
    }
    for (const { name, file, why } of groups.values()) console.log(`skipped: ${name} (${file}): ${why}`);
    const target = process.env.PENSTOCK_TEST_SUMMARY;
    if (target !== undefined) writeFileSync(target, JSON.stringify(summary));
  }
}
