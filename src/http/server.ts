import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http, { type RequestListener } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import express, { type Express, type Router } from 'express';
import helmet from 'helmet';
import { PenstockError } from '../errors.js';
import type { Logger } from '../log.js';
import type { ResourceService } from '../services/resource.js';
import { wantsPage } from './accept.js';
import { queryValue, sendJson } from './answer.js';
import { refuseCrossSite } from './cross-site.js';
import { docsRouter, errorsRouter } from './docs.js';
import { errorHandler } from './error-handler.js';
import { refuseForeignHosts } from './foreign-host.js';
import { overrideMethod } from './method-override.js';
import type { Metrics } from './metrics.js';
import { apiPaths, openApi } from './openapi.js';
import type { Json } from './openapi-parts.js';
import { queryCheck } from './parameters.js';
import { checkMethod } from './resource.js';
import { schemaOf } from './resource-schema.js';
import { sandbox } from './untrusted.js';

/** A noun with its router, and whatever goes before that. */
export interface Noun {
  service: ResourceService;
  routers: Router[];
}

export interface Dialect {
  path: string;
  router: Router;
  paths: Json;
  /** Each of its routes asks for a login, in whatever form. */
  asksLogin?: boolean;
}

export interface DoorOptions {
  log: Logger;
  metrics: Metrics;
  trust: { proxy: boolean; origins: readonly string[]; hosts: readonly string[] };
  /** Older protocols, each below a path of its own, with its part of the API's description. */
  dialects: Dialect[];
  nouns: Noun[];
  /** Whether the whole API is there, so that it can be described as a whole. */
  documented: boolean;
  /** Throws if the server is not well. */
  health: () => Promise<Record<string, unknown>>;
}

/** The whole of HTTP as one Express application. */
export function buildApplication(options: DoorOptions): Express {
  const { log, metrics } = options;
  const application = express();
  application.disable('x-powered-by');
  application.disable('etag');
  application.set('query parser', 'simple');
  if (options.trust.proxy) application.set('trust proxy', true);

  const security = helmet({
    contentSecurityPolicy: false,
    // Only behind TLS does the promise of TLS mean anything; a proxy makes it better than we can.
    strictTransportSecurity: false,
  });
  application.use((request, response, next) => {
    const started = performance.now();
    const given = request.get('x-request-id');
    const requestId = given !== undefined && /^[\w.-]{1,100}$/.test(given) ? given : randomUUID();
    response.locals.requestId = requestId;
    response.setHeader('X-Request-Id', requestId);
    // Pages of ours say otherwise, each for itself.
    response.setHeader('Content-Security-Policy', sandbox);
    response.on('close', () => {
      const seconds = (performance.now() - started) / 1000;
      metrics.answered(request.method, response.statusCode, seconds);
      if (!log.isLevelEnabled('debug')) return;
      log.debug(
        {
          request: requestId,
          method: request.method,
          path: request.path,
          status: response.statusCode,
          seconds,
        },
        'answered',
      );
    });
    security(request, response, next);
  });
  // What a request asks for comes before whether it may.
  application.use(overrideMethod, refuseCrossSite(options.trust));

  for (const { service, routers } of options.nouns) application.use(`/api/${service.name}`, ...routers);
  if (options.documented) {
    // A program that asks here is a client of the scheduler's protocol.
    application.get('/', (request, response, next) => {
      if (wantsPage(request)) response.redirect('/api/docs/');
      else next();
    });
  }
  for (const { path, router, asksLogin } of options.dialects) if (asksLogin) application.use(path, router);

  // Whatever follows can be read without a login.
  application.use(refuseForeignHosts(options.trust));

  const services = options.nouns.map(({ service }) => service);
  const paths = apiPaths(
    services,
    options.dialects.map((dialect) => dialect.paths),
  );
  application.locals.checkQuery = queryCheck(
    paths,
    services.map(({ name }) => `/api/${name}/`),
  );

  application.all('/healthz', checkMethod(['GET']), async (_request, response) => {
    try {
      sendJson(response, 200, { status: 'ok', ...(await options.health()) });
    } catch (error) {
      log.error({ error }, 'not well');
      const told = error instanceof PenstockError ? error.message : 'The database cannot be used right now.';
      sendJson(response, 503, { status: 'failing', error: told });
    }
  });
  application.all('/metrics', checkMethod(['GET']), metrics.handler);

  const index = Object.fromEntries(
    services.map(({ name }) => [name, { list_endpoint: `/api/${name}/`, schema: `/api/${name}/schema/` }]),
  );
  application.all('/api/', checkMethod(['GET']), (request, response) => {
    const full = ['true', 'True', '1'].includes(queryValue(request, 'fullschema') ?? '');
    sendJson(
      response,
      200,
      full
        ? Object.fromEntries(services.map((s) => [s.name, { ...index[s.name], schema: schemaOf(s) }]))
        : index,
    );
  });
  application.use('/api/docs/errors', errorsRouter());
  if (options.documented) {
    const document = openApi(services, paths);
    application.all('/api/openapi.json', checkMethod(['GET']), (_request, response) => {
      sendJson(response, 200, document);
    });
    application.use('/api/docs', docsRouter());
  }
  for (const { path, router, asksLogin } of options.dialects) if (!asksLogin) application.use(path, router);

  application.use((request) => {
    throw new PenstockError(
      'not-found',
      `There is nothing at ${request.path.slice(0, 200)}; /api/ lists what there is.`,
    );
  });
  application.use(errorHandler(log));
  return application;
}

/**
 * Takes the port. Requests are answered from `open` on; until then they wait. `stop` lets requests under way end, for so
 * many milliseconds at most, and closes the rest.
 */
export async function listen(
  application: Express,
  options: { host: string; port: number; tls: { certificate: string; key: string } | null },
): Promise<{ url: string; open: () => void; stop: (patience?: number) => Promise<void> }> {
  const server =
    options.tls === null
      ? http.createServer({ keepAliveTimeout: 65_000 })
      : https.createServer({
          cert: readFileSync(options.tls.certificate),
          key: readFileSync(options.tls.key),
          minVersion: 'TLSv1.2',
        });
  const early: Parameters<RequestListener>[] = [];
  server.on('request', (...asked) => early.push(asked));
  // An upload may take hours; what may not is a client that never finishes its headers.
  server.requestTimeout = 0;
  server.headersTimeout = 30_000;
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return;
    const status =
      error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
    const text = JSON.stringify({
      error: 'This is not HTTP as we know it.',
      status: Number(status.slice(0, 3)),
    });
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `${options.tls === null ? 'http' : 'https'}://${host}:${port}`,
    open() {
      server.removeAllListeners('request');
      server.on('request', application);
      for (const asked of early.splice(0)) application(...asked);
    },
    async stop(patience = 5000) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Who has got an answer keeps the connection for the next request, which would not be heard any more.
      const tidying = setInterval(() => server.closeIdleConnections(), 20);
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, patience);
      await closed;
      clearInterval(tidying);
      clearTimeout(timer);
    },
  };
}
