import { describe, expect, test } from 'vitest';
import { compile, schema, schemaNames, validator } from '../../src/lib/schemas.js';
import { unbounded } from '../support/unbounded.js';

test('the schemas are found beside the package', () => {
  expect(schemaNames()).toContain('process-definition');
});

describe.each(schemaNames())('%s', (name) => {
  test('compiles in strict mode', () => {
    expect(validator(name)(Symbol.iterator)).not.toEqual([]);
  });

  test('has a title and a description for every key', () => {
    expect(undescribed(schema(name), schema(name), '')).toEqual([]);
  });
});

/** What is not ours comes by these; those below `config/` are read from files of whoever runs the server. */
test.each(
  schemaNames().filter((name) => !name.startsWith('config/')),
)('%s bounds every text, list and map', (name) => {
  expect(unbounded(schema(name) as Record<string, unknown>)).toEqual([]);
});

test('a schema at hand may refer to the files', () => {
  const check = compile({
    type: 'object',
    properties: { definition: { $ref: 'process-definition.json' } },
    required: ['definition'],
  });
  expect(check({ definition: { exec: 'cat' } })).toEqual([]);
  expect(check({ definition: { exec: 5 } })).toEqual([
    { pointer: '/definition/exec', detail: 'definition.exec must be a string, not the number 5' },
  ]);
});

test('defaults are filled in where they are asked for, and only there', () => {
  const settings = { type: 'object', properties: { port: { type: 'integer', default: 8000 } } };
  const filled = {};
  expect(compile(settings, { useDefaults: true })(filled)).toEqual([]);
  expect(filled).toEqual({ port: 8000 });
  const untouched = {};
  expect(compile(settings)(untouched)).toEqual([]);
  expect(untouched).toEqual({});
});

/** The places of properties that do not say what they are; branches that only narrow others need not. */
function undescribed(root: object, node: unknown, place: string): string[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => {
    const deeper = `${place}/${key}`;
    if (['default', 'examples', 'enum', 'const', 'if', 'then', 'else'].includes(key)) return [];
    if (key !== 'properties') return undescribed(root, value, deeper);
    return Object.entries(value as Record<string, Record<string, string>>).flatMap(([name, property]) => {
      const target = property.$ref?.startsWith('#/$defs/')
        ? (root as { $defs: Record<string, Record<string, string>> }).$defs[
            property.$ref.slice('#/$defs/'.length)
          ]
        : undefined;
      const told = (word: 'title' | 'description') => property[word] ?? target?.[word];
      const missing = told('title') && told('description') ? [] : [`${deeper}/${name}`];
      return [...missing, ...undescribed(root, property, `${deeper}/${name}`)];
    });
  });
}
