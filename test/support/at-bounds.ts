import { bounds } from '../../src/domain/bounds.js';

/** Bodies that are as large as any may be, each in another way; `size` is MAX_BODY_SIZE. */
export function bodiesAtBounds(size: number): [string, string][] {
  const fill = (begin: string, piece: string, end: string, count = Number.POSITIVE_INFINITY) => {
    const fits = Math.floor((size - begin.length - end.length) / piece.length);
    return begin + piece.repeat(Math.min(fits, count)) + end;
  };
  const objects = Math.floor(bounds.values / bounds.keys);
  const map = `{${Array.from({ length: bounds.keys - 1 }, (_, n) => `"k${n}": ${n % 9}`).join()}}`;
  const { depth } = bounds;
  return [
    ['numbers', fill('{"input": [', '1.5,', '1]}', bounds.values - 3)],
    ['texts', fill('{"objects": [', '"some text",', '1]}', bounds.values - 3)],
    [
      'objects',
      fill('{"objects": [', '{"definition": {"exec": "/bin/true", "argv": ["a", "b"]}},', '{}]}', 999),
    ],
    ['unknown keys', map],
    ['maps', `[${Array.from({ length: objects - 1 }, () => map).join()}]`],
    [
      'long keys',
      `{${Array.from({ length: 3000 }, (_, n) => `"${String(n).padStart(bounds.keyLength, 'k')}": 1`).join()}}`,
    ],
    ['levels', fill('', '{"a": [', '1', depth / 2) + ']}'.repeat(depth / 2)],
    ['one text', fill('{"definition": {"exec": "', 'x', '"}}')],
    ['escapes', fill('{"input": {"text": "', '\\n', '"}}')],
    ['blanks', fill('{', ' ', '}')],
    [
      'a list of tasks',
      fill('[', '{"type": "process", "process_definition": 99},', '{}]', bounds.objects - 1),
    ],
    ['a list of ids', fill('[', '"107c0ffe-0000-5000-8000-000000000001",', '"x"]', bounds.objects - 1)],
    ['unfinished', fill('{"a": [', '1,', '', bounds.values - 3)],
    [
      'a product',
      fill(
        '{"input": {"classID": "x", "_sets": {"theName": {"data": [',
        '1.25,',
        '1]}}}}',
        bounds.values - 9,
      ),
    ],
  ];
}
