import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { inputsOf } from '../../../src/domain/inputs/declaration.js';
import { formOf } from '../../../src/domain/inputs/form.js';
import { outputsOf } from '../../../src/domain/inputs/output-declaration.js';
import type { ValueSchema } from '../../../src/lib/value-schema.js';

const form = (inputs: Record<string, ValueSchema>, outputs: Parameters<typeof outputsOf>[0] = {}) =>
  formOf({ title: 'to-mp3', description: null, inputs: inputsOf(inputs), outputs: outputsOf(outputs) });

/** As a form library would read it: with formats, and without words of ours. */
function compiled(schema: ValueSchema) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  expect(ajv.validateSchema(schema)).toBe(true);
  return ajv.compile(schema);
}

const hints = {
  kind: 'value',
  media_type: [],
  max_size: null,
  secret: false,
  stdin: false,
  order: null,
  advanced: false,
  placeholder: null,
  multiline: false,
};

describe('a form', () => {
  test('has each input as JSON Schema, with hints', () => {
    const schema = form(
      {
        sound: { type: 'file', title: 'Sound', media_type: 'audio/*', max_size: '2KB', stdin: true },
        images: { type: 'array', items: { type: 'file' }, minItems: 1, media_type: ['image/png'] },
        tree: { type: 'folder', optional: true },
        bitrate: { type: 'integer', minimum: 32, default: 128, advanced: true, placeholder: '128' },
        key: { type: 'string', secret: true, multiline: true, leading_dash: true },
      },
      {
        mp3: { type: 'file', title: 'MP3', media_type: 'audio/mpeg' },
        code: { type: 'integer', from: 'exit_code' },
      },
    );
    expect(schema).toEqual({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'to-mp3',
      type: 'object',
      additionalProperties: false,
      required: ['sound', 'images', 'key'],
      properties: {
        sound: {
          type: 'string',
          format: 'binary',
          title: 'Sound',
          'x-penstock': { ...hints, kind: 'file', media_type: ['audio/*'], max_size: 2000, stdin: true },
        },
        images: {
          type: 'array',
          items: { type: 'string', format: 'binary' },
          minItems: 1,
          'x-penstock': { ...hints, kind: 'files', media_type: ['image/png'] },
        },
        tree: {
          type: 'array',
          items: { type: 'string', format: 'binary' },
          'x-penstock': { ...hints, kind: 'folder' },
        },
        bitrate: {
          type: 'integer',
          minimum: 32,
          default: 128,
          'x-penstock': { ...hints, advanced: true, placeholder: '128' },
        },
        key: { type: 'string', 'x-penstock': { ...hints, secret: true, multiline: true } },
      },
      outputs: {
        mp3: { title: 'MP3', type: 'file', media_type: 'audio/mpeg' },
        code: { title: null, type: 'integer', media_type: null },
      },
    });
    const check = compiled(schema);
    const good = { sound: 'bytes', images: ['one'], key: 'k', bitrate: 64 };
    expect([check(good), check({ ...good, bitrate: 1 }), check({ ...good, x: 1 })]).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('is in the order of the hints, then as declared', () => {
    const text = { type: 'string' };
    const schema = form({
      last: text,
      second: { ...text, order: 2 },
      third: { ...text, order: 2 },
      first: { ...text, order: -1 },
      end: text,
    });
    expect(Object.keys(schema.properties as object)).toEqual(['first', 'second', 'third', 'last', 'end']);
    expect(schema.required).toEqual(['first', 'second', 'third', 'last', 'end']);
  });

  test('keeps references within a declaration, and leaves data alone', () => {
    const schema = form({
      boxes: {
        $defs: { side: { type: 'number', exclusiveMinimum: 0 } },
        type: 'array',
        items: {
          type: 'object',
          properties: { $ref: { $ref: '#/$defs/side' }, w: { anyOf: [{ $ref: '#/$defs/side' }] } },
        },
        default: [{ $ref: 1 }],
        examples: [[{ $ref: '#/$defs/side' }]],
      },
    });
    const { boxes } = schema.properties as Record<string, ValueSchema>;
    const moved = { $ref: '#/properties/boxes/$defs/side' };
    expect(boxes).toMatchObject({
      items: { properties: { $ref: moved, w: { anyOf: [moved] } } },
      default: [{ $ref: 1 }],
      examples: [[{ $ref: '#/$defs/side' }]],
    });
    const check = compiled(schema);
    expect([check({ boxes: [{ w: 1, $ref: 2 }] }), check({ boxes: [{ w: 0 }] })]).toEqual([true, false]);
    expect(check({ boxes: [{ $ref: -1 }] })).toBe(false);
  });

  test('of what takes nothing is empty', () => {
    expect(form({})).toMatchObject({ properties: {}, required: [], outputs: {} });
    compiled(form({}));
  });
});
