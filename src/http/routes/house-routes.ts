import type { RequestHandler } from 'express';
import { PenstockError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { ResourceService } from '../../usecases/resource.js';
import { queryValue, sendJson } from '../answers/answer.js';
import { answer, type Json } from '../openapi/openapi-parts.js';
import { schemaOf } from '../resource-schema.js';
import type { Route, Routes } from '../route.js';

interface HouseRouteOptions {
  log: Logger;
  metrics: { handler: RequestHandler };
  /** Throws if the server is not well. */
  health: () => Promise<Record<string, unknown>>;
  services: readonly ResourceService[];
  /** The API's description, made when it is asked for; null where there is none. */
  document: (() => Json) | null;
}

/** What tells of the server itself, to anybody. */
export function houseRoutes({ log, metrics, health, services, document }: HouseRouteOptions): Routes {
  const index = Object.fromEntries(
    services.map(({ name }) => [name, { list_endpoint: `/api/${name}/`, schema: `/api/${name}/schema/` }]),
  );
  const any = { type: 'object' };
  const description: Route = {
    id: 'openapi',
    summary: 'This document',
    answers: { 200: answer('OpenAPI 3.1', any) },
    handle: (_request, response) => sendJson(response, 200, document?.()),
  };
  return {
    security: [],
    routes: {
      'GET /healthz': {
        id: 'health',
        summary: 'Check that the server is healthy',
        answers: { 200: answer('Healthy', any), 503: answer('Not healthy', any) },
        async handle(_request, response) {
          try {
            sendJson(response, 200, { status: 'ok', ...(await health()) });
          } catch (error) {
            log.error({ error }, 'health check failed');
            const told =
              error instanceof PenstockError ? error.message : 'The database is unavailable right now.';
            sendJson(response, 503, { status: 'failing', error: told });
          }
        },
      },
      'GET /metrics': {
        summary: 'Metrics for Prometheus',
        answers: {
          200: { description: 'Text format', content: { 'text/plain': { schema: { type: 'string' } } } },
          304: answer('Unchanged'),
        },
        handle: metrics.handler,
      },
      'GET /api/': {
        id: 'index',
        summary: 'List all nouns',
        query: { fullschema: [{ type: 'boolean' }, 'Include their schemas.'] },
        answers: { 200: answer('The URLs of their lists and schemas', any) },
        handle(request, response) {
          const full = ['true', 'True', '1'].includes(queryValue(request, 'fullschema') ?? '');
          const whole = () =>
            services.map((one) => [one.name, { ...index[one.name], schema: schemaOf(one) }]);
          sendJson(response, 200, full ? Object.fromEntries(whole()) : index);
        },
      },
      ...(document === null ? {} : { 'GET /api/openapi.json': description }),
    },
  };
}
