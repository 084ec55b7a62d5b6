import { createRequire } from 'node:module';
import type { Ajv2020 } from 'ajv/dist/2020.js';

/** How values are checked: up to the first mistake or all of it, with or without filling in what the schema states. */
export interface Way {
  allErrors: boolean;
  useDefaults: boolean;
}

// Not loaded before it is needed: what our own schemas say was compiled when the program was built.
const load = createRequire(import.meta.url);

/**
 * An ajv as strict as it gets, with our own word allowed and what `explain` needs.
 *
 * @param code see ajv's own option of that name
 */
export function openAjv(way: Way, code: { source?: boolean; optimize?: boolean }): Ajv2020 {
  const ajv = load('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  const formats = load('ajv-formats') as typeof import('ajv-formats');
  // Not strictRequired: "one of these keys" is said in branches that do not define the keys again.
  const strict = { strict: true, strictRequired: false, allowUnionTypes: true };
  const opened = new ajv.Ajv2020({ ...way, ...strict, verbose: true, code });
  formats.default(opened);
  opened.addKeyword({ keyword: 'x-expects', schemaType: 'string' });
  return opened;
}
