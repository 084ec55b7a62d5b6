// Generates the types for the schemas in `src/lib/generated/`, so that the contract and the code cannot differ.
// `prepare.mjs` runs this if a schema is newer.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { compile } from 'json-schema-to-typescript';
import { root } from './prepare.mjs';

/** The name of each schema's type. Types of configuration files have the defaults filled in. */
const documents = {
  'config/application': 'ApplicationFile',
  'config/heat': 'HeatFile',
  'config/nova': 'NovaFile',
  'config/pipelinejobs': 'PipelineJobsFile',
  'config/ssh': 'SshFile',
  'config/streams': 'StreamsFile',
  application: 'ApplicationDocument',
  operation: 'OperationDocument',
  'pipeline-steps': 'PipelineDocument',
  'process-definition': 'DefinitionDocument',
  'run-request': 'RunDocument',
};

/** The schema without titles, which would become type names. `filled`: keys with a default are always present. */
function prepared(schema, filled) {
  if (Array.isArray(schema)) return schema.map((one) => prepared(one, filled));
  if (typeof schema !== 'object' || schema === null) return schema;
  const kept = Object.entries(schema).filter(
    ([key, value]) => !(key === 'title' && typeof value === 'string'),
  );
  const result = Object.fromEntries(kept.map(([key, value]) => [key, prepared(value, filled)]));
  const { properties } = schema;
  if (filled && typeof properties === 'object') {
    const given = Object.keys(properties).filter((key) => 'default' in properties[key]);
    result.required = [...new Set([...(schema.required ?? []), ...given])];
  }
  return result;
}

for (const [name, type] of Object.entries(documents)) {
  const file = path.join(root, 'schemas', `${name}.json`);
  const schema = prepared(JSON.parse(readFileSync(file, 'utf8')), name.startsWith('config/'));
  const text = await compile(schema, type, {
    bannerComment: `// Made of schemas/${name}.json by scripts/schema-types.mjs.`,
    cwd: path.dirname(file),
    format: false,
    // Plain arrays instead of tuples of every allowed length.
    ignoreMinAndMaxItems: true,
  });
  const target = path.join(root, 'src', 'lib', 'generated', `${name}.ts`);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
}
