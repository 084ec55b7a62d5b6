import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Problem } from './errors.js';
import { packageFile } from './package.js';
import { explain } from './validate.js';

const schemasFolder = packageFile('schemas');

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

/** The validator of `schemas/<name>.json`, compiled when it is first used. */
export function validator(name: string, { useDefaults = false }: ValidatorOptions = {}): Validator {
  return validatorAt(addressOf(name), useDefaults);
}

/**
 * The validator of a schema that is no file; it refers to those that are as `process-definition.json`.
 * Call it once for each schema: all that have been compiled are kept.
 */
export function compile(definition: object, { useDefaults = false }: ValidatorOptions = {}): Validator {
  inlineSchemas += 1;
  const address = addressOf(`inline-${inlineSchemas}`);
  for (const allErrors of [true, false]) ajvWith({ useDefaults, allErrors }).addSchema(definition, address);
  return validatorAt(address, useDefaults);
}

let inlineSchemas = 0;

function validatorAt(address: string, useDefaults: boolean): Validator {
  return (value, prefix = '') => {
    const check = ajvWith({ useDefaults, allErrors: !isLarge(value) }).getSchema(address);
    if (check === undefined) throw new Error(`there is no schema ${address}`);
    return check(value) ? [] : explain(check.errors ?? [], prefix);
  };
}

/** One ajv for each way of checking, as strict as it gets, with our own word allowed and what `explain` needs. */
function ajvWith(options: { useDefaults: boolean; allErrors: boolean }): Ajv2020 {
  const key = JSON.stringify(options);
  let ajv = ajvs.get(key);
  if (ajv === undefined) {
    // Not strictRequired: "one of these keys" is said in branches that do not define the keys again.
    const strict = { strict: true, strictRequired: false, allowUnionTypes: true };
    // Not optimized by ajv: that takes a third of the time that it takes to compile, and V8 makes the same of both.
    ajv = new Ajv2020({ ...options, ...strict, verbose: true, code: { optimize: false } });
    formats.default(ajv);
    ajv.addKeyword({ keyword: 'x-expects', schemaType: 'string' });
    for (const name of schemaNames()) ajv.addSchema(schema(name), addressOf(name));
    ajvs.set(key, ajv);
  }
  return ajv;
}

// The files carry no `$id`: their place is their name, and references between them are relative paths.
function addressOf(name: string): string {
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
