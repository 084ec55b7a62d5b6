import { createRequire } from 'node:module';
import type { Ajv2020, Options } from 'ajv/dist/2020.js';

/** How to check values: up to the first mistake or completely, and with or without filling in defaults. */
export interface Way {
  allErrors: boolean;
  useDefaults: boolean;
}

const load = createRequire(import.meta.url);

/**
 * An ajv in its strictest mode, with our own keyword and everything that `explain` needs. Takes a moment to load: builds
 * and tests need it, and what users declare themselves.
 */
export function openAjv(way: Way, more: Options = {}): Ajv2020 {
  const ajv = load('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  const formats = load('ajv-formats') as typeof import('ajv-formats');
  // Not strictRequired: branches that require "one of these keys" do not define the keys again.
  const strict = { strict: true, strictRequired: false, allowUnionTypes: true };
  const opened = new ajv.Ajv2020({ ...way, ...strict, verbose: true, ...more });
  formats.default(opened);
  opened.addKeyword({ keyword: 'x-expects', schemaType: 'string' });
  return opened;
}
