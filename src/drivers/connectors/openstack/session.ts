import { nearest } from '../../../lib/nearest.js';
import { ConnectorError } from '../connector.js';
import type { Credentials, Named } from './credentials.js';
import { problemOf } from './problems.js';
import type { Answer, Ask, Wire } from './wire.js';

/** A service by its type in Keystone's catalogue. */
export type Service = 'compute' | 'network' | 'image' | 'orchestration';

export interface Request {
  query?: Readonly<Record<string, string>>;
  body?: unknown;
  repeatable?: boolean;
}

/** A login to a project of a cloud. */
export interface Session {
  /**
   * Sends a request to a path below a service's endpoint; returns the answer's body. Any status but 2xx throws an
   * OpenStackError.
   */
  request(service: Service, method: Ask['method'], path: string, request?: Request): Promise<unknown>;
  /** All entries of a list, page by page. `key` is the name of the list in the answer. */
  all(service: Service, path: string, key: string, query?: Request['query']): Promise<unknown[]>;
  /** The id of the project. */
  project(): Promise<string>;
  close(): Promise<void>;
}

interface Endpoint {
  interface: string;
  region: string | null;
  url: string;
}

interface Token {
  id: string;
  /** When to renew it, by our clock: milliseconds since the epoch. */
  until: number;
  project: string;
  catalog: { type: string; endpoints: Endpoint[] }[];
}

export interface SessionOptions {
  credentials: Credentials;
  /** Overrides the credentials. */
  region: string | null;
  interface: string | null;
}

/** How a service's endpoint ends, and what to add if the catalogue leaves that out. */
const versions: Readonly<Record<Service, { there: RegExp; add: (project: string) => string }>> = {
  compute: { there: /\/v2(\.\d+)?(\/|$)/, add: () => '/v2.1' },
  network: { there: /\/v2\.0$/, add: () => '/v2.0' },
  image: { there: /\/v2$/, add: () => '/v2' },
  orchestration: { there: /\/v1(\/|$)/, add: (project) => `/v1/${project}` },
};
const mostPages = 10_000;

/** Signs in on the first request, and again when the token expires or is refused. */
export function openSession(wire: Wire, options: SessionOptions): Session {
  const { credentials } = options;
  let current: Promise<Token> | null = null;

  async function signIn(): Promise<Token> {
    const asked = `identity: POST ${credentials.authUrl}/auth/tokens`;
    const answer = await wire.send({
      method: 'POST',
      url: `${credentials.authUrl}/auth/tokens`,
      body: authenticationOf(credentials),
      // An extra token does no harm.
      repeatable: true,
    });
    if (answer.status === 401)
      throw new ConnectorError(
        'refused',
        `${asked} answered 401: the login was rejected. The user, password, domains or project are wrong, or the user has no role in the project`,
      );
    const id = answer.headers.get('x-subject-token');
    if (answer.status !== 201 || id === null) throw problemOf(asked, answer);
    return tokenOf(id, answer);
  }

  /** The current token, or a new one if `refused` is the current one. */
  async function token(refused?: Token): Promise<Token> {
    const used = current;
    const known = await used;
    if (known !== null && known !== refused && known.until > performance.now()) return known;
    // Many requests may find it expired at the same time: the first renews it.
    if (current === used) {
      const renewing = signIn();
      current = renewing;
      renewing.catch(() => {
        if (current === renewing) current = null;
      });
    }
    return await token(refused);
  }

  async function send(
    service: Service,
    method: Ask['method'],
    path: string,
    request: Request,
  ): Promise<unknown> {
    const asked = `${service}: ${method} ${path.replace(/\?.*/s, '')}`;
    const attempt = (by: Token) => {
      const url = new URL(path.startsWith('http') ? path : `${endpoint(by, service, options)}${path}`);
      for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
      const { body, repeatable } = request;
      return wire.send({
        method,
        url: url.href,
        headers: { 'x-auth-token': by.id },
        ...(body === undefined ? {} : { body }),
        ...(repeatable === undefined ? {} : { repeatable }),
      });
    };
    const first = await token();
    let answer = await attempt(first);
    // Revoked or expired early: a request refused like this was not carried out.
    if (answer.status === 401) answer = await attempt(await token(first));
    if (answer.status < 200 || answer.status > 299) throw problemOf(asked, answer);
    if (answer.body !== '' && (typeof answer.body !== 'object' || answer.body === null))
      throw new ConnectorError(
        'unavailable',
        `${asked} answered ${answer.status}, but not in JSON: is it the cloud?`,
      );
    return answer.body;
  }

  return {
    request: (service, method, path, request = {}) => send(service, method, path, request),
    async all(service, path, key, query = {}) {
      // By id: an entry that moves in the list meanwhile, such as a new server, is on two pages.
      const found = new Map<unknown, unknown>();
      let next: string | null = path;
      for (let page = 0; next !== null && page < mostPages; page += 1) {
        const body = (await send(service, 'GET', next, page === 0 ? { query } : {})) as Record<
          string,
          unknown
        >;
        const entries = body[key];
        if (!Array.isArray(entries))
          throw new ConnectorError('unavailable', `${service}: GET ${path} returned no list of ${key}`);
        for (const entry of entries) found.set((entry as { id?: unknown } | null)?.id ?? entry, entry);
        // The links of Nova and Neutron, and those of Glance, which have no host.
        const links = body[`${key}_links`] as { rel: string; href: string }[] | undefined;
        const link: unknown = links?.find(({ rel }) => rel === 'next')?.href ?? body.next;
        // Only the query of a link is used: a token must only go where the catalogue says.
        next =
          entries.length > 0 && typeof link === 'string'
            ? `${path}${new URL(link, 'http://links.invalid').search}`
            : null;
      }
      return [...found.values()];
    },
    project: async () => (await token()).project,
    close: () => wire.close(),
  };
}

const named = (who: { id: string } | { name: string; domain: Named }) =>
  'id' in who ? { id: who.id } : { name: who.name, domain: who.domain };

/** The body of a token request. */
function authenticationOf({ login, project }: Credentials): unknown {
  if (login.by === 'password') {
    const password = { user: { ...named(login.user), password: login.password } };
    return {
      auth: {
        identity: { methods: ['password'], password },
        ...(project === null ? {} : { scope: { project: named(project) } }),
      },
    };
  }
  const { credential, secret } = login;
  const who =
    'id' in credential ? { id: credential.id } : { name: credential.name, user: named(credential.user) };
  return {
    auth: {
      identity: { methods: ['application_credential'], application_credential: { ...who, secret } },
    },
  };
}

function tokenOf(id: string, answer: Answer): Token {
  const { token } = answer.body as {
    token?: {
      issued_at: string;
      expires_at: string;
      project?: { id: string };
      catalog?: { type: string; endpoints: (Endpoint & { region_id?: string })[] }[];
    };
  };
  if (token === undefined)
    throw new ConnectorError('unavailable', 'identity: the answer has no token: is this a Keystone?');
  if (token.project === undefined || token.catalog === undefined)
    throw new ConnectorError('refused', 'the login has no project: set OS_PROJECT_NAME');
  // Both times come from Keystone: our clock may differ.
  const told = Date.parse(token.expires_at) - Date.parse(token.issued_at);
  const lifetime = told > 1000 ? told : 1000;
  const margin = Math.min(60_000, lifetime / 5);
  return {
    id,
    until: performance.now() + lifetime - margin,
    project: token.project.id,
    catalog: token.catalog,
  };
}

/** The address of a service, or an error that lists what exists. */
function endpoint(token: Token, service: Service, options: SessionOptions): string {
  const kind = options.interface ?? options.credentials.interface ?? 'public';
  const region = options.region ?? options.credentials.region;
  const refuse = (detail: string) => new ConnectorError('refused', `the cloud's catalogue ${detail}`);
  const entries = token.catalog.filter(({ type }) => type === service);
  const [first] = entries;
  if (first === undefined)
    throw refuse(`has no ${service} service; it has ${listed(token.catalog.map(({ type }) => type))}`);
  const ofKind = entries.flatMap(({ endpoints }) => endpoints).filter((each) => each.interface === kind);
  const regions = [...new Set(ofKind.map((each) => each.region ?? ''))];
  if (regions.length === 0) {
    const kinds = entries.flatMap(({ endpoints }) => endpoints.map((each) => each.interface));
    throw refuse(`has no ${kind} interface of ${service}; it has ${listed(kinds)}`);
  }
  if (region === null && regions.length > 1)
    throw refuse(`has ${service} in the regions ${listed(regions)}: set REGION or OS_REGION_NAME`);
  const found = region === null ? ofKind[0] : ofKind.find((each) => each.region === region);
  if (found === undefined) {
    const close = nearest(region ?? '', regions);
    throw refuse(
      `has no ${service} in the region ${region}${close === undefined ? '' : `: is ${close} meant?`} It has ${listed(regions)}`,
    );
  }
  const url = found.url.replace(/\/+$/, '');
  if (!URL.canParse(url)) throw refuse(`has an invalid address for ${service}: ${found.url}`);
  const { there, add } = versions[service];
  return there.test(new URL(url).pathname) ? url : `${url}${add(token.project)}`;
}

const listed = (words: readonly string[]) => [...new Set(words)].sort().join(', ') || 'nothing';
