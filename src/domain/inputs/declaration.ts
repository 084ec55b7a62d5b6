import { parseSize } from '../../lib/size.js';
import type { ValueSchema } from '../../lib/value-schema.js';

/**
 * What an input is: a value, the bytes of a file, those of several, or a folder of files. Values are JSON and become
 * text; the others become paths.
 */
export type InputKind = 'value' | 'file' | 'files' | 'folder';

/** An input that a definition or a pipeline declares, ready to use. */
export interface InputDeclaration {
  name: string;
  kind: InputKind;
  /** As it was written. */
  written: ValueSchema;
  /** True if a run must give it: it is not optional, and has no default. */
  required: boolean;
  secret: boolean;
  /** True for the file that is the program's standard input. */
  stdin: boolean;
  /** True if its text may begin an argument with `-`. */
  leadingDash: boolean;
  /** Media types that its files may have, such as `audio/*`; empty for any. */
  mediaTypes: readonly string[];
  /** The most bytes of each of its files; null is no bound but the server's. */
  maxSize: number | null;
  /** The name that the program sees; null is the name that the file came with. */
  fileName: string | null;
}

/** Keywords of a declaration that JSON Schema does not have. */
export const ownKeywords = [
  'media_type',
  'max_size',
  'file_name',
  'optional',
  'secret',
  'stdin',
  'leading_dash',
  'order',
  'advanced',
  'placeholder',
  'multiline',
] as const;

/** What an input of that name is, by its declaration. */
export function kindOf({ type, items }: ValueSchema): InputKind {
  if (type === 'file') return 'file';
  if (type === 'folder') return 'folder';
  return type === 'array' && (items as ValueSchema | undefined)?.type === 'file' ? 'files' : 'value';
}

/** The part of a declaration that JSON Schema knows. */
export function schemaOf(written: ValueSchema): ValueSchema {
  const own: readonly string[] = ownKeywords;
  return Object.fromEntries(Object.entries(written).filter(([key]) => !own.includes(key)));
}

/** Declarations that have passed the rules, in their order. */
export function inputsOf(declared: Readonly<Record<string, ValueSchema>> | undefined): InputDeclaration[] {
  return Object.entries(declared ?? {}).map(([name, written]) => ({
    name,
    kind: kindOf(written),
    written,
    required: written.optional !== true && !Object.hasOwn(written, 'default'),
    secret: written.secret === true,
    stdin: written.stdin === true,
    leadingDash: written.leading_dash === true,
    mediaTypes: [written.media_type ?? []].flat() as string[],
    maxSize: written.max_size === undefined ? null : (parseSize(written.max_size as string | number) ?? null),
    fileName: (written.file_name as string | undefined) ?? null,
  }));
}

/** Why an input or output cannot have that name: some words mean something on every object of JavaScript. */
export const nameProblem = (name: string): string | undefined =>
  name in Object.prototype ? `the name "${name}" is reserved; choose another one` : undefined;

/** How an input is shown where its name alone would say little: with its title. */
export const titleOf = ({ name, written }: Pick<InputDeclaration, 'name' | 'written'>): string =>
  typeof written.title === 'string' && written.title !== '' ? `${name} (${written.title})` : name;
