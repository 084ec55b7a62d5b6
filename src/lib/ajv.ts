import { createRequire } from 'node:module';
import type { Ajv2020 } from 'ajv/dist/2020.js';

/** How values are checked: up to the first mistake or all of it, with or without filling in what the schema states. */
export interface Way {
  allErrors: boolean;
  useDefaults: boolean;
}

const load = createRequire(import.meta.url);

/** An ajv as strict as it gets, with our own word allowed and what `explain` needs. Only a build loads it, and tests. */
export function openAjv(way: Way): Ajv2020 {
  const ajv = load('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  const formats = load('ajv-formats') as typeof import('ajv-formats');
  // Not strictRequired: "one of these keys" is said in branches that do not define the keys again.
  const strict = { strict: true, strictRequired: false, allowUnionTypes: true };
  const opened = new ajv.Ajv2020({ ...way, ...strict, verbose: true, code: { source: true } });
  formats.default(opened);
  opened.addKeyword({ keyword: 'x-expects', schemaType: 'string' });
  return opened;
}
