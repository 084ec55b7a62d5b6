import http, { type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { OpenStack } from './openstack.js';
import { type Service, signIn } from './session.js';

/** What may become of a request instead of its answer. */
export type Fault =
  /** An answer that the service did not give; it has not heard of the request. */
  | { status: number; retryAfter?: number; body?: unknown }
  /** The connection is reset; the service has not heard of the request. */
  | 'reset'
  /** The service has done what it was asked, and its answer is lost: the connection is reset. */
  | 'lose-answer'
  /** The service has done what it was asked, and nothing comes, until the proxy is closed or passes again. */
  | 'keep-answer'
  /** Nothing comes, until the proxy is closed or passes again. */
  | 'hang';

/** Which requests a fault is for: all, unless it says. */
export interface Only {
  method?: string;
  path?: RegExp;
}

/** Stands before one service. */
export interface Proxy {
  url: string;
  /** What came through it: also what it did not pass on. The status is null where no answer was given. */
  requests: { method: string; path: string; status: number | null }[];
  /** The next so many requests end like this; Infinity is for good, or until `pass`. */
  fail(fault: Fault, times?: number, only?: Only): void;
  /** How many requests nothing comes for now; what a kept answer is of has been done. */
  held(): number;
  /** From now on all is well; what hangs is reset. */
  pass(): void;
  close(): Promise<void>;
}

/** A cloud whose services can be made to fail, each by its proxy. */
export interface FaultyCloud {
  /** The same cloud, for a client: its Keystone's catalog names the proxies. */
  cloud: OpenStack;
  proxies: Record<'compute' | 'identity' | 'image' | 'network' | 'orchestration', Proxy>;
  pass(): void;
  close(): Promise<void>;
}

type Rewrite = (text: string) => string;

async function startProxy(target: string, rewrite: Rewrite): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const hanging = new Set<http.IncomingMessage>();
  const faults: { fault: Fault; left: number; only: Only }[] = [];
  const requests: Proxy['requests'] = [];

  function faultOf(method: string, path: string): Fault | undefined {
    const found = faults.find(
      ({ left, only }) =>
        left > 0 && (only.method ?? method) === method && (only.path === undefined || only.path.test(path)),
    );
    if (found !== undefined) found.left -= 1;
    return found?.fault;
  }

  function forward(request: http.IncomingMessage, body: Buffer) {
    return new Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }>((resolve, reject) => {
      const { 'transfer-encoding': _, ...headers } = request.headers;
      const onward = http.request(
        {
          hostname,
          port,
          method: request.method,
          path: request.url,
          // The host stays that of the client: so links in the answers lead through the proxy as well.
          headers: {
            ...headers,
            'content-length': body.length,
            connection: 'close',
            'accept-encoding': 'identity',
          },
        },
        (answer) => {
          collect(answer).then(
            (content) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: content }),
            reject,
          );
        },
      );
      onward.on('error', reject);
      onward.end(body);
    });
  }

  async function serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = '', url: path = '' } = request;
    const entry: Proxy['requests'][number] = { method, path, status: null };
    requests.push(entry);
    const body = await collect(request);
    const fault = faultOf(method, path);
    if (fault === 'hang') {
      hanging.add(request);
    } else if (fault === 'reset') {
      request.socket.resetAndDestroy();
    } else if (typeof fault === 'object') {
      entry.status = fault.status;
      const retryAfter = fault.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) };
      response.writeHead(fault.status, { 'content-type': 'application/json', ...retryAfter });
      response.end(JSON.stringify(fault.body ?? { error: { code: fault.status, message: 'made to fail' } }));
    } else {
      const answer = await forward(request, body);
      if (fault === 'keep-answer') {
        hanging.add(request);
        return;
      }
      if (fault === 'lose-answer') {
        request.socket.resetAndDestroy();
        return;
      }
      entry.status = answer.status;
      const isJson = answer.headers['content-type']?.startsWith('application/json') === true;
      const content = isJson ? Buffer.from(rewrite(answer.body.toString())) : answer.body;
      const { connection: _, 'transfer-encoding': __, ...headers } = answer.headers;
      if (request.method !== 'HEAD') headers['content-length'] = String(content.length);
      response.writeHead(answer.status, headers);
      response.end(content);
    }
  }

  const server = http.createServer((request, response) => {
    // A service that is gone, or a client: either way there is no answer.
    serve(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const pass = () => {
    faults.length = 0;
    for (const request of hanging) request.socket.resetAndDestroy();
    hanging.clear();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    fail: (fault, times = 1, only = {}) => {
      faults.push({ fault, left: times, only });
    },
    held: () => hanging.size,
    pass,
    async close() {
      pass();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Puts a proxy before each service of a cloud. */
export async function faultyCloud(cloud: OpenStack): Promise<FaultyCloud> {
  const session = await signIn(cloud);
  const services = ['compute', 'identity', 'image', 'network', 'orchestration'] as const;
  const origin = (service: Service) =>
    service === 'identity' ? new URL(cloud.authUrl).origin : new URL(session.endpoint(service)).origin;
  // By the origin before and behind: known only when all are there, which is before anybody asks.
  const behind = new Map<string, string>();
  const rewrite: Rewrite = (text) =>
    [...behind].reduce((changed, [before, proxy]) => changed.replaceAll(before, proxy), text);
  const started = await Promise.all(
    services.map(async (service) => [service, await startProxy(origin(service), rewrite)] as const),
  );
  for (const [service, proxy] of started) behind.set(origin(service), proxy.url);
  const proxies = Object.fromEntries(started) as FaultyCloud['proxies'];
  return {
    cloud: { ...cloud, authUrl: `${proxies.identity.url}/v3` },
    proxies,
    pass() {
      for (const [, proxy] of started) proxy.pass();
    },
    async close() {
      await Promise.all(started.map(([, proxy]) => proxy.close()));
    },
  };
}
