import { LosslessNumber } from 'lossless-json';
import type { JsonNode } from '../json/json-node.js';
import { plain } from '../json/json-text.js';

/**
 * How Python writes a value as text. The older system computed identities from such texts, so they must match to the
 * last character: `json.dumps(value, sort_keys=True, separators=(',', ':'))`, and `repr` of a list.
 */

/** Orders texts by code point, as Python does; JavaScript compares UTF-16 units. */
export const byCodePoint = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

const short: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
};

/** Everything but printable ASCII is escaped, by UTF-16 unit. */
const pythonString = (text: string): string =>
  `"${text.replace(/["\\]|[^ -~]/g, (unit) => short[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;

/** `float.__repr__`: the shortest digits, with an exponent from 1e16 on and below 1e-4. */
function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const [mantissa = '0', power = '0'] = Math.abs(value).toExponential().split('e');
  const exponent = Number(power);
  if (exponent >= 16 || (exponent < -4 && value !== 0)) {
    const size = String(Math.abs(exponent)).padStart(2, '0');
    return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${size}`;
  }
  const digits = mantissa.replace('.', '');
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`;
}

/** Integers except -0 have only one spelling, so they are not parsed: that would take long for a million digits. */
const pythonNumber = (written: string): string => {
  if (/[.eE]/.test(written)) return pythonFloat(Number(written));
  return written === '-0' ? '0' : written;
};

/** A plain value whose numbers keep their spelling. */
export const numbersAsWritten = (node: JsonNode): unknown => plain(node, (text) => new LosslessNumber(text));

/**
 * A JSON value as Python minifies it, keys in order.
 *
 * @param value as `numbersAsWritten` makes it, or with plain numbers where their spelling does not matter
 */
export function pythonJson(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return pythonString(value);
  if (typeof value === 'number')
    return Number.isInteger(value) ? pythonNumber(`${BigInt(value)}`) : pythonFloat(value);
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`${typeof value} is no JSON`);
  // A number as it was written, which `JSON.parse` forgets: Python tells 1 and 1.0 apart.
  if (value instanceof LosslessNumber) return pythonNumber(value.value);
  const entries = Object.entries(value).sort(([a], [b]) => byCodePoint(a, b));
  return `{${entries.map(([key, item]) => `${pythonString(key)}:${pythonJson(item)}`).join(',')}}`;
}

/** `repr` of a text: in single quotes, unless it holds single quotes and no double quotes. */
function pythonRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\'"]|\p{C}|[\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (found) => {
    if (found === '\\' || found === quote) return `\\${found}`;
    if (found === '"' || found === "'") return found;
    const known = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[found];
    if (known !== undefined) return known;
    const code = found.codePointAt(0) ?? 0;
    const hex = (letter: string, digits: number) => `\\${letter}${code.toString(16).padStart(digits, '0')}`;
    return code < 0x100 ? hex('x', 2) : code < 0x10000 ? hex('u', 4) : hex('U', 8);
  });
  return `${quote}${escaped}${quote}`;
}

/** `repr` of a list of texts. */
export const pythonList = (texts: readonly string[]): string => `[${texts.map(pythonRepr).join(', ')}]`;
