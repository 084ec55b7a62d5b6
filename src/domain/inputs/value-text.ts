import type { ValueSchema } from '../../lib/value-schema.js';
import { parseWritten } from '../json/written-json.js';

/** What an input stands for in a command: nothing, a switch, a text, or a list of texts. Files are their paths. */
export type InputText = null | boolean | string | readonly string[];

/**
 * A number in plain decimals: the shortest that mean the same double, without an exponent, so that any program can read
 * it.
 */
export function plainDecimal(number: number): string {
  const [, sign = '', whole = '', fraction = '', power] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(Object.is(number, -0) ? '0' : String(number)) ?? [];
  if (power === undefined) return sign + whole + (fraction === '' ? '' : `.${fraction}`);
  const digits = whole + fraction;
  const point = whole.length + Number(power);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits + '0'.repeat(point - digits.length);
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** A value as the text that a program sees: texts as they are, numbers in plain decimals, anything else as JSON. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? plainDecimal(value) : JSON.stringify(value);
}

/** A value as its command sees it. */
export function inputText(value: unknown): InputText {
  if (value === undefined) return null;
  if (typeof value === 'boolean') return value;
  return Array.isArray(value) ? value.map(textOf) : textOf(value);
}

/** What stands in place of the input inside a longer text; null where it is absent. */
export function oneText(value: InputText, whole: unknown): string | null {
  if (value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(whole);
}

const numeral = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Whether a text is a number of JSON. */
export const isNumber = (text: string): boolean => numeral.test(text);

/** The types that a schema names; empty where it names none. */
const typesOf = ({ type }: ValueSchema): string[] => [type ?? []].flat() as string[];

/**
 * The value that a text means, where a value comes as text: in a form, a query, or on a command line. What does not fit
 * the schema's type stays text, so that the schema says what is wrong with it.
 *
 * @param texts several only for an array, whose elements they are
 */
export function valueOfTexts(schema: ValueSchema, texts: readonly string[]): unknown {
  const types = typesOf(schema);
  const [only = ''] = texts;
  if (types.includes('array') && !(types.includes('string') && texts.length === 1)) {
    const list = texts.length === 1 && only.trimStart().startsWith('[') ? parsed(only) : undefined;
    if (Array.isArray(list)) return list;
    const items = typeof schema.items === 'object' ? (schema.items as ValueSchema) : {};
    return texts.map((text) => valueOfTexts(items, [text]));
  }
  return texts.length > 1 ? [...texts] : valueOfText(schema, types, only);
}

function valueOfText(schema: ValueSchema, types: readonly string[], text: string): unknown {
  const among = [
    ...((schema.enum as unknown[] | undefined) ?? []),
    ...(Object.hasOwn(schema, 'const') ? [schema.const] : []),
  ];
  if (among.includes(text)) return text;
  const takes = (type: string) =>
    types.includes(type) || (types.length === 0 && among.some((one) => typeof one === type));
  // What would lose digits stays text, and is refused.
  if ((takes('integer') || takes('number')) && isNumber(text) && isExact(text)) return Number(text);
  if (takes('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  if (types.includes('null') && text === 'null') return null;
  if (types.includes('string') || (types.length === 0 && among.length > 0)) return text;
  const value = types.length === 0 || types.includes('object') ? parsed(text) : undefined;
  // What would lose digits stays text here, too.
  return value === undefined || (typeof value === 'number' && !isExact(text.trim())) ? text : value;
}

function parsed(text: string): unknown {
  try {
    return parseWritten(text);
  } catch {
    return undefined;
  }
}

/** Whether a number, as it was written, is the double that it became: `0.1` and `1e3` are, `12345678901234567890` is not. */
export function isExact(written: string): boolean {
  const normal = (text: string): string => {
    const [, sign = '', whole = '', fraction = '', power = '0'] =
      /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
    const digits = (whole + fraction).replace(/^0+/, '');
    const kept = digits.replace(/0+$/, '');
    const places = Number(power) - fraction.length + digits.length - kept.length;
    return kept === '' ? '0' : `${sign}${kept}e${places}`;
  };
  return normal(written) === normal(String(Number(written)));
}
