const longest = 60;

/** A value as shown in an error message: short, and never somebody's whole document. */
export function show(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(shorten(value));
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty object' : 'an object';
  return String(value);
}

/** The same with its type, for where another type was expected: `the number 5`, `the text "5"`. */
export function showTyped(value: unknown): string {
  if (typeof value === 'string') return `the text ${show(value)}`;
  if (typeof value === 'number') return `the number ${show(value)}`;
  return show(value);
}

/** Types of JSON Schema in a sentence: `a string or a whole number`. */
export function typeNames(types: string | readonly string[]): string {
  return either([types].flat().map((type) => typeName[type] ?? type));
}

const typeName: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  null: 'null',
};

/** A clause as a sentence, with a full stop. Text of several lines, such as a list of problems, stays as it is. */
export const sentence = (text: string): string =>
  text.includes('\n') || /[.?!…]$/.test(text) ? text : `${text}.`;

/** `a, b or c`. */
export function either(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** `1 item`, `2 items`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

/** The keys of a JSON pointer in a sentence: `input_adapter.input_type`, `argv[0]`. */
export function label(keys: readonly string[]): string {
  const text = keys
    .map((key) => (/^(0|[1-9][0-9]*)$/.test(key) ? `[${key}]` : `.${shorten(key)}`))
    .join('')
    .replace(/^\./, '');
  return text === '' ? 'this' : text;
}

/** Cuts off the end of a text that nobody would read. */
export function shorten(text: string): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}
