import fc from 'fast-check';
import { expect, test } from 'vitest';
import { masked, unmasked } from '../../../src/dialects/processing-node/masked-json.js';
import { parseJsonText, plain, writeJsonText } from '../../../src/domain/json/json-text.js';

const maskedText = (text: string) => writeJsonText(masked(parseJsonText(text)));
const unmaskedText = (text: string, stored: string) =>
  writeJsonText(unmasked(parseJsonText(text), parseJsonText(stored)));

test.each([
  ['{"mqtt": {"passwd": "hush", "port": 1883.0}}', '{"mqtt": {"passwd": "********", "port": 1883.0}}'],
  ['{"a": [{"PassWord": "x"}, {"b": "c"}]}', '{"a": [{"PassWord": "********"}, {"b": "c"}]}'],
  ['{"tokens": ["a", 1, ["b"]]}', '{"tokens": ["********", 1, ["********"]]}'],
  ['{"secrets": {"db": "x", "n": 1.50}}', '{"secrets": {"db": "********", "n": 1.50}}'],
  ['{"api_token": ""}', '{"api_token": "********"}'],
  ['{"p\\u0061ss":"x","z":1}', '{"p\\u0061ss": "********", "z": 1}'],
  ['{"auth_pass": "a", "auth_pass": "b"}', '{"auth_pass": "********"}'],
  ['{"a": {"pass": "x"}, "a": 1}', '{"a": 1}'],
  ['{"mask_secrets":true,"password":null ,"max_tokens": 5e0}', undefined],
  ['{ "user":"pass", "x":["token"],"n":NaN }', undefined],
  ['{"password":"********"}', undefined],
  ['"secret"', undefined],
])('%s is shown without its secrets', (text, shown) => {
  expect(maskedText(text)).toBe(shown ?? text);
});

test.each([
  ['{"p":{"pass":"********"}, "t": 2}', '{"p": {"pass": "x"}, "t": 1}', '{"p": {"pass": "x"}, "t": 2}'],
  ['{"tokens":["********","new"]}', '{"tokens":["a","b"]}', '{"tokens": ["a", "new"]}'],
  ['{"pass": "********"}', '{"other": "x"}', undefined],
  ['{"pass": "********"}', '[]', undefined],
  ['{"user": "********"}', '{"user": "x"}', undefined],
  ['{"pass": ["********"]}', '{"pass": "x"}', undefined],
])('stars in %s are what is in %s', (text, stored, whole) => {
  expect(unmaskedText(text, stored)).toBe(whole ?? text);
});

const key = fc.oneof(
  fc.constantFrom('password', 'auth_pass', 'Token', 'client-SECRETS', '__proto__', 'constructor', '1'),
  fc.string(),
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(fc.string(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null)),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 5 }),
  ),
}));

test('what is shown and sent back is what there was', () => {
  fc.assert(
    fc.property(tree, (value) => {
      const text = JSON.stringify(value);
      const back = unmaskedText(maskedText(text), text);
      expect(JSON.stringify(plain(parseJsonText(back)))).toBe(JSON.stringify(plain(parseJsonText(text))));
    }),
    { numRuns: 500 },
  );
});

test('no secret is shown, and nothing else is changed', () => {
  /** What is shown, said once more in plain values. */
  const told = (value: unknown, secret: boolean): unknown => {
    if (typeof value === 'string') return secret ? '********' : value;
    if (Array.isArray(value)) return value.map((item) => told(item, secret));
    if (typeof value !== 'object' || value === null) return value;
    const shown = (name: string, item: unknown) => told(item, secret || /pass|secret|token/i.test(name));
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, shown(name, item)]));
  };
  fc.assert(
    fc.property(tree, (value) => {
      const text = JSON.stringify(value);
      expect(JSON.parse(maskedText(text))).toEqual(told(JSON.parse(text), false));
      if (!/pass|secret|token/i.test(text)) expect(maskedText(text)).toBe(text);
    }),
    { numRuns: 500 },
  );
});
