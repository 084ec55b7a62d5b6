import { describe, expect, test } from 'vitest';
import { normalise } from '../../../src/domain/definitions/process-definition.js';
import { type StepDocument, stepsOf } from '../../../src/domain/pipelines/pipeline-document.js';
import { groupOf, planOf } from '../../../src/domain/pipelines/pipeline-plan.js';
import { checkPipeline } from '../../../src/domain/pipelines/pipeline-rules.js';
import type { PipelineDocument } from '../../../src/lib/generated/pipeline-steps.js';
import { validator } from '../../../src/lib/schemas.js';

/** Definitions by their ids, as the rules see them. */
const definitions = {
  1: { processType: 'single', inputs: [], outputs: [], needsInput: false },
  2: { processType: 'service', inputs: [], outputs: [], needsInput: false },
  3: { processType: 'single', inputs: ['left', 'right'], outputs: ['audio'], needsInput: false },
  4: { processType: 'single', inputs: [], outputs: [], needsInput: true },
} as const;

type Short = Partial<StepDocument> & { name: string };
const documentOf = (steps: Short[], more: object = {}) => ({
  name: 'p',
  steps: steps.map((step) => ({ process_definition: 1, ...step })),
  ...more,
});
function problemsOf(steps: Short[], more: object = {}): [string, string][] {
  const document = documentOf(steps, more);
  const problems = validator('pipeline-steps')(document);
  const all =
    problems.length > 0
      ? problems
      : checkPipeline(
          document as PipelineDocument,
          document.steps.map((step) => definitions[step.process_definition as 1 | 2 | 3 | 4] ?? null),
        );
  return all.map(({ pointer, detail }) => [pointer, detail]);
}
const each = (more: object) =>
  ({ each: { over: 'lines', ...more } as StepDocument['each'] }) as Partial<StepDocument>;

test.each<[string, Short[], object, string, RegExp]>([
  ['no step', [], {}, '/steps', /empty/],
  ['a name with a dot', [{ name: 'a.b' }], {}, '/steps/0/name', /letters/],
  ['the reserved name', [{ name: 'pipeline' }], {}, '/steps/0/name', /pipeline itself/],
  ['a name twice', [{ name: 'a' }, { name: 'a' }], {}, '/steps/1/name', /already/],
  [
    'no input for a program that needs one',
    [{ name: 'a', process_definition: 4, input: null }],
    {},
    '/steps/0/input',
    /needs an input file .*"pipeline"/,
  ],
  [
    'an unknown need',
    [{ name: 'sort' }, { name: 'b', needs: ['srot'] }],
    {},
    '/steps/1/needs/0',
    /did you mean "sort"/,
  ],
  ['itself', [{ name: 'a', needs: ['a'] }], {}, '/steps/0/needs/0', /itself/],
  ['its own output', [{ name: 'a', input: 'a' }], {}, '/steps/0/input', /its own output/],
  [
    'a circle',
    [
      { name: 'a', needs: ['c'] },
      { name: 'b', needs: ['a'] },
      { name: 'c', needs: ['b'] },
    ],
    {},
    '/steps/0/needs',
    /a needs c needs b needs a/,
  ],
  [
    'no definition',
    [{ name: 'a', process_definition: 9 }],
    {},
    '/steps/0/process_definition',
    /no process definition 9/,
  ],
  ['a service', [{ name: 'a', process_definition: 2 }], {}, '/steps/0/process_definition', /is a service/],
  [
    'a definition by name',
    [{ name: 'a', process_definition: 'tr' }],
    {},
    '/steps/0/process_definition',
    /an id such as/,
  ],
  [
    'named inputs not given',
    [{ name: 'a', process_definition: 3 }],
    {},
    '/steps/0/inputs',
    /\$\{input_file\.left\}/,
  ],
  [
    'named inputs that it has not',
    [
      {
        name: 'a',
        process_definition: 3,
        inputs: { left: 'pipeline', right: 'pipeline', rihgt: 'pipeline' },
      },
    ],
    {},
    '/steps/0/inputs/rihgt',
    /did you mean "right"/,
  ],
  [
    'several needs and no input',
    [{ name: 'a' }, { name: 'b', needs: [] }, { name: 'c', needs: ['a', 'b'] }],
    {},
    '/steps/2/input',
    /say which of them/,
  ],
  ['two ends', [{ name: 'a' }, { name: 'b', needs: [] }], {}, '/output', /these are last: a, b/],
  ['an unknown output', [{ name: 'a' }], { output: 'b' }, '/output', /there are a/],
  ['its input as output', [{ name: 'a' }], { output: 'pipeline' }, '/output', /it must be a step/],
  [
    'an output without that name',
    [{ name: 'a' }, { name: 'b', input: 'a.audio' }],
    {},
    '/steps/1/input',
    /no named outputs/,
  ],
  [
    'a misspelt named output',
    [
      { name: 'a', process_definition: 3, inputs: { left: 'pipeline', right: 'pipeline' } },
      { name: 'b', input: 'a.adio' },
    ],
    {},
    '/steps/1/input',
    /did you mean "audio"/,
  ],
  ['items of none', [{ name: 'a', input: null, ...each({}) }], {}, '/steps/0/each/over', /no input/],
  [
    'files without a pattern',
    [{ name: 'a' }, { name: 'b', ...each({ over: 'files' }) }],
    {},
    '/steps/1/each/files',
    /which files/,
  ],
  [
    'files that lead out',
    [{ name: 'a' }, { name: 'b', ...each({ over: 'files', files: '../x' }) }],
    {},
    '/steps/1/each/files',
    /".."/,
  ],
  [
    'files of the input',
    [{ name: 'a', ...each({ over: 'files', files: '*' }) }],
    {},
    '/steps/0/each/over',
    /the input must be a step/,
  ],
  [
    'lines with files',
    [{ name: 'a', ...each({ files: '*' }) }],
    {},
    '/steps/0/each/files',
    /only for "over": "files"/,
  ],
  [
    'items of a plain step',
    [{ name: 'a' }, { name: 'b', ...each({ over: 'items' }) }],
    {},
    '/steps/1/each/over',
    /"each"/,
  ],
  ['no items at once', [{ name: 'a', ...each({ concurrency: 0 }) }], {}, '/steps/0/each/concurrency', /1/],
  [
    'an unknown way to gather',
    [{ name: 'a', ...each({ gather: 'jsno' }) }],
    {},
    '/steps/0/each/gather',
    /json/,
  ],
  ['an unknown key', [{ name: 'a', neds: [] } as Short], {}, '/steps/0/neds', /needs/],
])('%s', (_name, steps, more, pointer, detail) => {
  const problems = problemsOf(steps, more);
  expect(problems.map(([where]) => where)).toContain(pointer);
  expect(problems.find(([where]) => where === pointer)?.[1]).toMatch(detail);
});

test.each<[string, Short[], object]>([
  ['a line', [{ name: 'a' }, { name: 'b' }, { name: 'c' }], {}],
  [
    'a diamond',
    [
      { name: 'a' },
      { name: 'b' },
      { name: 'c', needs: ['a'] },
      { name: 'd', process_definition: 3, inputs: { left: 'b', right: 'c' } },
    ],
    {},
  ],
  ['ends beside the output', [{ name: 'a' }, { name: 'b', needs: [] }], { output: 'a' }],
  [
    'by resource_uri',
    [{ name: 'a', process_definition: '/api/process_definition/1/' }].map((s) => ({
      ...s,
      process_definition: 1,
    })),
    {},
  ],
  [
    'items of items',
    [
      { name: 'a', ...each({}) },
      { name: 'b', ...each({ over: 'items' }) },
    ],
    {},
  ],
])('%s is fine', (_name, steps, more) => {
  expect(problemsOf(steps, more)).toEqual([]);
});

test('what is left unsaid', () => {
  const steps = (list: Short[]) =>
    stepsOf(documentOf(list) as PipelineDocument).steps.map(({ name, needs, input }) => [name, needs, input]);
  const from = (step: string | null) => ({ step, output: null });
  expect(steps([{ name: 'a' }, { name: 'b' }])).toEqual([
    ['a', [], from(null)],
    ['b', ['a'], from('a')],
  ]);
  expect(
    steps([
      { name: 'a', needs: [] },
      { name: 'b', needs: ['a'] },
      { name: 'c', input: null, needs: ['a'] },
      { name: 'd', inputs: { x: 'b' } },
      { name: 'e', needs: ['a', 'b'], inputs: { x: 'b' } },
      { name: 'f', input: 'a.audio' },
    ]),
  ).toEqual([
    ['a', [], from(null)],
    ['b', ['a'], from('a')],
    ['c', ['a'], null],
    ['d', ['b'], null],
    ['e', ['a', 'b'], from('a')],
    ['f', ['a'], { step: 'a', output: 'audio' }],
  ]);
});

describe('joined by a pipe', () => {
  const plain = { exec: 'cat' };
  const joins = (steps: Short[], runs: object[] = [], more: object = {}) => {
    const document = documentOf(steps, more) as PipelineDocument;
    const plan = planOf(
      document,
      steps.map((_, index) => ({
        revisionId: index,
        revision: 1,
        definition: normalise({ ...plain, ...runs[index] }),
        inputs: [],
        outputs: [],
      })),
    );
    return plan.steps.flatMap(({ name, joinedTo }) => (joinedTo === null ? [] : [`${name}-${joinedTo}`]));
  };
  const line = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

  test('a line of streams', () => {
    expect(joins(line)).toEqual(['a-b', 'b-c']);
    const plan = planOf(
      documentOf(line) as PipelineDocument,
      line.map((_, index) => ({
        revisionId: index,
        revision: 1,
        definition: normalise(plain),
        inputs: [],
        outputs: [],
      })),
    );
    for (const { name } of line)
      expect(groupOf(plan, name).map((step) => step.name)).toEqual(['a', 'b', 'c']);
  });

  test.each<[string, Short[], object[], object, string[]]>([
    ['what is the output is not passed on', line, [], { output: 'b' }, ['a-b']],
    ['two takers', [...line, { name: 'd', needs: ['a'] }], [], { output: 'c' }, ['b-c']],
    ['each', [{ name: 'a' }, { name: 'b', ...each({}) }, { name: 'c' }], [], {}, []],
    ['retries', line, [{}, { retries: { limit: 1 } }], {}, []],
    [
      'a path',
      line,
      [{ output_adapter: { output_type: 'file', output_parameters: { file_path: 'x' } } }],
      {},
      ['b-c'],
    ],
    [
      'standard error',
      line,
      [
        {
          output_adapter: {
            output_type: 'file',
            output_parameters: { file_type: 'stream', stream_name: 'STDERR' },
          },
        },
      ],
      {},
      ['b-c'],
    ],
    ['a bounded output', line, [{ limits: { output_size: '1MB' } }], {}, ['b-c']],
    ['a reader with a bound', line, [{ concurrency: 1 }, { concurrency: 1 }], {}, ['b-c']],
    [
      'a reader that waits for more',
      [{ name: 'x' }, { name: 'a', needs: [] }, { name: 'b', input: 'a', needs: ['x'] }],
      [],
      {},
      [],
    ],
  ])('%s', (_name, steps, runs, more, expected) => {
    expect(joins(steps, runs, more)).toEqual(expected);
  });
});
