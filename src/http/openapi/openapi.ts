import { version } from '../../lib/package.js';
import { schema } from '../../lib/schemas.js';
import type { ResourceService } from '../../usecases/resource.js';
import type { Parameters } from '../parameters.js';
import { listed, type Routes } from '../route.js';
import { errors, type Json, ref, titleOf } from './openapi-parts.js';
import { bodies, objectSchema } from './openapi-resource.js';

/** A pipeline's document, of either type. */
function pipelineSchemas(): Json {
  const text = JSON.stringify(schema('pipeline-steps'))
    .replaceAll('"#/$defs/', '"#/components/schemas/Pipeline_')
    .replaceAll('"process-definition.json#/$defs/', '"#/components/schemas/Definition_');
  const { $defs, ...steps } = JSON.parse(text) as Json & { $defs: Json };
  return {
    PipelineOfSteps: steps,
    ExternalPipeline: schema('pipeline'),
    ...Object.fromEntries(Object.entries($defs).map(([name, value]) => [`Pipeline_${name}`, value])),
  };
}

/** A group of routes, and the path where it is mounted. */
export type Mounted = readonly [path: string, routes: Routes];

/** Errors that every route with a login may answer with. */
const login = ['unauthenticated', 'too-many-failed-logins'] as const;

const parametersOf = (place: 'query' | 'path' | 'header', parameters: Parameters = {}): Json[] =>
  Object.entries(parameters).map(([name, [schema, description]]) => ({
    name,
    in: place,
    required: place === 'path',
    schema,
    description,
    ...(place === 'query' && ['array', 'object'].includes(schema.type as string)
      ? { style: 'form', explode: true }
      : {}),
  }));

const some = <T>(list: T[]): T[] | undefined => (list.length === 0 ? undefined : list);

/** OpenAPI's `paths` of everything that is mounted. */
function pathsOf(mounted: readonly Mounted[]): Json {
  const paths: Record<string, Json> = {};
  for (const [base, group] of mounted) {
    for (const route of listed(group)) {
      const path = `${base === '/' ? '' : base}${route.path}`;
      const keys = parametersOf('path', group.keys).filter(({ name }) => path.includes(`{${name}}`));
      const query = typeof route.query === 'function' ? route.query() : route.query;
      const codes = [
        ...(group.login === undefined ? [] : login),
        ...(group.errors ?? []),
        ...(route.errors ?? []),
        ...(keys.length === 0 ? [] : (['bad-request'] as const)),
        'bad-query' as const,
      ];
      paths[path] = {
        parameters: some(keys),
        ...paths[path],
        [route.method.toLowerCase()]: {
          operationId: [group.name?.replaceAll('-', '_'), route.id].filter(Boolean).join('_'),
          tags: some([group.name ?? [], route.tags ?? []].flat()),
          security: route.security ?? group.security,
          summary: route.summary,
          description: route.description,
          parameters: some([...parametersOf('query', query), ...parametersOf('header', route.headers)]),
          requestBody: typeof route.body === 'function' ? route.body() : route.body,
          responses: { ...route.answers, ...errors(codes, group.errorSchema) },
        },
      };
    }
  }
  return paths;
}

/** The whole API as OpenAPI 3.1, made from the schemas and from what is mounted. */
export function openApi(services: readonly ResourceService[], mounted: readonly Mounted[]): Json {
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
    paths: pathsOf(mounted),
    components: {
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
      schemas: {
        ...Object.fromEntries(services.map((service) => [titleOf(service.name), objectSchema(service)])),
        ...Object.fromEntries(Object.entries(bodies).map(([name, body]) => [`${titleOf(name)}Body`, body()])),
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
