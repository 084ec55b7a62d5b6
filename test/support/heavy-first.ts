import path from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { root } from './paths.js';
import { weightOf } from './weights.js';

/** Begins with the files that weigh most: what is light fits in beside them, and fills the end. */
export default class HeavyFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const weight = ({ moduleId }: TestSpecification) => weightOf(path.relative(root, moduleId));
    return (await super.sort(files)).sort((one, other) => weight(other) - weight(one));
  }
}
