import { type InputDeclaration, inputsOf } from '../../domain/inputs/declaration.js';
import { type OutputDeclaration, outputsOf } from '../../domain/inputs/output-declaration.js';
import type { Json } from './client.js';

/** What a definition or a pipeline declares. Null: it declares none, so it takes or makes one file. */
export interface Declared {
  inputs: InputDeclaration[] | null;
  outputs: OutputDeclaration[] | null;
}

/** Reads the declarations of an object of the API: those of a definition are in its key `definition`. */
export function declaredBy(object: Json): Declared {
  const holder = isObject(object.definition) ? object.definition : object;
  const { inputs, outputs } = holder as { inputs?: unknown; outputs?: unknown };
  return {
    inputs: isDeclaration(inputs) ? inputsOf(inputs) : null,
    outputs: isDeclaration(outputs) ? outputsOf(outputs as Parameters<typeof outputsOf>[0]) : null,
  };
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isDeclaration = (value: unknown): value is Record<string, Json> =>
  isObject(value) && Object.values(value).every(isObject);
