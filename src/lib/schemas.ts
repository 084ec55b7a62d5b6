import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ValidateFunction } from 'ajv';
import type { Ajv2020 } from 'ajv/dist/2020.js';
import { openAjv, type Way } from './ajv.js';
import type { Problem } from './errors.js';
import { packageFile } from './package.js';
import { explain } from './validate.js';

const schemasFolder = packageFile('schemas');
const load = createRequire(import.meta.url);

/** Says what is wrong with a value: nothing, one problem, or several. `prefix` is where the value stands. */
type Validator = (value: unknown, prefix?: string) => Problem[];

interface ValidatorOptions {
  /** Fill the defaults that the schema states into the value; for our own configuration. */
  useDefaults?: boolean;
}

/** Larger values are checked up to their first mistake only, or one request could ask for a million errors. */
const mostValues = 20_000;

const loaded = new Map<string, object>();
const ajvs = new Map<string, Ajv2020>();
const built = new Map<string, ValidateFunction>();

/** A schema as parsed JSON; `name` is its path under `schemas/` without `.json`, such as `config/ssh`. */
export function schema(name: string): object {
  let found = loaded.get(name);
  if (found === undefined) {
    found = JSON.parse(readFileSync(join(schemasFolder, `${name}.json`), 'utf8')) as object;
    loaded.set(name, found);
  }
  return found;
}

/** The names of all schemas, in order. */
export function schemaNames(): string[] {
  if (!existsSync(schemasFolder)) return [];
  return readdirSync(schemasFolder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length).replaceAll('\\', '/'))
    .sort();
}

/** The file of a validator, as `scripts/validators.mjs` has compiled it when the program was built. */
export const validatorFile = (name: string, { allErrors, useDefaults }: Way): string =>
  packageFile(
    'dist',
    'validators',
    `${name}.${allErrors ? 'all' : 'first'}${useDefaults ? '.defaults' : ''}.cjs`,
  );

/** The validator of `schemas/<name>.json`, loaded when it is first used. */
export function validator(name: string, { useDefaults = false }: ValidatorOptions = {}): Validator {
  return validatorOf((allErrors) => {
    const file = validatorFile(name, { allErrors, useDefaults });
    const known = built.get(file);
    if (known !== undefined) return known;
    const check = load(file) as ValidateFunction;
    built.set(file, check);
    return check;
  });
}

/**
 * The validator of a schema that is no file; it refers to those that are as `process-definition.json`.
 * Call it once for each schema: what has been compiled is kept.
 */
export function compile(definition: object, { useDefaults = false }: ValidatorOptions = {}): Validator {
  inlineSchemas += 1;
  const address = addressOf(`inline-${inlineSchemas}`);
  return validatorOf((allErrors) => {
    const ajv = ajvOf({ allErrors, useDefaults });
    return ajv.getSchema(address) ?? ajv.compile({ $id: address, ...definition });
  });
}

let inlineSchemas = 0;

/** One ajv for each way of checking, which knows the schemas that are files. */
function ajvOf(way: Way): Ajv2020 {
  const key = JSON.stringify(way);
  const known = ajvs.get(key);
  if (known !== undefined) return known;
  // Not optimized by ajv: that takes a third of the time that it takes to compile, and V8 makes the same of both.
  const ajv = openAjv(way, { optimize: false });
  for (const name of schemaNames()) ajv.addSchema(schema(name), addressOf(name));
  ajvs.set(key, ajv);
  return ajv;
}

/** @param checkOf what checks a value, to its first mistake only or for all of them */
function validatorOf(checkOf: (allErrors: boolean) => ValidateFunction): Validator {
  return (value, prefix = '') => {
    const check = checkOf(!isLarge(value));
    return check(value) ? [] : explain(check.errors ?? [], prefix);
  };
}

// The files carry no `$id`: their place is their name, and references between them are relative paths.
export function addressOf(name: string): string {
  return `penstock:///${name}.json`;
}

function isLarge(value: unknown): boolean {
  const waiting = [value];
  for (let seen = 0; waiting.length > 0; seen += 1) {
    const next = waiting.pop();
    if (typeof next !== 'object' || next === null) continue;
    const children = Object.values(next);
    if (seen + waiting.length + children.length > mostValues) return true;
    for (const child of children) waiting.push(child);
  }
  return false;
}
