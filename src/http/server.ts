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
  /** Each of its routes requires a login, in whatever form. */
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
  /** Whether to serve the API's description, which only describes the complete API. */
  documented: boolean;
  /** Throws if the server is not healthy. */
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
    // The header only has a meaning with TLS, and a TLS proxy can set it better than we can.
    strictTransportSecurity: false,
  });
  application.use((request, response, next) => {
    const started = performance.now();
    const given = request.get('x-request-id');
    const requestId = given !== undefined && /^[\w.-]{1,100}$/.test(given) ? given : randomUUID();
    response.locals.requestId = requestId;
    response.setHeader('X-Request-Id', requestId);
    // Our own pages override this.
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
  // First find out which method a request means, then check whether it is allowed.
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
    // Programs that call this path are clients of the scheduler's protocol.
    application.get('/', (request, response, next) => {
      if (wantsPage(request)) response.redirect('/api/docs/');
      else next();
    });
  }
  for (const { path, routes, asksLogin } of options.dialects) if (asksLogin) mount(path, ...routes);

  // Everything from here on can be read without a login.
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
      `There is nothing at ${request.path.slice(0, 200)}. For a list of addresses, see /api/.`,
    );
  });
  application.use(errorHandler(log));
  return application;
}

/** What Node.js refuses before there is a request: the status, and the message. */
const refusals: Readonly<Record<string, readonly [string, string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'The headers are larger than 16 KiB in total.',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The headers of the request arrived too slowly.'],
};

function tooManyConnections(response: ServerResponse, most: number): void {
  const detail = `One address may have at most ${most} connections at a time (MAX_CONNECTIONS_PER_ADDRESS). Close some, or retry later.`;
  sendJson(response, 429, problemBody('too-many-connections', detail), {
    'Retry-After': '1',
    Connection: 'close',
  });
}

/**
 * Listens on the port. Requests wait until `open`. `stop` gives open requests some milliseconds to finish, and closes
 * the rest.
 */
export async function listen(
  application: Express,
  options: {
    host: string;
    port: number;
    tls: { certificate: string; key: string } | null;
    trust: { proxy: boolean };
    patience: Patience;
    /** From one address at a time. Ignored behind a proxy. */
    maxConnections: number;
  },
): Promise<{ url: string; open: () => void; stop: (patience?: number) => Promise<void> }> {
  const { headers } = options.patience;
  const timing = {
    keepAliveTimeout: 65_000,
    // An upload may take hours. Whoever reads a body watches its time.
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
      'This is not a valid HTTP request.',
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
      // Clients keep connections open for further requests, which would no longer be answered.
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
