import { bounds } from '../../domain/bounds.js';
import { paging } from '../../domain/query.js';
import type { ErrorCode } from '../../lib/errors.js';
import { schema } from '../../lib/schemas.js';
import { type Method, methods, type ResourceService } from '../../usecases/resource.js';
import { liveJobs, waitingJob } from './openapi-other.js';
import { answer, errors, type Json, jsonContent, parameter, ref, titleOf, types } from './openapi-parts.js';

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
export const bodies: Record<string, Json> = {
  process_definition: {
    type: 'object',
    required: ['definition'],
    maxProperties: 20,
    properties: { definition: ref('Definition'), name: { type: 'string', maxLength: 255 } },
  },
  pipeline: { oneOf: [ref('PipelineOfSteps'), ref('ExternalPipeline')] },
  user: schema('user') as Json,
  token: schema('token') as Json,
  subscription: schema('subscription') as Json,
  stream: schema('stream') as Json,
  operation: schema('operation') as Json,
  application: schema('application') as Json,
};

/** What some nouns take and give beyond what all do. */
export const beyond: Readonly<
  Record<string, { list?: { parameters: Json[]; content: Json }; detail?: { parameters: Json[] } }>
> = { job: { list: liveJobs, detail: waitingJob } };

function listParameters(service: ResourceService, paged: boolean): Json[] {
  const entries = Object.entries(service.fields);
  const page = paged
    ? [
        parameter(
          'limit',
          'query',
          { type: 'integer', minimum: 0, default: paging.defaultLimit },
          `Objects in a page; 0 and more than ${paging.maxLimit} mean ${paging.maxLimit}.`,
        ),
        parameter('offset', 'query', { type: 'integer', minimum: 0, default: 0 }, 'Objects before the page.'),
      ]
    : [];
  const orderable = entries.filter(([, field]) => field.orderable).flatMap(([name]) => [name, `-${name}`]);
  return [
    ...page,
    ...(orderable.length > 0
      ? [
          {
            ...parameter(
              'order_by',
              'query',
              { type: 'array', items: { enum: orderable } },
              'Repeatable; `-` for descending.',
            ),
            style: 'form',
            explode: true,
          },
        ]
      : []),
    ...entries.flatMap(([name, field]) =>
      (field.lookups ?? []).map((lookup) =>
        parameter(
          lookup === 'exact' ? name : `${name}__${lookup}`,
          'query',
          lookup === 'isnull' ? { type: 'boolean' } : { type: 'string' },
          `${field.help_text} Lookup \`${lookup}\`${lookup === 'in' || lookup === 'range' ? ', values separated by commas' : ''}.`,
        ),
      ),
    ),
  ];
}

export function resourcePaths(service: ResourceService): Json {
  const { name } = service;
  const object = ref(titleOf(name));
  const body = bodies[name] === undefined ? undefined : ref(`${titleOf(name)}Body`);
  const requestBody = (value: Json): Json => ({
    requestBody: { required: true, content: jsonContent(value) },
  });
  const tags = [name];
  const always: ErrorCode[] = ['unauthenticated', 'too-many-failed-logins', 'bad-header', 'bad-query'];
  const change: ErrorCode[] = [
    ...always,
    'invalid-body',
    'bad-json',
    'too-slow',
    'too-large',
    'unsupported-media-type',
    'forbidden',
    'conflict',
  ];
  const page: Json = {
    type: 'object',
    properties: { meta: ref('PageMeta'), objects: { type: 'array', items: object } },
  };
  const live = beyond[name]?.list;
  const listOperations: Record<Method, Json> = {
    GET: {
      summary: `List ${name}`,
      parameters: [...listParameters(service, true), ...(live?.parameters ?? [])],
      responses: {
        200: { description: 'A page', content: { ...jsonContent(page), ...live?.content } },
        ...errors(...always),
      },
    },
    POST: {
      summary: `Add a ${name}`,
      ...requestBody(body ?? object),
      responses: {
        201: { description: 'Added; Location says where' },
        ...errors(...change, 'invalid-definition'),
      },
    },
    PUT: {
      summary: `Replace all ${name} that the filters select`,
      parameters: listParameters(service, false),
      ...requestBody({
        type: 'object',
        required: ['objects'],
        additionalProperties: false,
        properties: { objects: { type: 'array', maxItems: bounds.objects, items: body ?? object } },
      }),
      responses: { 204: { description: 'Replaced' }, ...errors(...change) },
    },
    PATCH: {
      summary: `Add, change and delete several ${name} at once`,
      ...requestBody({
        type: 'object',
        required: ['objects'],
        additionalProperties: false,
        properties: {
          objects: { type: 'array', maxItems: bounds.objects, items: body ?? object },
          deleted_objects: {
            type: 'array',
            maxItems: bounds.objects,
            items: { type: 'string', maxLength: 1000 },
          },
        },
      }),
      responses: { 202: { description: 'Done' }, ...errors(...change, 'not-found') },
    },
    DELETE: {
      summary: `Delete all ${name} that the filters select`,
      parameters: listParameters(service, false),
      responses: {
        204: { description: 'Deleted' },
        ...errors(...always, 'forbidden', 'conflict'),
      },
    },
  };
  const match = parameter('If-Match', 'header', { type: 'string' }, 'Only if the ETag is still this one.');
  const detailOperations: Record<Method, Json> = {
    GET: {
      summary: `Read one ${name}`,
      ...beyond[name]?.detail,
      responses: {
        200: answer('The object', object),
        304: { description: 'Unchanged' },
        ...errors(...always, 'not-found'),
      },
    },
    POST: { summary: 'Not for one object', responses: errors(...always, 'detail-post') },
    PUT: {
      summary: `Change one ${name}, or add it under this id`,
      parameters: [match],
      ...requestBody(body ?? object),
      responses: {
        204: { description: 'Changed' },
        201: { description: 'Added' },
        ...errors(...change, 'not-found', 'precondition-failed'),
      },
    },
    PATCH: {
      summary: `Change one ${name}`,
      parameters: [match],
      ...requestBody(body ?? object),
      responses: {
        202: { description: 'Changed' },
        ...errors(...change, 'not-found', 'precondition-failed'),
      },
    },
    DELETE: {
      summary: `Delete one ${name}`,
      parameters: [match],
      responses: {
        204: { description: 'Deleted' },
        ...errors(...always, 'forbidden', 'not-found', 'conflict', 'precondition-failed'),
      },
    },
  };
  const operations = (allowed: readonly Method[], all: Record<Method, Json>, where: string): Json =>
    Object.fromEntries(
      methods
        .filter((method) => allowed.includes(method))
        .map((method) => [
          method.toLowerCase(),
          { operationId: `${name}_${where}_${method.toLowerCase()}`, tags, ...all[method] },
        ]),
    );
  const keyTypes: Record<string, Json> = {
    id: { type: 'integer' },
    uuid: { type: 'string', format: 'uuid' },
  };
  const key = parameter(service.key, 'path', keyTypes[service.key] ?? { type: 'string' }, 'Which one.');
  return {
    [`/api/${name}/`]: operations(service.methods.list, listOperations, 'list'),
    [`/api/${name}/schema/`]: {
      get: {
        operationId: `${name}_schema`,
        tags,
        summary: `Fields of a ${name}`,
        responses: { 200: answer('The schema', { type: 'object' }), ...errors(...always) },
      },
    },
    [`/api/${name}/set/{ids}/`]: {
      parameters: [parameter('ids', 'path', { type: 'string' }, 'Ids, separated by `;`.')],
      get: {
        operationId: `${name}_set`,
        tags,
        summary: `Read several ${name}`,
        responses: {
          200: answer('Those found, in the order asked for', {
            type: 'object',
            properties: {
              objects: { type: 'array', items: object },
              not_found: { type: 'array', items: { type: 'string' } },
            },
          }),
          ...errors(...always),
        },
      },
    },
    [`/api/${name}/{${service.key}}/`]: {
      parameters: [key],
      ...operations(service.methods.detail, detailOperations, 'detail'),
    },
  };
}
