import type { Json } from './client.js';

/** An input or output as the server shows its declaration. */
export type Declared = Readonly<Record<string, unknown>>;
export type Declarations = Readonly<Record<string, Declared>>;

/** The declarations of a definition or of a pipeline; undefined if it has none. */
export function declarationsOf(object: Json, key: 'inputs' | 'outputs'): Declarations | undefined {
  const holder = typeof object.definition === 'object' ? (object.definition as Json) : object;
  const found = holder?.[key];
  return typeof found === 'object' && found !== null && !Array.isArray(found)
    ? (found as Declarations)
    : undefined;
}

/** Whether an input is one file, several, or a folder. */
export function isFiles({ type, items }: Declared): boolean {
  return (
    type === 'file' ||
    type === 'folder' ||
    (type === 'array' && (items as Declared | undefined)?.type === 'file')
  );
}

export const isRequired = (declared: Declared): boolean =>
  declared.optional !== true && !Object.hasOwn(declared, 'default');
