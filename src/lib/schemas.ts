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

/** Returns the problems of a value. `prefix` is the pointer to the value itself. */
type Validator = (value: unknown, prefix?: string) => Problem[];

interface ValidatorOptions {
  /** Fill the schema's defaults into the value; for our own configuration. */
  useDefaults?: boolean;
}

/** Larger values are checked only up to their first mistake, or one request could cause a million errors. */
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

/** The file of a validator, which `scripts/validators.mjs` compiles when the program is built. */
export const validatorFile = (name: string, { allErrors, useDefaults }: Way): string =>
  packageFile(
    'dist',
    'validators',
    `${name}.${allErrors ? 'all' : 'first'}${useDefaults ? '.defaults' : ''}.cjs`,
  );

/** The validator of `schemas/<name>.json`, loaded on first use. */
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

// The files have no `$id`: their path is their name, and they refer to each other by relative paths.
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
