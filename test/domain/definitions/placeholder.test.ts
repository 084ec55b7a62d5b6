import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isPlaceholder,
  placeholderNames,
  placeholderProblems,
  placeholdersIn,
  substitute,
} from '../../../src/domain/definitions/placeholder.js';

const places = {
  input_file: '/job/in.txt',
  output_file: '/job/out.txt',
  input_pipe: '/job/in.pipe',
  output_pipe: '/job/out.pipe',
  input_port: '20001',
  output_port: '20002',
  'input_file.left': '/job/left',
  'output_file.a-b_1': '/job/a',
  work_dir: '/job',
  job_uuid: '0000',
};

describe('substitute', () => {
  test.each([
    ['${input_file}', '/job/in.txt'],
    ['$<input_file>', '/job/in.txt'],
    ['png:$<output_file>', 'png:/job/out.txt'],
    ['--in=${input_file},--out=${output_file}', '--in=/job/in.txt,--out=/job/out.txt'],
    ['${work_dir}/${job_uuid}', '/job/0000'],
    ['$${input_file}', '${input_file}'],
    ['${input_file.left}:${output_file.a-b_1}', '/job/left:/job/a'],
    ['localhost:${input_port}/${output_port}', 'localhost:20001/20002'],
    ['$<input_file.left>', '$<input_file.left>'],
    ['$${HOME}', '${HOME}'],
    ['$$${HOME}', '$${HOME}'],
    ['$$', '$$'],
    ['$1 $HOME $(id) `id`', '$1 $HOME $(id) `id`'],
    ['$<year> $<', '$<year> $<'],
    ['$<work_dir>', '$<work_dir>'],
    ['{input_file}', '{input_file}'],
    ['${ input_file }', '${ input_file }'],
    ['', ''],
  ])('%j becomes %j', (text, expected) => {
    expect(substitute(text, places)).toBe(expected);
  });

  test('text without a dollar sign stays as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const plain = text.replaceAll('$', '');
        expect(substitute(plain, places)).toBe(plain);
      }),
    );
  });

  test('what is put in is never looked at again, whatever it holds', () => {
    const nasty = fc.oneof(
      fc.string(),
      fc.constantFrom('$&', '$1', "$'", '$$', '${job_uuid}', '$${', '$<input_file>'),
    );
    fc.assert(
      fc.property(nasty, fc.constantFrom(...placeholderNames), (value, name) => {
        expect(substitute(`a\${${name}}b`, { ...places, [name]: value })).toBe(`a${value}b`);
      }),
    );
  });

  test('any text can be written so that it comes out as it was', () => {
    const text = fc
      .array(fc.constantFrom('$', '{', '}', 'job_uuid', '<', '>', 'x', '${job_uuid}', ' '))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (wanted) => {
        const escaped = wanted.replaceAll('${', () => '$${');
        expect(substitute(escaped, places)).toBe(wanted);
        expect(placeholderProblems(escaped, '')).toEqual([]);
        expect(placeholdersIn(escaped)).toEqual([]);
      }),
    );
  });

  test('nothing of a checked text is left unfilled', () => {
    const part = fc.oneof(fc.constantFrom(...placeholderNames.map((name) => `\${${name}}`)), fc.string());
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const text = parts.join('');
        fc.pre(placeholderProblems(text, '').length === 0 && !text.includes('$${'));
        expect(substitute(text, places)).not.toContain('${');
      }),
    );
  });

  test('a placeholder that has no place in the run is a mistake of ours', () => {
    expect(() => substitute('${input_file}', { work_dir: '/job' })).toThrow('has no value');
  });
});

test('placeholders are found once each, in order, and not where they are escaped', () => {
  expect(placeholdersIn('${output_file} $<input_file> ${output_file} $${work_dir} ${nothing}')).toEqual([
    'output_file',
    'input_file',
  ]);
});

test('a text that is one placeholder is told from one that holds it', () => {
  expect(isPlaceholder('${input_file}', 'input_file')).toBe(true);
  expect(isPlaceholder('$<input_file>', 'input_file')).toBe(true);
  expect(isPlaceholder('$<work_dir>', 'work_dir')).toBe(false);
  expect(isPlaceholder('${input_file}.txt', 'input_file')).toBe(false);
});

describe('placeholderProblems', () => {
  test.each([
    ['${inputfile}', 'did you mean ${input_file}?'],
    ['${INPUT_FILE}', 'did you mean ${input_file}?'],
    ['$<input-file', undefined],
    ['$<outptu_file>', 'did you mean ${output_file}?'],
    ['${workdir}', 'did you mean ${work_dir}?'],
    ['${uuid}', 'known are ${input_file}'],
    ['a ${', 'never closed'],
    ['${a${work_dir}}', 'never closed'],
  ])('%j', (text, detail) => {
    const expected =
      detail === undefined ? [] : [{ pointer: '/argv/0', detail: expect.stringContaining(detail) }];
    expect(placeholderProblems(text, '/argv/0')).toEqual(expected);
  });

  test('a very long unknown name is not repeated in full', () => {
    const [problem] = placeholderProblems(`\${${'x'.repeat(100_000)}}`, '');
    expect(problem?.detail.length).toBeLessThan(400);
  });
});
