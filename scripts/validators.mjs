// Compiles the schemas into `dist/validators/`, one file for each schema and way of checking, so that a server need not do
// it at its start.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import standalone from 'ajv/dist/standalone/index.js';
import { openAjv } from '../dist/ajv.js';
import { addressOf, schema, schemaNames, validatorFile } from '../dist/schemas.js';

for (const allErrors of [true, false])
  for (const useDefaults of [true, false]) {
    const way = { allErrors, useDefaults };
    const ajv = openAjv(way, { code: { source: true } });
    for (const name of schemaNames()) ajv.addSchema(schema(name), addressOf(name));
    for (const name of schemaNames()) {
      const file = validatorFile(name, way);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, standalone.default(ajv, ajv.getSchema(addressOf(name))));
    }
  }
