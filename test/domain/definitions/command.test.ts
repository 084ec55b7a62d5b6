import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  buildCommand,
  outputNameOf,
  usesPlaceholder,
  workingDirectory,
} from '../../../src/domain/definitions/command.js';
import { inputPlace, outputPlace } from '../../../src/domain/definitions/places.js';
import { normalise, type ProcessDefinition } from '../../../src/domain/definitions/process-definition.js';
import type { DefinitionDocument } from '../../../src/lib/generated/process-definition.js';

const places = {
  work_dir: '/jobs/7',
  job_uuid: 'u-7',
  input_file: '/jobs/7/in/a.wav',
  output_file: '/jobs/7/out/a.mp3',
};

/** A run in the folder of its attempt, with an input that was sent as `sent` and an output that is called `out`. */
const run = (definition: ProcessDefinition) => ({
  definition,
  values: places,
  folder: '/jobs/7/1',
  input: { name: 'sent' },
  outputName: 'out',
});

const ffmpeg: DefinitionDocument = {
  exec: 'ffmpeg',
  argv: ['-i', '${input_file}', '-q:a', '2', '${output_file}'],
  environment: { LANG: 'C', JOB: '${job_uuid}' },
  timeout: 60,
  input_adapter: { input_type: 'file', input_parameters: { file_path: '${input_file}', file_name: 'a.wav' } },
  output_adapter: { output_type: 'file', output_parameters: { file_path: '${output_file}' } },
};

function input(parameters: Record<string, unknown>, more: object = {}) {
  return normalise({
    exec: 'x',
    ...more,
    input_adapter: { input_type: 'file', input_parameters: parameters },
  });
}

function output(parameters: Record<string, unknown>, more: object = {}) {
  return normalise({
    exec: 'x',
    ...more,
    output_adapter: { output_type: 'file', output_parameters: parameters },
  });
}

describe('buildCommand', () => {
  test('fills in the places', () => {
    expect(buildCommand(normalise(ffmpeg), {}, places, null)).toEqual({
      exec: 'ffmpeg',
      argv: ['-i', '/jobs/7/in/a.wav', '-q:a', '2', '/jobs/7/out/a.mp3'],
      environment: { LANG: 'C', JOB: 'u-7' },
      cwd: '/jobs/7',
      timeout: 60,
    });
  });

  test('lays what the request says over what the definition says', () => {
    const request = { environment: { LANG: 'de', TMP: '${work_dir}/tmp' }, timeout: 5 };
    expect(buildCommand(normalise(ffmpeg), request, places, null)).toMatchObject({
      environment: { LANG: 'de', JOB: 'u-7', TMP: '/jobs/7/tmp' },
      timeout: 5,
    });
  });

  test('leaves the definition as it was', () => {
    const definition = normalise(ffmpeg);
    const before = structuredClone(definition);
    buildCommand(definition, { environment: { LANG: 'de' } }, places, null).argv.push('x');
    expect(definition).toEqual(before);
  });

  test('keeps variables with the names of JavaScript things', () => {
    const environment = JSON.parse('{"__proto__": "a", "constructor": "b"}');
    const command = buildCommand(normalise({ exec: 'x', environment }), {}, places, null);
    expect(Object.entries(command.environment)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ]);
  });

  test('passes arguments on one by one, whatever is in them', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (argv) => {
        const escaped = argv.map((argument) => argument.replaceAll('$', ''));
        expect(buildCommand(normalise({ exec: 'x', argv: escaped }), {}, places, null).argv).toEqual(escaped);
      }),
    );
  });
});

test.each([
  [undefined, '/jobs/7'],
  ['${work_dir}', '/jobs/7'],
  ['build', '/jobs/7/build'],
  ['./build/', '/jobs/7/build'],
  ['/tmp', '/tmp'],
  ['/tmp/${job_uuid}', '/tmp/u-7'],
])('cwd %j is %s', (cwd, expected) => {
  const definition = normalise(cwd === undefined ? { exec: 'x' } : { exec: 'x', cwd });
  expect(workingDirectory(definition, places)).toBe(expected);
});

test('a placeholder is used in argv, environment or cwd, and not where it is escaped', () => {
  expect(usesPlaceholder(normalise(ffmpeg), 'input_file')).toBe(true);
  expect(usesPlaceholder(normalise(ffmpeg), 'job_uuid')).toBe(true);
  expect(usesPlaceholder(normalise(ffmpeg), 'work_dir')).toBe(false);
  expect(usesPlaceholder(normalise({ exec: 'x', cwd: '${work_dir}' }), 'work_dir')).toBe(true);
  expect(usesPlaceholder(normalise({ exec: 'x', argv: ['$${input_file}'] }), 'input_file')).toBe(false);
  expect(usesPlaceholder(normalise({ exec: 'x', argv: ['$<output_file>'] }), 'output_file')).toBe(true);
});

describe('inputPlace', () => {
  test.each([
    ['no adapter', normalise({ exec: 'x' }), { kind: 'stream', stream: 'STDIN' }],
    ['a stream', input({ file_type: 'stream' }), { kind: 'stream', stream: 'STDIN' }],
    ['${input_file}', input({ file_path: '${input_file}' }), { path: '/jobs/7/1/input/sent', chosen: true }],
    ['$<input_file>', input({ file_path: '$<input_file>' }), { path: '/jobs/7/1/input/sent', chosen: true }],
    ['a name', normalise(ffmpeg), { path: '/jobs/7/1/input/sent', chosen: true }],
    ['a relative path', input({ file_path: 'in/a.txt' }), { path: '/jobs/7/in/a.txt', chosen: false }],
    [
      'a path below cwd',
      input({ file_path: 'a.txt' }, { cwd: '/srv' }),
      { path: '/srv/a.txt', chosen: false },
    ],
    ['an absolute path', input({ file_path: '/srv/a.txt' }), { path: '/srv/a.txt', chosen: false }],
    [
      'a work_dir path',
      input({ file_path: '${work_dir}/a' }, { cwd: '/' }),
      { path: '/jobs/7/a', chosen: false },
    ],
  ])('%s', (_, definition, expected) => {
    const kind = 'path' in expected ? { kind: 'file' } : {};
    expect(inputPlace(run(definition))).toEqual({ ...kind, ...expected });
  });

  test('a name that the definition says is that of what was sent without one', () => {
    const unnamed = { ...run(normalise(ffmpeg)), input: null };
    expect(inputPlace(unnamed)).toEqual({ kind: 'file', path: '/jobs/7/1/input/a.wav', chosen: true });
  });
});

describe('outputPlace', () => {
  test.each([
    ['no adapter', normalise({ exec: 'x' }), { kind: 'stream', stream: 'STDOUT' }],
    ['STDOUT', output({}), { kind: 'stream', stream: 'STDOUT' }],
    ['STDERR', output({ stream_name: 'STDERR', file_name: 'log.txt' }), { kind: 'stream', stream: 'STDERR' }],
    [
      '${output_file}',
      output({ file_path: '${output_file}', file_name: 'a.mp3' }),
      { path: '/jobs/7/1/output/out', chosen: true },
    ],
    [
      'a.out',
      output({ file_path: 'a.out' }, { cwd: 'build' }),
      { path: '/jobs/7/build/a.out', chosen: false },
    ],
    ['file, of old', output({ file: 'path/to/file' }), { path: '/jobs/7/path/to/file', chosen: false }],
  ])('%s', (_, definition, expected) => {
    const kind = 'path' in expected ? { kind: 'file' } : {};
    expect(outputPlace(run(definition))).toEqual({ ...kind, ...expected });
  });
});

describe('folders', () => {
  const reads = (path: string, cwd = '') =>
    normalise({
      exec: 'x',
      ...(cwd === '' ? {} : { cwd }),
      input_adapter: { input_type: 'folder', input_params: { folder_path: path } },
    });
  const writes = normalise({
    exec: 'x',
    output_adapter: {
      output_type: 'folder',
      output_parameters: { folder_path: '/srv/${job_uuid}/', file_names: ['b', 'a'] },
    },
  });

  test.each([
    ['a relative path', reads('in'), '/jobs/7/in'],
    ['a path below cwd', reads('./in/', 'build'), '/jobs/7/build/in'],
    ['cwd itself', reads('.', '/srv'), '/srv'],
    ['the folder of the job', reads('${work_dir}', '/srv'), '/jobs/7'],
    ['no folder', normalise(ffmpeg), null],
  ])('%s', (_, definition, expected) => {
    const place = inputPlace(run(definition));
    if (expected === null) expect(place.kind).not.toBe('folder');
    else expect(place).toEqual({ kind: 'folder', path: expected });
  });

  test('of output', () => {
    expect(outputPlace(run(writes))).toEqual({ kind: 'folder', path: '/srv/u-7' });
    expect(writes.output).toEqual({ type: 'folder', path: '/srv/${job_uuid}/', fileNames: ['b', 'a'] });
    expect([outputNameOf(writes, undefined), outputNameOf(writes, 'x')]).toEqual(['output.json', 'x']);
    expect(outputPlace(run(normalise(ffmpeg))).kind).not.toBe('folder');
  });
});
