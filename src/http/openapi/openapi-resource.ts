import { schema } from '../../lib/schemas.js';
import type { ResourceService } from '../../usecases/resource.js';
import { type Json, ref, titleOf, types } from './openapi-parts.js';

/** An object as it is read. */
export function objectSchema(service: ResourceService): Json {
  const properties: Json = {
    resource_uri: { type: 'string', readOnly: true, description: 'Where the object is.' },
  };
  for (const [name, field] of Object.entries(service.fields)) {
    const type = types[field.type];
    properties[name] = {
      ...type,
      ...(field.nullable ? { type: [type.type, 'null'] } : {}),
      ...(field.readonly ? { readOnly: true } : {}),
      description: field.help_text,
    };
  }
  return { title: titleOf(service.name), type: 'object', properties };
}

/** An object as it is sent, where that is more than the fields say. */
export const bodies: Record<string, () => Json> = {
  process_definition: () => ({
    type: 'object',
    required: ['definition'],
    maxProperties: 20,
    properties: { definition: ref('Definition'), name: { type: 'string', maxLength: 255 } },
  }),
  pipeline: () => ({ oneOf: [ref('PipelineOfSteps'), ref('ExternalPipeline')] }),
  user: () => schema('user') as Json,
  token: () => schema('token') as Json,
  subscription: () => schema('subscription') as Json,
  stream: () => schema('stream') as Json,
  operation: () => schema('operation') as Json,
  application: () => schema('application') as Json,
};
