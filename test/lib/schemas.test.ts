import { describe, expect, test } from 'vitest';
import { formats } from '../../src/domain/jobs/event-message.js';
import { events } from '../../src/domain/jobs/job-state.js';
import { schema, schemaNames, validator } from '../../src/lib/schemas.js';
import { targetOf, unbounded } from '../support/unbounded.js';

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

test('a schema may refer to others', () => {
  const check = validator('job-subscriptions');
  expect(check([{ url: 'https://example.org/hook', format: 'json' }])).toEqual([]);
  expect(check([{ url: 5 }], '/subscriptions')).toEqual([
    { pointer: '/subscriptions/0/url', detail: '[0].url must be a string, not the number 5' },
  ]);
});

test('defaults are filled in where they are asked for, and only there', () => {
  const filled: { state?: string } = {};
  expect(validator('replay', { useDefaults: true })(filled)).toEqual([]);
  expect(filled).toEqual({ state: 'dead' });
  const untouched = {};
  expect(validator('replay')(untouched)).toEqual([]);
  expect(untouched).toEqual({});
});

test('what subscriptions are told of, and how, is what there is', () => {
  const { properties } = schema('subscription') as {
    properties: Record<string, { enum?: string[]; 'x-expects'?: string }>;
  };
  expect(properties.format?.enum).toEqual(formats);
  expect(properties.events?.['x-expects']).toContain(`events are ${events.join(', ')}`);
});

/** The places of properties that do not say what they are; branches that only narrow others need not. */
function undescribed(root: object, node: unknown, place: string): string[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => {
    const deeper = `${place}/${key}`;
    if (['default', 'examples', 'enum', 'const', 'if', 'then', 'else'].includes(key)) return [];
    if (key !== 'properties') return undescribed(root, value, deeper);
    return Object.entries(value as Record<string, Record<string, string>>).flatMap(([name, property]) => {
      const target =
        property.$ref === undefined
          ? undefined
          : (targetOf(root as Record<string, unknown>, property.$ref).node as Record<string, string>);
      const told = (word: 'title' | 'description') => property[word] ?? target?.[word];
      const missing = told('title') && told('description') ? [] : [`${deeper}/${name}`];
      return [...missing, ...undescribed(root, property, `${deeper}/${name}`)];
    });
  });
}
