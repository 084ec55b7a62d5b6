import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ValidateFunction } from 'ajv';
import type { Way } from './ajv.js';
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
  return (value, prefix = '') => {
    const file = validatorFile(name, { allErrors: !isLarge(value), useDefaults });
    let check = built.get(file);
    if (check === undefined) {
      check = load(file) as ValidateFunction;
      built.set(file, check);
    }
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
