import { createRequire } from 'node:module';
import { type Field, paging } from '../domain/query.js';
import { catalogue, type ErrorCode } from '../errors.js';
import { schema } from '../schemas.js';
import { type Method, methods, type ResourceService } from '../services/resource.js';
import { tokenBody } from '../services/tokens.js';
import { userBody } from '../services/users.js';

type Json = Record<string, unknown>;

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const jsonContent = (value: Json): Json => ({ 'application/json': { schema: value } });
const answer = (description: string, value?: Json): Json => ({
  description,
  ...(value === undefined ? {} : { content: jsonContent(value) }),
});
const bytes = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };
const sse = { 'text/event-stream': { schema: { type: 'string' } } };

/** Which errors a kind of request may get, as answers by status. */
function errors(...codes: ErrorCode[]): Json {
  const byStatus = new Map<number, string[]>();
  for (const code of codes) {
    const { status, title } = catalogue[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), `${title} (\`${code}\`)`]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, texts]) => [String(status), answer(texts.join('; '), ref('Error'))]),
  );
}

const parameter = (
  name: string,
  place: 'query' | 'path' | 'header',
  value: Json,
  description: string,
): Json => ({
  name,
  in: place,
  required: place === 'path',
  schema: value,
  description,
});

const types: Record<Field['type'], Json> = {
  string: { type: 'string' },
  integer: { type: 'integer' },
  boolean: { type: 'boolean' },
  datetime: { type: 'string', format: 'date-time' },
  dict: { type: 'object' },
  list: { type: 'array' },
  related: { type: 'string', format: 'uri-reference' },
};

const titleOf = (name: string) =>
  name
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');

/** An object as it is read. */
function objectSchema(service: ResourceService): Json {
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
const bodies: Record<string, Json> = {
  process_definition: {
    type: 'object',
    required: ['definition'],
    properties: { definition: ref('Definition'), name: { type: 'string' } },
  },
  user: userBody,
  token: tokenBody,
};

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

function resourcePaths(service: ResourceService): Json {
  const { name } = service;
  const object = ref(titleOf(name));
  const body = bodies[name] === undefined ? undefined : ref(`${titleOf(name)}Body`);
  const requestBody = (value: Json): Json => ({
    requestBody: { required: true, content: jsonContent(value) },
  });
  const tags = [name];
  const always: ErrorCode[] = ['unauthenticated', 'too-many-failed-logins'];
  const change: ErrorCode[] = [
    ...always,
    'invalid-body',
    'bad-json',
    'too-large',
    'unsupported-media-type',
    'forbidden',
    'conflict',
  ];
  const page: Json = {
    type: 'object',
    properties: { meta: ref('PageMeta'), objects: { type: 'array', items: object } },
  };
  const listOperations: Record<Method, Json> = {
    GET: {
      summary: `List ${name}`,
      parameters: listParameters(service, true),
      responses: { 200: answer('A page', page), ...errors('bad-query', ...always) },
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
        properties: { objects: { type: 'array', items: body ?? object } },
      }),
      responses: { 204: { description: 'Replaced' }, ...errors(...change) },
    },
    PATCH: {
      summary: `Add, change and delete several ${name} at once`,
      ...requestBody({
        type: 'object',
        required: ['objects'],
        properties: {
          objects: { type: 'array', items: body ?? object },
          deleted_objects: { type: 'array', items: { type: 'string' } },
        },
      }),
      responses: { 202: { description: 'Done' }, ...errors(...change, 'not-found') },
    },
    DELETE: {
      summary: `Delete all ${name} that the filters select`,
      parameters: listParameters(service, false),
      responses: { 204: { description: 'Deleted' }, ...errors('bad-query', ...always) },
    },
  };
  const match = parameter('If-Match', 'header', { type: 'string' }, 'Only if the ETag is still this one.');
  const detailOperations: Record<Method, Json> = {
    GET: {
      summary: `Read one ${name}`,
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
        ...errors(...always, 'not-found', 'conflict', 'precondition-failed'),
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
  const key = parameter(
    service.key,
    'path',
    service.key === 'id' ? { type: 'integer' } : { type: 'string', format: 'uuid' },
    'Which one.',
  );
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

const waitParameter = parameter(
  'wait',
  'query',
  { type: 'number', minimum: 0 },
  'Seconds to wait for the end of the job.',
);
const followParameter = parameter(
  'follow',
  'query',
  { enum: ['0', '1'] },
  'Live, as server-sent events, ending with an `end` event.',
);
const resume = parameter('Last-Event-ID', 'header', { type: 'integer' }, 'Where a stream broke off.');
const definitionKey = parameter('id', 'path', { type: 'integer' }, 'Which definition.');
const jobKey = parameter('uuid', 'path', { type: 'string', format: 'uuid' }, 'Which job.');

/** What there is beyond the generic resources. */
function otherPaths(): Json {
  const login: ErrorCode[] = ['unauthenticated', 'too-many-failed-logins', 'not-found'];
  const jobBytes = (name: string, live: boolean): Json => ({
    parameters: [jobKey],
    get: {
      operationId: `job_${name}`,
      tags: ['job'],
      summary: `The bytes of a job's ${name}`,
      parameters: [
        parameter('Range', 'header', { type: 'string' }, 'Part of the bytes.'),
        ...(live ? [followParameter, resume] : []),
      ],
      responses: {
        200: { description: 'The bytes', content: { ...bytes, ...(live ? sse : {}) } },
        206: { description: 'Part of them', content: bytes },
        ...errors(
          ...login,
          'not-ready',
          'gone',
          'range-not-satisfiable',
          ...(live ? (['bad-query', 'bad-header'] as const) : []),
        ),
      },
    },
  });
  return {
    '/api/process_definition/{id}/run/': {
      parameters: [definitionKey],
      post: {
        operationId: 'process_definition_run',
        tags: ['process_definition', 'job'],
        summary: 'Run it',
        description:
          'The body is the input itself, whatever its content type, but for multipart (`input_file`, `job`) and JSON.',
        parameters: [
          waitParameter,
          parameter('output', 'query', { enum: ['raw'] }, "With `wait`: the answer's body is the output."),
          parameter('output_name', 'query', { type: 'string' }, 'File name for the output.'),
          parameter('input_name', 'query', { type: 'string' }, 'File name for the input.'),
          parameter('dry_run', 'query', { enum: ['0', '1'] }, 'Only say what would run.'),
          parameter(
            'Idempotency-Key',
            'header',
            { type: 'string', maxLength: 255 },
            'The same key and request: the same job.',
          ),
          parameter('Prefer', 'header', { type: 'string' }, '`wait=SECONDS`'),
        ],
        requestBody: {
          content: {
            ...bytes,
            'application/json': { schema: ref('RunRequest') },
            'multipart/form-data': {
              schema: {
                type: 'object',
                properties: { input_file: { type: 'string', format: 'binary' }, job: ref('RunRequest') },
              },
            },
          },
        },
        responses: {
          200: {
            description: 'It has ended: the job, or with `output=raw` its output',
            content: { ...jsonContent(ref('Job')), ...bytes },
          },
          202: answer('Accepted, not ended yet', ref('Job')),
          ...errors(
            ...login,
            'invalid-body',
            'bad-json',
            'bad-query',
            'bad-header',
            'invalid-input-url',
            'idempotency-conflict',
            'too-large',
            'job-failed',
            'queue-full',
            'input-source-failed',
            'shutting-down',
          ),
        },
      },
    },
    '/api/process_definition/{id}/revisions/': {
      parameters: [definitionKey],
      get: {
        operationId: 'process_definition_revisions',
        tags: ['process_definition'],
        summary: 'All that it ever said',
        responses: { 200: answer('Revisions, oldest first', { type: 'object' }), ...errors(...login) },
      },
    },
    '/api/job/{uuid}/input/': jobBytes('input', false),
    '/api/job/{uuid}/output/': jobBytes('output', false),
    '/api/job/{uuid}/stdout/': jobBytes('stdout', true),
    '/api/job/{uuid}/stderr/': jobBytes('stderr', true),
    '/api/job/{uuid}/history/': {
      parameters: [jobKey],
      get: {
        operationId: 'job_history',
        tags: ['job'],
        summary: 'Its events, oldest first',
        parameters: [followParameter, resume],
        responses: {
          200: { description: 'The events', content: { ...jsonContent({ type: 'object' }), ...sse } },
          ...errors(...login, 'bad-query', 'bad-header'),
        },
      },
    },
    '/api/job/{uuid}/cancel/': {
      parameters: [jobKey],
      post: {
        operationId: 'job_cancel',
        tags: ['job'],
        summary: 'End it, with every process it started',
        responses: {
          200: answer('What was signalled, and that nothing survived', ref('Receipt')),
          ...errors(...login, 'illegal-transition'),
        },
      },
    },
    '/api/': {
      get: {
        operationId: 'index',
        security: [],
        summary: 'All nouns',
        parameters: [parameter('fullschema', 'query', { type: 'boolean' }, 'Schemas included.')],
        responses: { 200: answer('Where their lists and schemas are', { type: 'object' }) },
      },
    },
    '/healthz': {
      get: {
        operationId: 'health',
        security: [],
        summary: 'Whether the server is well',
        responses: { 200: answer('It is', { type: 'object' }), 503: answer('It is not', { type: 'object' }) },
      },
    },
    '/metrics': {
      get: {
        operationId: 'metrics',
        security: [],
        summary: 'Numbers for Prometheus',
        responses: {
          200: { description: 'Text format', content: { 'text/plain': { schema: { type: 'string' } } } },
        },
      },
    },
  };
}

/** The whole API as OpenAPI 3.1, made from the schemas and the nouns that the routes are made from. */
export function openApi(services: readonly ResourceService[]): Json {
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
    paths: { ...Object.assign({}, ...services.map(resourcePaths)), ...otherPaths() } as Json,
    components: {
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
      schemas: {
        ...Object.fromEntries(services.map((service) => [titleOf(service.name), objectSchema(service)])),
        ...Object.fromEntries(Object.entries(bodies).map(([name, value]) => [`${titleOf(name)}Body`, value])),
        Definition: definitionSchema,
        ...shared,
        RunRequest: schema('run-request'),
        Receipt: {
          type: 'object',
          properties: {
            signalled: { type: 'array', items: { type: 'object' } },
            survivors: { type: 'array', items: { type: 'object' } },
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
