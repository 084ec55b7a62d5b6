import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import type { ValueSchema } from '../../lib/value-schema.js';
import { isPlaceholder } from '../definitions/placeholder.js';

/** The document of one output. */
export type OutputDocument = NonNullable<DefinitionDocument['outputs']>[string];

/** An output that a definition declares, ready to use. */
export interface OutputDeclaration {
  name: string;
  kind: 'file' | 'files' | 'folder' | 'value';
  /** As it was written. */
  written: OutputDocument;
  optional: boolean;
  mediaType: string | null;
  fileName: string | null;
  /** Where the program leaves it, relative to its working directory; null: at a path that the server chooses. */
  path: string | null;
  glob: string | null;
  from: 'stdout' | 'stderr' | 'exit_code' | null;
  pointer: string;
}

/** Keywords of an output's declaration that JSON Schema does not have. */
export const outputKeywords = [
  'media_type',
  'file_name',
  'optional',
  'file_path',
  'folder_path',
  'glob',
  'from',
  'pointer',
] as const;

/** The part of a value's declaration that JSON Schema knows. */
export function valueSchemaOf(written: OutputDocument): ValueSchema {
  const own: readonly string[] = outputKeywords;
  return Object.fromEntries(Object.entries(written).filter(([key]) => !own.includes(key)));
}

export const outputKindOf = ({ type }: OutputDocument): OutputDeclaration['kind'] =>
  type === 'file' || type === 'files' || type === 'folder' ? type : 'value';

/** Declarations that have passed the rules, in their order. */
export function outputsOf(declared: DefinitionDocument['outputs']): OutputDeclaration[] {
  return Object.entries(declared ?? {}).map(([name, written]) => {
    const path = written.file_path ?? written.folder_path;
    return {
      name,
      kind: outputKindOf(written),
      written,
      optional: written.optional === true,
      mediaType: written.media_type ?? null,
      fileName: written.file_name ?? null,
      path: path === undefined || isPlaceholder(path, `outputs.${name}`) ? null : path,
      glob: written.glob ?? null,
      from: written.from ?? null,
      pointer: written.pointer ?? '',
    };
  });
}

/** The output that `GET /api/job/UUID/output/` sends if no adapter says which: the first file. */
export const mainOf = (outputs: readonly OutputDeclaration[]): OutputDeclaration | undefined =>
  outputs.find(({ kind }) => kind === 'file');

/** What is missing of JSON at the end of a JSON pointer: `[false]`, or `[true, value]`. */
export function atPointer(value: unknown, keys: readonly string[]): [false] | [true, unknown] {
  let found = value;
  for (const key of keys) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return [false];
    found = (found as Record<string, unknown>)[key];
  }
  return [true, found];
}
