import type { RequestHandler } from 'express';
import { bounds } from '../domain/bounds.js';
import { type Fields, paging } from '../domain/query.js';
import type { ErrorCode } from '../lib/errors.js';
import type { Method, ResourceService } from '../usecases/resource.js';
import type { Door } from './door.js';
import { checkAccept } from './guards/accept.js';
import {
  answer,
  type Json,
  jsonContent,
  object,
  readingJson,
  ref,
  titleOf,
} from './openapi/openapi-parts.js';
import { bodies } from './openapi/openapi-resource.js';
import type { Parameters } from './parameters.js';
import { resourceVerbs } from './resource-verbs.js';
import type { Route, Routes } from './route.js';

/** What a GET of one noun's list or object accepts and answers beyond what every noun's does. */
export interface Besides {
  query: Parameters;
  headers?: Parameters;
  content?: Json;
  /** Answers the requests that are meant for it, and passes on all others. */
  handle: RequestHandler;
}

const page: Parameters = {
  limit: [
    { type: 'integer', minimum: 0, default: paging.defaultLimit },
    `Objects in a page; 0 and more than ${paging.maxLimit} mean ${paging.maxLimit}.`,
  ],
  offset: [{ type: 'integer', minimum: 0, default: 0 }, 'Objects before the page.'],
};

/** How a list is filtered and ordered. */
function filters(fields: Fields): Parameters {
  const entries = Object.entries(fields);
  const orderable = entries.filter(([, field]) => field.orderable).flatMap(([name]) => [name, `-${name}`]);
  const lookups = entries.flatMap(([name, field]) =>
    (field.lookups ?? []).map((lookup) => {
      const parameter = lookup === 'exact' ? name : `${name}__${lookup}`;
      const listed = lookup === 'in' || lookup === 'range' ? ', values separated by commas' : '';
      const type = lookup === 'isnull' ? 'boolean' : 'string';
      return [parameter, [{ type }, `${field.help_text} Lookup \`${lookup}\`${listed}.`]] as const;
    }),
  );
  return {
    ...(orderable.length === 0
      ? {}
      : { order_by: [{ type: 'array', items: { enum: orderable } }, 'Repeatable; `-` for descending.'] }),
    ...Object.fromEntries(lookups),
  };
}

const keyTypes: Record<string, Json> = { id: { type: 'integer' }, uuid: { type: 'string', format: 'uuid' } };
const change: ErrorCode[] = [...readingJson, 'forbidden', 'conflict'];

/** The routes of every noun, with the methods that the noun allows. */
export function resourceRoutes(
  service: ResourceService,
  { authenticate, maxBodySize }: Door,
  besides: { list?: Besides; detail?: Besides },
): Routes {
  const { name, fields, key } = service;
  const verbs = resourceVerbs(service, maxBodySize, Object.keys(besides.list?.query ?? {}));
  const shown = ref(titleOf(name));
  const sent = bodies[name] === undefined ? shown : ref(`${titleOf(name)}Body`);
  const body = (schema: Json): Json => ({ required: true, content: jsonContent(schema) });
  const several = (more: Json = {}): Json =>
    body({
      type: 'object',
      required: ['objects'],
      additionalProperties: false,
      properties: { objects: { type: 'array', maxItems: bounds.objects, items: sent }, ...more },
    });
  const ifMatch: Parameters = {
    'If-Match': [{ type: 'string' }, 'Only if the object still has this ETag.'],
  };

  type Told = Omit<Route, 'handle'>;
  const list: Record<Method, Told> = {
    GET: {
      summary: `List ${name}`,
      query: () => ({ ...page, ...filters(fields), ...besides.list?.query }),
      headers: { ...besides.list?.headers },
      answers: {
        200: {
          description: 'A page',
          content: {
            ...jsonContent(object({ meta: ref('PageMeta'), objects: { type: 'array', items: shown } })),
            ...besides.list?.content,
          },
        },
      },
    },
    POST: {
      summary: `Add one ${name}`,
      body: body(sent),
      answers: { 201: answer('Added; `Location` is its URL') },
      errors: [...change, 'invalid-definition'],
    },
    PUT: {
      summary: `Replace all ${name} that the filters select`,
      query: () => filters(fields),
      body: several(),
      answers: { 204: answer('Replaced') },
      errors: change,
    },
    PATCH: {
      summary: `Add, change and delete several ${name} at once`,
      body: several({
        deleted_objects: {
          type: 'array',
          maxItems: bounds.objects,
          items: { type: 'string', maxLength: 1000 },
        },
      }),
      answers: { 202: answer('Done') },
      errors: [...change, 'not-found'],
    },
    DELETE: {
      summary: `Delete all ${name} that the filters select`,
      query: () => filters(fields),
      answers: { 204: answer('Deleted') },
      errors: ['forbidden', 'conflict'],
    },
  };
  const detail: Record<Method, Told> = {
    GET: {
      summary: `Read one ${name}`,
      query: { ...besides.detail?.query },
      answers: { 200: answer('The object', shown), 304: answer('Unchanged') },
      errors: ['not-found'],
    },
    POST: { summary: 'Not possible on one object', answers: {}, errors: ['detail-post'] },
    PUT: {
      summary: `Change one ${name}, or add it under this id`,
      headers: ifMatch,
      body: body(sent),
      answers: { 204: answer('Changed'), 201: answer('Added') },
      errors: [...change, 'not-found', 'precondition-failed'],
    },
    PATCH: {
      summary: `Change one ${name}`,
      headers: ifMatch,
      body: body(sent),
      answers: { 202: answer('Changed') },
      errors: [...change, 'not-found', 'precondition-failed'],
    },
    DELETE: {
      summary: `Delete one ${name}`,
      headers: ifMatch,
      answers: { 204: answer('Deleted') },
      errors: ['forbidden', 'not-found', 'conflict', 'precondition-failed'],
    },
  };
  const told = { list, detail };
  const routesOf = (where: 'list' | 'detail', path: string) =>
    Object.fromEntries(
      service.methods[where].map((method): [string, Route] => {
        const own = method === 'GET' ? besides[where] : undefined;
        const handle = [...(own === undefined ? [] : [own.handle]), checkAccept, verbs[where][method]];
        return [
          `${method} ${path}`,
          { id: `${where}_${method.toLowerCase()}`, ...told[where][method], handle },
        ];
      }),
    );

  return {
    name,
    login: authenticate,
    keys: {
      ids: [{ type: 'string' }, 'Ids, separated by `;`.'],
      [key]: [keyTypes[key] ?? { type: 'string' }, 'Which one.'],
    },
    errors: ['bad-header'],
    routes: {
      ...routesOf('list', '/'),
      'GET /schema/': {
        summary: `Describe the fields of ${name}`,
        answers: { 200: answer('The schema', { type: 'object' }) },
        handle: [checkAccept, verbs.schema],
      },
      'GET /set/{ids}/': {
        summary: `Read several ${name}`,
        answers: {
          200: answer(
            'The objects found, in the order of the ids',
            object({
              objects: { type: 'array', items: shown },
              not_found: { type: 'array', items: { type: 'string' } },
            }),
          ),
        },
        handle: [checkAccept, verbs.set],
      },
      ...routesOf('detail', `/{${key}}/`),
    },
  };
}
