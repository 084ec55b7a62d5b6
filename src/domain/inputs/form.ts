import type { ValueSchema } from '../../lib/value-schema.js';
import { type InputDeclaration, schemaOf } from './declaration.js';
import { mapSchemas } from './declared-schema.js';

/** An output as a form tells of it; the type is null where only a run shows it. */
interface FormOutput {
  name: string;
  written: { title?: string; type?: string };
  mediaType: string | null;
}

/** What a form is made of: whatever can be run has these. */
interface Runnable {
  title: string;
  description: string | null;
  inputs: readonly InputDeclaration[];
  outputs: readonly FormOutput[];
}

/** What a form needs, as a JSON Schema of the values, with hints that JSON Schema has no words for. */
export function formOf({ title, description, inputs, outputs }: Runnable): ValueSchema {
  const orderOf = ({ written }: InputDeclaration) => (written.order as number | undefined) ?? Infinity;
  // Sorting is stable: those of the same order stay as they were declared.
  const sorted = [...inputs].sort((a, b) => (orderOf(a) === orderOf(b) ? 0 : orderOf(a) - orderOf(b)));
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title,
    ...(description === null ? {} : { description }),
    type: 'object',
    properties: Object.fromEntries(sorted.map((input) => [input.name, propertyOf(input)])),
    required: sorted.filter(({ required }) => required).map(({ name }) => name),
    additionalProperties: false,
    outputs: Object.fromEntries(
      outputs.map(({ name, written, mediaType }) => [
        name,
        { title: written.title ?? null, type: written.type ?? null, media_type: mediaType },
      ]),
    ),
  };
}

const fileSchema = { type: 'string', format: 'binary' };

function propertyOf(input: InputDeclaration): ValueSchema {
  const { name, kind, written, mediaTypes, maxSize, secret, stdin } = input;
  const declared = schemaOf(written);
  const schema =
    kind === 'value'
      ? placedAt(declared, name)
      : kind === 'file'
        ? { ...declared, ...fileSchema }
        : { ...declared, type: 'array', items: fileSchema };
  return {
    ...schema,
    'x-penstock': {
      kind,
      media_type: mediaTypes,
      max_size: maxSize,
      secret,
      stdin,
      order: written.order ?? null,
      advanced: written.advanced === true,
      placeholder: written.placeholder ?? null,
      multiline: written.multiline === true,
    },
  };
}

/** References lead from the root of a schema, and the declaration is no longer one. */
const placedAt = (declared: ValueSchema, name: string): ValueSchema =>
  mapSchemas(declared, ({ $ref, ...rest }) =>
    typeof $ref === 'string' ? { ...rest, $ref: `#/properties/${name}${$ref.slice(1)}` } : rest,
  );
