import type { Argument } from '../../lib/generated/process-definition.js';
import type { InputText } from './value-text.js';

/** What stands for the value in `text`. */
const inText = /\$\$\{|\$\{value\}/g;

const filled = (text: string | undefined, value: string): string =>
  text === undefined ? value : text.replace(inText, (found) => (found === '${value}' ? value : '${'));

/** The arguments that an element of `argv` becomes: none if its input is absent, or a switch that is off. */
export function argumentsOf(element: Argument, value: InputText): string[] {
  const { prefix, separate = true, text, join, each = false } = element;
  const withPrefix = (words: readonly string[]): string[] => {
    if (prefix === undefined) return [...words];
    return separate ? [prefix, ...words] : [prefix + (words[0] ?? ''), ...words.slice(1)];
  };
  if (value === null || value === false) return [];
  if (value === true) return withPrefix(text === undefined ? [] : [filled(text, 'true')]);
  if (typeof value === 'string') return withPrefix([filled(text, value)]);
  if (value.length === 0) return [];
  if (join !== undefined) return withPrefix([filled(text, value.join(join))]);
  const words = value.map((one) => filled(text, one));
  return each ? words.flatMap((word) => withPrefix([word])) : withPrefix(words);
}

/** Problems of `text`: a placeholder in it that is not `${value}`. */
export function unknownInText(text: string): string | undefined {
  const rest = text.replace(inText, '');
  const [found] = /\$\{[^}]*\}?/.exec(rest) ?? [];
  return found;
}
