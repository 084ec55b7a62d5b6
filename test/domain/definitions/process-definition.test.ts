import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkDefinition, checkEnvironment } from '../../../src/domain/definitions/definition-rules.js';
import { normalise } from '../../../src/domain/definitions/process-definition.js';
import type { Problem } from '../../../src/lib/errors.js';
import type { DefinitionDocument } from '../../../src/lib/generated/process-definition.js';
import { schema, validator } from '../../../src/lib/schemas.js';
import { fixtureFile } from '../../support/paths.js';

function fixtures(kind: 'valid' | 'invalid'): { name: string; content: unknown }[] {
  return readdirSync(fixtureFile(`definitions/${kind}/`)).map((name) => ({
    name: name.replace(/\.json$/, ''),
    content: JSON.parse(readFileSync(fixtureFile(`definitions/${kind}/${name}`), 'utf8')),
  }));
}

function problemsOf(definition: unknown): Problem[] {
  const problems = validator('process-definition')(definition, '/definition');
  return problems.length > 0 ? problems : checkDefinition(definition as DefinitionDocument, '/definition');
}

function valid(name: string): DefinitionDocument {
  const document = JSON.parse(readFileSync(fixtureFile(`definitions/valid/${name}.json`), 'utf8'));
  expect(problemsOf(document)).toEqual([]);
  return document;
}

describe('valid definitions', () => {
  test.each(fixtures('valid'))('$name', ({ content }) => {
    expect(problemsOf(content)).toEqual([]);
    const before = structuredClone(content);
    normalise(content as DefinitionDocument);
    expect(content).toEqual(before);
  });
});

describe('invalid definitions give one problem, at the right place', () => {
  test.each(fixtures('invalid'))('$name', ({ content }) => {
    const { definition, pointer, detail } = content as Problem & { definition: unknown };
    const problems = problemsOf(definition);
    expect(problems).toEqual([{ pointer, detail: expect.stringContaining(detail) }]);
  });
});

test('several mistakes are told at once', () => {
  const problems = problemsOf({ exce: 'cat', timeout: 0, argv: ['a', 1] });
  expect(problems.map(({ pointer }) => pointer).sort()).toEqual([
    '/definition/argv/1',
    '/definition/exce',
    '/definition/timeout',
  ]);
});

test('a definition with a million mistakes is refused quickly, for the first of them', () => {
  const problems = problemsOf({ exec: 'cat', argv: new Array(1_000_000).fill(1) });
  expect(problems).toHaveLength(1);
});

test('one argument with thousands of mistakes gives a short list', () => {
  const argv = [Array.from({ length: 5000 }, (_, index) => `\${${index}}`).join('')];
  expect(checkDefinition({ exec: 'cat', argv })).toHaveLength(50);
});

test('the variables of a run follow the same rules', () => {
  const check = (environment: Record<string, string>) =>
    checkEnvironment(valid('registry-tr'), environment, '/environment');
  expect(check({ A: '${work_dir}/a', B: '$${HOME}' })).toEqual([]);
  expect(check({ A: '${HOME}', B: '${input_file}' })).toEqual([
    { pointer: '/environment/A', detail: expect.stringContaining('${HOME} is not a placeholder') },
    { pointer: '/environment/B', detail: expect.stringContaining('because the input is STDIN') },
  ]);
});

test('the variables of a run may use what is declared, and nothing else', () => {
  const definition = {
    exec: 'cat',
    argv: ['${inputs.name}', '${inputs.tags}', '${outputs.log}', '${inputs.sound}'],
    inputs: {
      name: { type: 'string' },
      tags: { type: 'array', optional: true },
      sound: { type: 'array', items: { type: 'file' } },
    },
    outputs: { log: { type: 'file' } },
  } as const;
  const check = (environment: Record<string, string>) =>
    checkEnvironment(definition as unknown as DefinitionDocument, environment);
  expect(
    check({ A: 'x${inputs.name}', B: '${inputs.tags}', C: '${outputs.log}', D: '$${inputs.x}' }),
  ).toEqual([]);
  const wrong = {
    A: '${inputs.nam}',
    B: 'x${inputs.tags}',
    C: '${outputs.lo}',
    D: '${inputs.sound}',
    E: '${input_file.x}',
  };
  const found = check(wrong).sort((a, b) => (a.pointer < b.pointer ? -1 : 1));
  expect(found.map(({ pointer, detail }) => `${pointer}: ${detail}`)).toEqual([
    '/environment/A: there is no input "nam"; did you mean "name"?',
    expect.stringContaining('/environment/B: "tags" may be absent, so it cannot be part of a longer text'),
    '/environment/C: there is no output "lo"; did you mean "log"?',
    '/environment/D: "sound" is several files, which one variable cannot hold',
    '/environment/E: with declared inputs, write ${inputs.x} for ${input_file.x}',
  ]);
  expect(checkEnvironment({ exec: 'cat' }, { A: '${inputs.a}' })).toMatchObject([
    { pointer: '/environment/A' },
  ]);
});

describe('normalise', () => {
  test('fills in every default', () => {
    expect(normalise({ exec: 'cat' })).toEqual({
      name: null,
      description: null,
      exec: 'cat',
      argv: [],
      environment: {},
      cwd: null,
      timeout: null,
      processType: 'single',
      service: null,
      application: null,
      executor: 'local',
      host: null,
      input: null,
      output: null,
      inputs: null,
      outputs: null,
      mainInput: null,
      mainOutput: null,
      metadata: {},
      priority: 0,
      concurrency: null,
      successCodes: [0],
      temporaryFailCodes: [],
      retries: { limit: 0, backoff: { initial: 1, factor: 2, maximum: 300 } },
      limits: { outputSize: null, logSize: null, memory: null, cpuTime: null, cpus: null, processes: null },
      killGrace: 5,
      tests: [],
    });
  });

  test('has the defaults that the schema states', () => {
    const { properties, $defs } = schema('process-definition') as {
      properties: Record<string, { default?: unknown }>;
      $defs: Record<string, { properties: Record<string, { default?: unknown; properties?: object }> }>;
    };
    const plain = normalise({ exec: 'cat' }) as unknown as Record<string, unknown>;
    const camel = (key: string) => key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    for (const [key, { default: stated }] of Object.entries(properties)) {
      if (stated !== undefined) expect(plain[camel(key)], key).toEqual(stated);
    }
    const retries = plain.retries as { limit: number; backoff: Record<string, number> };
    expect(retries.limit).toBe($defs.retries?.properties.limit?.default);
    const backoff = $defs.retries?.properties.backoff?.properties as Record<string, { default: number }>;
    for (const [key, value] of Object.entries(retries.backoff)) expect(value).toBe(backoff[key]?.default);
  });

  test('has the defaults that the schema states for a service', () => {
    const { service, limits } = normalise({ exec: 'cat', process_type: 'service' });
    const stated = (
      schema('process-definition') as {
        $defs: { service: { properties: Record<string, { default: unknown; properties?: object }> } };
      }
    ).$defs.service.properties;
    const backoff = stated.backoff?.properties as Record<string, { default: number }>;
    expect(service).toEqual({
      restartMode: stated.restart_mode?.default,
      restartLimit: stated.restart_limit?.default,
      backoff: {
        initial: backoff.initial?.default,
        factor: backoff.factor?.default,
        maximum: backoff.maximum?.default,
      },
      stableAfter: stated.stable_after?.default,
      ready: { by: stated.ready?.default },
      readyTimeout: stated.ready_timeout?.default,
      logSize: 10_000_000,
    });
    // The logs of a service have no bound that ends it.
    expect(limits.logSize).toBeNull();
    expect(normalise(valid('service')).service?.logSize).toBe(1_000_000);
    const tiny = { exec: 'cat', process_type: 'service' as const, limits: { log_size: 1 } };
    expect(normalise(tiny).service?.logSize).toBe(4096);
  });

  test('counts sizes in bytes', () => {
    const { limits, input } = normalise(valid('everything'));
    expect(limits).toEqual({
      outputSize: 10_000,
      logSize: 1_048_576,
      memory: 2 ** 31,
      cpuTime: 90,
      cpus: 0.5,
      processes: 1,
    });
    expect(input).toMatchObject({ chunkSize: 4096 });
  });

  test('reads both spellings alike', () => {
    const one = normalise(valid('registry-someproc-input-argument'));
    expect(one.argv).toEqual(['--quiet', '--input', '${input_file}']);
    const other = normalise({
      exec: 'someproc',
      process_name: 'some',
      argv: ['--quiet', '--input', '${input_file}'],
      input_adapter: { input_type: 'file', input_params: { file_path: '$<input_file>' } },
    });
    expect(other).toEqual({ ...one, name: 'some' });
  });

  test.each([
    ['registry-tr', { type: 'file', via: 'stream' }, { type: 'file', via: 'stream', stream: 'STDOUT' }],
    [
      'registry-ffmpeg',
      { type: 'file', via: 'path', path: '${input_file}' },
      { type: 'file', via: 'path', path: '${output_file}' },
    ],
    [
      'registry-format-with-real-types',
      { type: 'file', via: 'stream', chunkSize: 10_000 },
      { type: 'file', via: 'path', path: 'path/to/file' },
    ],
    ['stderr-output', null, { type: 'file', via: 'stream', stream: 'STDERR', fileName: 'help.txt' }],
    [
      'file-type-path-alone',
      { type: 'file', via: 'path', path: '${input_file}' },
      { type: 'file', via: 'path', path: '${output_file}' },
    ],
    [
      'literal-paths',
      { type: 'file', via: 'path', path: 'main.c' },
      { type: 'file', via: 'path', path: 'a.out', fileName: 'program' },
    ],
  ])('says how %s gets input and gives output', (name, input, output) => {
    expect(normalise(valid(name))).toMatchObject({ input, output });
  });

  test('lets the longest wait follow a long first one', () => {
    const { retries } = normalise({ exec: 'cat', retries: { backoff: { initial: 600 } } });
    expect(retries.backoff.maximum).toBe(600);
  });
});
