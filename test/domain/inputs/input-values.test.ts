import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normalise } from '../../../src/domain/definitions/process-definition.js';
import { checkInputs, type Given, takerOf } from '../../../src/domain/inputs/input-values.js';
import { parseWritten } from '../../../src/domain/json/written-json.js';
import type { Problem } from '../../../src/lib/errors.js';

type Inputs = Record<string, object>;
const taker = (inputs: Inputs, more: object = {}) =>
  takerOf(normalise({ exec: 'x', inputs: inputs as never, ...more }));
const check = (inputs: Inputs, given: Partial<Given>, more: object = {}) =>
  checkInputs(taker(inputs, more), { values: {}, files: {}, ...given });
const details = (inputs: Inputs, given: Partial<Given>, more: object = {}): string[] =>
  (check(inputs, given, more) as Problem[]).map(({ pointer, detail }) => `${pointer}: ${detail}`);
const file = (name: string, size = 1) => ({ name, size });

describe('the inputs of a run', () => {
  test('get their defaults, and what is optional may be absent', () => {
    const inputs = {
      a: { type: 'integer', default: 3 },
      b: { type: 'string', optional: true },
      c: { default: null },
    };
    expect(check(inputs, {})).toEqual({ stored: { a: 3, c: null }, secrets: {} });
    expect(check(inputs, { values: { a: 4, b: '' } })).toEqual({
      stored: { a: 4, b: '', c: null },
      secrets: {},
    });
  });

  test('everything wrong with them is told at once', () => {
    const inputs = {
      bitrate: { type: 'integer', minimum: 32, title: 'Bit rate' },
      mono: { type: 'boolean' },
      sound: { type: 'file', title: 'Sound' },
      parts: { type: 'array', items: { type: 'file' }, minItems: 2, maxItems: 3 },
      folder: { type: 'folder' },
      size: { type: 'file', max_size: '1KB' },
    };
    const one = file('a', 1001);
    const values = { bitrat: 1, bitrate: 1, sound: 'x' };
    expect(
      details(inputs, { values, files: { parts: [one], folder: [one, one], size: [one, one] } }),
    ).toEqual([
      '/inputs/bitrat: there is no input "bitrat"; did you mean "bitrate"?',
      '/inputs/bitrate: bitrate must be 32 or more, not 1',
      '/inputs/mono: mono is required, and was not sent',
      expect.stringMatching(/^\/inputs\/sound: sound is a file: send it as .*, not "x"$/),
      '/inputs/parts: parts must have at least 2 files',
      '/inputs/folder: folder is a folder, and two of its files are called "a"',
      '/inputs/size: size is one file, and 2 were sent',
      '/inputs/size: size may have at most 1KB, and "a" is larger',
      '/inputs/size: size may have at most 1KB, and "a" is larger',
    ]);
    expect(details({ parts: inputs.parts }, { files: { parts: [one, one, one, one] } })).toEqual([
      '/inputs/parts: parts may have at most 3 files, not 4',
    ]);
    expect(details({ folder: inputs.folder }, { files: { folder: [] } })).toEqual([
      '/inputs/folder: folder is a folder, and no file was sent for it',
    ]);
    expect(details({ sound: inputs.sound }, {})).toEqual([
      '/inputs/sound: sound (Sound) is required, and was not sent; send a file',
    ]);
  });

  test.each([
    ['a\0b', 'contains a NUL character'],
    ['\ud800', 'contains half of a surrogate pair'],
    ['x\udc00', 'contains half of a surrogate pair'],
    ['ä'.repeat(65_536), 'is longer than 131,071 bytes; declare it as a file'],
    [['ok', ['a\0b']], 'contains a NUL character'],
    [{ a: { b: ['\ud800'] } }, 'contains half of a surrogate pair'],
    [Array.from({ length: 10_001 }, () => 1), 'holds more than 10,000 values'],
    [Array.from({ length: 500 }, () => 'x'.repeat(300)), 'is longer than 131,071 bytes'],
    [{ a: 'x'.repeat(131_000), b: 'x'.repeat(100) }, 'is longer than 131,071 bytes'],
  ])('no program could be given this, whatever the schema says (%#)', (x, detail) => {
    expect(details({ x: {} }, { values: { x } })).toEqual([
      expect.stringContaining(`/inputs/x: x ${detail}`),
    ]);
  });

  test('a text of the most bytes is good', () => {
    expect(check({ x: { type: 'string' } }, { values: { x: 'x'.repeat(131_071) } })).toHaveProperty('stored');
  });

  test.each([
    '{"x": 12345678901234567890}',
    '{"x": 0.12345678901234567891}',
    '{"x": 1e400}',
    '{"x": [1, {"y": 12345678901234567890}]}',
  ])('a number is refused if digits would be lost: %s', (json) => {
    const values = parseWritten(json) as Given['values'];
    expect(details({ x: {} }, { values })).toEqual([
      expect.stringContaining('has more digits than a number can carry'),
    ]);
  });

  test('a secret is stored apart, and is in no message', () => {
    const secret = 'hunter2-hunter2';
    const inputs = (x: object) => ({ x: { ...x, secret: true } });
    expect(check(inputs({ type: 'string' }), { values: { x: secret } })).toEqual({
      stored: { x: '***' },
      secrets: { x: secret },
    });
    const wrong: [object, unknown][] = [
      [{ type: 'integer' }, secret],
      [{ type: 'string', maxLength: 3 }, secret],
      [{ type: 'string', pattern: '^a' }, secret],
      [{ type: 'string' }, `${secret}\0`],
      [{ type: 'string' }, `${secret}\ud800`],
      [{ type: 'object', additionalProperties: false }, { [secret]: 1 }],
      [{ type: 'array', uniqueItems: true }, [secret, secret]],
      [{ type: 'file' }, secret],
      [{ type: 'folder' }, [secret]],
    ];
    for (const [schema, x] of wrong) {
      const told = details(inputs(schema), { values: { x } });
      expect(told).toHaveLength(1);
      expect(told.join()).not.toContain('hunter2');
    }
    const values = parseWritten('{"x": 73846512345678901234567890}') as Given['values'];
    expect(details(inputs({ type: 'number' }), { values }).join()).not.toContain('738465');
    const text = { x: '73846512345678901234567890' };
    expect(details(inputs({ type: 'number' }), { values: text }).join()).not.toContain('738465');
  });
});

describe('a text', () => {
  const dash = 'may not begin with "-": the program would take it for an option';
  const allowed = (argv: unknown[], x: unknown, more: object = {}) => {
    const found = check({ x: {}, y: { type: 'string', default: '', ...more } }, { values: { x } }, { argv });
    if (Array.isArray(found))
      expect(found).toEqual([{ pointer: '/inputs/x', detail: expect.stringContaining(dash) }]);
    return !Array.isArray(found);
  };
  test.each<[unknown[], unknown, boolean]>([
    [['${inputs.x}'], '-rf', false],
    [['${inputs.x}'], '-', false],
    [['${inputs.x}'], 'a-b', true],
    [['${inputs.x}'], -5, true],
    [['${inputs.x}'], ['a', '-b'], false],
    [['${inputs.x}'], [['-b']], true],
    [['${inputs.x}'], { '-a': '-b' }, true],
    [['a=${inputs.x}'], '-rf', true],
    [['${inputs.x}=a'], '-rf', false],
    [['${inputs.y}${inputs.x}'], '-rf', false],
    [[{ input: 'x' }], '-rf', false],
    [[{ input: 'x', prefix: '-o' }], '-rf', false],
    [[{ input: 'x', prefix: '-o', separate: false }], '-rf', true],
    [[{ input: 'x', prefix: '', separate: false }], '-rf', false],
    [[{ input: 'x', text: 'a${value}' }], '-rf', true],
    [[{ input: 'x', join: ',' }], ['a', '-b'], true],
    [[{ input: 'x', join: ',' }], ['-a', 'b'], false],
    [[{ input: 'x', prefix: '-o', each: true }], ['a', '-b'], false],
    [['fixed'], '-rf', true],
  ])('with %j, %j is allowed: %s', (argv, x, good) => {
    expect(allowed(argv, x)).toBe(good);
  });

  test('may begin with a dash where the definition says so', () => {
    const inputs = { x: { type: 'string', leading_dash: true } };
    expect(check(inputs, { values: { x: '-rf' } }, { argv: ['${inputs.x}'] })).toHaveProperty('stored');
  });

  test('in a path is plain names: it never leads out of the folder', () => {
    const inputs = { x: { type: 'string' } };
    const at = (x: string) => check(inputs, { values: { x } }, { cwd: 'a/${inputs.x}' });
    for (const x of ['', '.', '..', '/', '/etc', '../b', 'b/..', 'b//c', 'b/', './b', 'b/../../c'])
      expect(at(x), x).toEqual([
        { pointer: '/inputs/x', detail: expect.stringContaining('x is part of a path here') },
      ]);
    for (const x of ['b', 'b/c', '...', '.b', 'b..', ' ']) expect(at(x), x).toHaveProperty('stored');
  });
});

test('names that every object of JavaScript has are unknown inputs like any other', () => {
  const names = fc.constantFrom('constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf');
  fc.assert(
    fc.property(names, (name) => {
      const values = JSON.parse(`{"${name}": "x"}`);
      expect(check({ a: { optional: true } }, { values })).toEqual([
        { pointer: `/inputs/${name}`, detail: expect.stringContaining(`there is no input "${name}"`) },
      ]);
    }),
  );
});
