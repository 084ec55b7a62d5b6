import { version } from '../../lib/package.js';
import { schema } from '../../lib/schemas.js';
import type { ResourceService } from '../../usecases/resource.js';
import { operationPaths } from './openapi-operations.js';
import { otherPaths } from './openapi-other.js';
import { type Json, ref, titleOf } from './openapi-parts.js';
import { bodies, objectSchema, resourcePaths } from './openapi-resource.js';
import { streamPaths } from './openapi-streams.js';
import { subscriptionPaths } from './openapi-subscriptions.js';

/** A pipeline's document, of either type. */
function pipelineSchemas(): Json {
  const text = JSON.stringify(schema('pipeline-steps')).replaceAll(
    '"#/$defs/',
    '"#/components/schemas/Pipeline_',
  );
  const { $defs, ...steps } = JSON.parse(text) as Json & { $defs: Json };
  return {
    PipelineOfSteps: steps,
    ExternalPipeline: schema('pipeline'),
    ...Object.fromEntries(Object.entries($defs).map(([name, value]) => [`Pipeline_${name}`, value])),
  };
}

/**
 * Every path of the API, as OpenAPI has them; queries are checked against it.
 *
 * @param dialects the paths of the older protocols
 */
export const apiPaths = (services: readonly ResourceService[], dialects: readonly Json[]): Json => ({
  ...Object.assign({}, ...services.map(resourcePaths)),
  ...otherPaths(),
  ...streamPaths(),
  ...subscriptionPaths(),
  ...operationPaths(),
  ...Object.assign({}, ...dialects),
});

/** The whole API as OpenAPI 3.1, made from the schemas and the nouns that the routes are made from. */
export function openApi(services: readonly ResourceService[], paths: Json): Json {
  const definition = structuredClone(schema('process-definition')) as Json;
  const { $defs, ...definitionSchema } = JSON.parse(
    JSON.stringify(definition).replaceAll('"#/$defs/', '"#/components/schemas/Definition_'),
  ) as Json & { $defs?: Json };
  const shared = Object.fromEntries(
    Object.entries($defs ?? {}).map(([name, value]) => [`Definition_${name}`, value]),
  );
  const problem = { type: 'object', properties: { pointer: { type: 'string' }, detail: { type: 'string' } } };
  return {
    openapi: '3.1.0',
    info: { title: 'Penstock', version, description: 'A process registry that runs what it registers.' },
    security: [{ basic: [] }, { bearer: [] }],
    paths,
    components: {
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
      schemas: {
        ...Object.fromEntries(services.map((service) => [titleOf(service.name), objectSchema(service)])),
        ...Object.fromEntries(Object.entries(bodies).map(([name, value]) => [`${titleOf(name)}Body`, value])),
        Definition: definitionSchema,
        ...pipelineSchemas(),
        ...shared,
        RunRequest: schema('run-request'),
        Receipt: {
          type: 'object',
          properties: {
            signalled: { type: 'array', items: { type: 'object' } },
            survivors: { type: 'array', items: { type: 'object' } },
            unproven: {
              type: ['string', 'null'],
              description: 'Why something may still run that was not found; null if nothing does.',
            },
            job: ref('Job'),
          },
        },
        PageMeta: {
          type: 'object',
          properties: {
            limit: { type: 'integer' },
            next: { type: ['string', 'null'] },
            offset: { type: 'integer' },
            previous: { type: ['string', 'null'] },
            total_count: { type: 'integer' },
          },
        },
        Error: {
          type: 'object',
          properties: {
            error: { type: 'string' },
            type: { type: 'string' },
            title: { type: 'string' },
            status: { type: 'integer' },
            detail: { type: 'string' },
            errors: { type: 'array', items: problem },
          },
        },
      },
    },
  };
}
