import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http, { type RequestListener, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import express, { type Express } from 'express';
import helmet from 'helmet';
import { PenstockError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import type { ResourceService } from '../usecases/resource.js';
import { sendJson } from './answers/answer.js';
import type { Door } from './door.js';
import { errorHandler, problemBody } from './error-handler.js';
import { wantsPage } from './guards/accept.js';
import { boundConnections } from './guards/connections.js';
import { refuseCrossSite } from './guards/cross-site.js';
import { refuseForeignHosts } from './guards/foreign-host.js';
import { overrideMethod } from './guards/method-override.js';
import { endUnread, type Patience } from './guards/patience.js';
import { sandbox } from './guards/untrusted.js';
import type { Metrics } from './metrics.js';
import { type Mounted, openApi } from './openapi/openapi.js';
import type { Json } from './openapi/openapi-parts.js';
import { resourceRoutes } from './resource.js';
import { type Routes, routerOf } from './route.js';
import { docsAssets, docsPageRoutes, errorsPageRoutes } from './routes/docs.js';
import { houseRoutes } from './routes/house-routes.js';

/** A noun, the routes that it has beyond what every resource has, and what those of every resource take besides. */
export type Noun = readonly [
  service: ResourceService,
  routes?: readonly Routes[],
  besides?: Parameters<typeof resourceRoutes>[2],
];

interface Dialect {
  path: string;
  routes: Routes[];
  /** Each of its routes asks for a login, in whatever form. */
  asksLogin?: boolean;
}

interface DoorOptions {
  log: Logger;
  metrics: Metrics;
  trust: { proxy: boolean; origins: readonly string[]; hosts: readonly string[] };
  patience: Patience;
  /** Older protocols, each below a path of its own. */
  dialects: Dialect[];
  door: Door;
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
  application.locals.patience = options.patience;

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
        'request answered',
      );
    });
    security(request, response, next);
  });
  application.use(endUnread);
  // What a request asks for comes before whether it may.
  application.use(overrideMethod, refuseCrossSite(options.trust));

  const mounted: Mounted[] = [];
  const mount = (path: string, ...groups: Routes[]) => {
    application.use(path, ...groups.map(routerOf));
    for (const group of groups) mounted.push([path, group]);
  };
  for (const [service, routes = [], besides = {}] of options.nouns) {
    mount(`/api/${service.name}`, ...routes, resourceRoutes(service, options.door, besides));
  }
  if (options.documented) {
    // A program that asks here is a client of the scheduler's protocol.
    application.get('/', (request, response, next) => {
      if (wantsPage(request)) response.redirect('/api/docs/');
      else next();
    });
  }
  for (const { path, routes, asksLogin } of options.dialects) if (asksLogin) mount(path, ...routes);

  // Whatever follows can be read without a login.
  application.use(refuseForeignHosts(options.trust));

  const services = options.nouns.map(([service]) => service);
  let document: Json | undefined;
  const documentOf = () => {
    document ??= openApi(services, mounted);
    return document;
  };
  mount('/', houseRoutes({ ...options, services, document: options.documented ? documentOf : null }));
  mount('/api/docs/errors', errorsPageRoutes);
  if (options.documented) {
    mount('/api/docs', docsPageRoutes);
    application.use('/api/docs', docsAssets());
  }
  for (const { path, routes, asksLogin } of options.dialects) if (!asksLogin) mount(path, ...routes);

  application.use((request) => {
    throw new PenstockError(
      'not-found',
      `There is nothing at ${request.path.slice(0, 200)}; /api/ lists what there is.`,
    );
  });
  application.use(errorHandler(log));
  return application;
}

/** What Node refuses before there is a request: the status, and what is wrong in words. */
const refusals: Readonly<Record<string, readonly [string, string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The headers are longer than 16 KiB in all.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The headers of the request came too slowly.'],
};

function tooManyConnections(response: ServerResponse, most: number): void {
  const detail = `From one address ${most} connections are taken at a time (MAX_CONNECTIONS_PER_ADDRESS). Close some, or try again.`;
  sendJson(response, 429, problemBody('too-many-connections', detail), {
    'Retry-After': '1',
    Connection: 'close',
  });
}

/**
 * Takes the port. Requests are answered from `open` on; until then they wait. `stop` lets requests under way end, for so
 * many milliseconds at most, and closes the rest.
 */
export async function listen(
  application: Express,
  options: {
    host: string;
    port: number;
    tls: { certificate: string; key: string } | null;
    trust: { proxy: boolean };
    patience: Patience;
    /** From one address at a time, unless a proxy stands between. */
    maxConnections: number;
  },
): Promise<{ url: string; open: () => void; stop: (patience?: number) => Promise<void> }> {
  const { headers } = options.patience;
  const timing = {
    keepAliveTimeout: 65_000,
    // An upload may take hours: bodies are watched by those who read them.
    requestTimeout: 0,
    headersTimeout: headers,
    connectionsCheckingInterval: Math.ceil(Math.min(headers / 4, 5000)),
  };
  const server =
    options.tls === null
      ? http.createServer(timing)
      : https.createServer({
          ...timing,
          handshakeTimeout: headers,
          cert: readFileSync(options.tls.certificate),
          key: readFileSync(options.tls.key),
          minVersion: 'TLSv1.2',
        });
  const most = options.trust.proxy ? Number.POSITIVE_INFINITY : options.maxConnections;
  const withinBound = boundConnections(server, most, (_request, response) =>
    tooManyConnections(response, most),
  );
  const early: Parameters<RequestListener>[] = [];
  server.on(
    'request',
    withinBound((...asked) => early.push(asked)),
  );
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return;
    const [status, detail] = refusals[error.code ?? ''] ?? [
      '400 Bad Request',
      'This is not HTTP as we know it.',
    ];
    const text = JSON.stringify({ error: detail, status: Number(status.slice(0, 3)) });
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
      server.on('request', withinBound(application));
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
