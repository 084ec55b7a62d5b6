/** What nobody means to send, made by dice that fall the same way for the same seed. */

/** mulberry32: the same seed makes the same run. */
export function random(start: number) {
  let state = start >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    chance: (share: number) => next() < share,
    pick: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T,
    below: (limit: number) => Math.floor(next() * limit),
  };
}
export type Random = ReturnType<typeof random>;

export const words = [
  '',
  '0',
  '1',
  '2',
  '-1',
  '1.5',
  '007',
  '99999999999',
  '9007199254740993',
  '9223372036854775808',
  '1e999',
  'NaN',
  'true',
  'false',
  'None',
  'null',
  'x',
  'é☃𝒳',
  '\u0000',
  '\ud800',
  '../../etc/passwd',
  'a;b',
  '%',
  '<script>',
  "' OR 1=1 --",
  'constructor',
  '__proto__',
  'toString',
  '2026-01-31',
  '2026-13-45T99:99:99Z',
  '/api/process_definition/1/',
  'single',
  'n1',
  'schema',
  'set',
  '1,2',
  ',',
  'raw',
  '1;2;;3',
  'x'.repeat(300),
  'x'.repeat(5000),
  '+',
  '*',
  'W/"x"',
  'wait=1',
  'id',
  '-id',
  'job',
];

export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value) ?? 'null');
export const deep = (levels: number) => Buffer.from('['.repeat(levels) + ']'.repeat(levels));

export function junk(dice: Random, depth = 0): unknown {
  const kind = dice.below(depth > 3 ? 6 : 9);
  if (kind < 2) return dice.pick(words);
  if (kind === 2) return dice.pick([0, -1, 1.5, 1e308, 2 ** 53, 2 ** 31, -0]);
  if (kind === 3) return dice.pick([null, true, false]);
  if (kind < 6) return dice.pick(words);
  if (kind === 6) return Array.from({ length: dice.below(4) }, () => junk(dice, depth + 1));
  return Object.fromEntries(
    Array.from({ length: dice.below(5) }, () => [dice.pick([...keys, ...words]), junk(dice, depth + 1)]),
  );
}

const keys = [
  'definition',
  'exec',
  'argv',
  'args',
  'environment',
  'name',
  'objects',
  'deleted_objects',
  'resource_uri',
  'id',
  'input',
  'text',
  'url',
  'output',
  'timeout',
  'username',
  'password',
  'role',
  'active',
  'expires',
  'token',
  'metadata',
  'cwd',
  'input_adapter',
];

/** Without halves of characters, which no URL can hold. */
export const wellFormed = (text: string) => Buffer.from(text).toString();

/** Printable as a header, or left out. */
export const headerText = (text: string) => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
