import { openAjv } from '../../src/lib/ajv.js';
import type { Problem } from '../../src/lib/errors.js';
import { explain } from '../../src/lib/validate.js';

/** A validator of a schema at hand, as those of `schemas/` are made when the program is built. */
export function compile(schema: object): (value: unknown, prefix?: string) => Problem[] {
  const check = openAjv({ allErrors: true, useDefaults: false }).compile(schema);
  return (value, prefix) => (check(value) ? [] : explain(check.errors ?? [], prefix));
}
