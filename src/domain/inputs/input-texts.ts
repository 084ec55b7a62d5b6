import { posix } from 'node:path';
import type { PlaceholderValues } from '../definitions/placeholder.js';
import type { InputDeclaration } from './declaration.js';
import { type InputText, inputText, oneText } from './value-text.js';

/** A file that came for an input. */
export interface GivenFile {
  name: string;
  /** Bytes. */
  size: number;
}

/**
 * The inputs of a run as they are stored with its job: a value as JSON, a file as its name and size, several as a list
 * of these. What is absent has no key. A secret is `***`.
 */
export type StoredInputs = Readonly<Record<string, unknown>>;

export const hidden = '***';

/** The files of an input in their order, with the path below the attempt's folder where the program finds each. */
export function filesOf(
  { name, kind, fileName }: InputDeclaration,
  stored: StoredInputs,
): { file: GivenFile; path: string }[] {
  if (kind === 'value' || stored[name] === undefined) return [];
  const files = [stored[name]].flat() as GivenFile[];
  const below = posix.join('inputs', name);
  return files.map((file, index) => {
    const shown = fileName ?? file.name;
    return {
      file,
      path: kind === 'files' ? posix.join(below, String(index), shown) : posix.join(below, shown),
    };
  });
}

/**
 * What the declared inputs of a run stand for in its command: `texts` for elements of argv, `values` for placeholders in
 * longer texts.
 *
 * @param main the input that an adapter carries, whose path or port only the adapter knows
 * @param folder the attempt's folder on the machine that runs it, absolute
 */
export function inputTexts(
  inputs: readonly InputDeclaration[],
  stored: StoredInputs,
  secrets: Readonly<Record<string, unknown>>,
  main: string | null,
  folder: string,
): { texts: Map<string, InputText>; values: PlaceholderValues } {
  const texts = new Map<string, InputText>();
  const values: PlaceholderValues = {};
  for (const input of inputs) {
    const { name, kind, secret } = input;
    if (name === main) {
      // Its placeholder is the adapter's; without the input there is none.
      if (stored[name] === undefined) texts.set(name, null);
      continue;
    }
    const value = secret && kind === 'value' ? secrets[name] : stored[name];
    const paths = filesOf(input, stored).map(({ path }) => posix.join(folder, path));
    const text: InputText =
      kind === 'value'
        ? inputText(value)
        : stored[name] === undefined
          ? null
          : kind === 'files'
            ? paths
            : kind === 'folder'
              ? posix.join(folder, 'inputs', name)
              : (paths[0] ?? null);
    texts.set(name, text);
    const one = oneText(text, kind === 'value' ? value : text);
    if (one !== null) values[`inputs.${name}`] = one;
  }
  return { texts, values };
}
