import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  buildCommand,
  inputFolder,
  inputLocation,
  outputFolder,
  outputLocation,
  outputNameOf,
  usesPlaceholder,
  workingDirectory,
} from '../../../src/domain/definitions/command.js';
import { normalise } from '../../../src/domain/definitions/process-definition.js';
import type { DefinitionDocument } from '../../../src/lib/generated/process-definition.js';

const places = {
  work_dir: '/jobs/7',
  job_uuid: 'u-7',
  input_file: '/jobs/7/in/a.wav',
  output_file: '/jobs/7/out/a.mp3',
};

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
    ['no adapter', normalise({ exec: 'x' }), null],
    ['a stream', input({ file_type: 'stream' }), { kind: 'stream', stream: 'STDIN' }],
    ['${input_file}', input({ file_path: '${input_file}' }), { kind: 'chosen' }],
    ['$<input_file>', input({ file_path: '$<input_file>' }), { kind: 'chosen' }],
    ['a name', normalise(ffmpeg), { kind: 'chosen', fileName: 'a.wav' }],
    ['a relative path', input({ file_path: 'in/a.txt' }), { kind: 'fixed', path: '/jobs/7/in/a.txt' }],
    [
      'a path below cwd',
      input({ file_path: 'a.txt' }, { cwd: '/srv' }),
      { kind: 'fixed', path: '/srv/a.txt' },
    ],
    ['an absolute path', input({ file_path: '/srv/a.txt' }), { kind: 'fixed', path: '/srv/a.txt' }],
    [
      'a work_dir path',
      input({ file_path: '${work_dir}/a' }, { cwd: '/' }),
      { kind: 'fixed', path: '/jobs/7/a' },
    ],
  ])('%s', (_, definition, expected) => {
    expect(inputLocation(definition, places)).toEqual(expected);
  });
});

describe('outputPlace', () => {
  test.each([
    ['no adapter', normalise({ exec: 'x' }), null],
    ['STDOUT', output({}), { kind: 'stream', stream: 'STDOUT' }],
    [
      'STDERR',
      output({ stream_name: 'STDERR', file_name: 'log.txt' }),
      { kind: 'stream', stream: 'STDERR', fileName: 'log.txt' },
    ],
    [
      '${output_file}',
      output({ file_path: '${output_file}', file_name: 'a.mp3' }),
      { kind: 'chosen', fileName: 'a.mp3' },
    ],
    [
      'a.out',
      output({ file_path: 'a.out' }, { cwd: 'build' }),
      { kind: 'fixed', path: '/jobs/7/build/a.out' },
    ],
    ['file, of old', output({ file: 'path/to/file' }), { kind: 'fixed', path: '/jobs/7/path/to/file' }],
  ])('%s', (_, definition, expected) => {
    expect(outputLocation(definition, places)).toEqual(expected);
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
    expect(inputFolder(definition, places)).toBe(expected);
    if (expected !== null) expect(inputLocation(definition, places)).toBe(null);
  });

  test('of output', () => {
    expect(outputFolder(writes, places)).toBe('/srv/u-7');
    expect(outputLocation(writes, places)).toBe(null);
    expect(writes.output).toEqual({ type: 'folder', path: '/srv/${job_uuid}/', fileNames: ['b', 'a'] });
    expect([outputNameOf(writes, undefined), outputNameOf(writes, 'x')]).toEqual(['output.json', 'x']);
    expect(outputFolder(normalise(ffmpeg), places)).toBe(null);
  });
});
