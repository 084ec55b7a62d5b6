import type { Login, OpenStack } from './openstack.js';

export type Service = 'compute' | 'identity' | 'image' | 'network' | 'orchestration' | 'placement';

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed JSON, or text if it is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of several hundred shapes, looked into by tests only
  body: any;
}

/** Somebody signed in to a project, with the plain requests that he can make. */
export interface Session {
  token: string;
  project: string;
  userId: string;
  expires: Date;
  endpoint(service: Service): string;
  /** A request to a service, by a path below its endpoint. Every status is an answer. */
  call(service: Service, method: string, path: string, body?: unknown): Promise<Answer>;
  /** Likewise, and any status from 400 on is thrown. */
  ask(service: Service, method: string, path: string, body?: unknown): Promise<Answer['body']>;
}

interface CatalogEntry {
  type: string;
  endpoints: { interface: string; region: string; url: string }[];
}

/** What a client of Neutron, Glance and Keystone adds to the endpoint in the catalog. */
const version: Partial<Record<Service, string>> = { network: '/v2.0', image: '/v2' };

async function request(
  method: string,
  url: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true && text !== '';
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

/** Asks Keystone for a token by password, for the project `demo` unless another is named. */
export async function authenticate(
  cloud: OpenStack,
  login: Login = cloud.user,
  { authUrl = cloud.authUrl, project = cloud.project } = {},
): Promise<Answer> {
  const domain = { id: 'default' };
  return await request(
    'POST',
    `${authUrl}/auth/tokens`,
    {
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: login.username, domain, password: login.password } },
        },
        scope: { project: { name: project, domain } },
      },
    },
    {},
  );
}

export async function signIn(...args: Parameters<typeof authenticate>): Promise<Session> {
  const [cloud] = args;
  const { status, headers, body } = await authenticate(...args);
  if (status !== 201) throw new Error(`Keystone answered ${status}: ${JSON.stringify(body)}`);
  const token = headers.get('x-subject-token') ?? '';
  const endpoint = (service: Service) => {
    const entry = (body.token.catalog as CatalogEntry[]).find(({ type }) => type === service);
    const found = entry?.endpoints.find(
      (each) => each.interface === 'public' && each.region === cloud.region,
    );
    if (found === undefined) throw new Error(`there is no ${service} in the catalog`);
    return `${found.url.replace(/\/$/, '')}${version[service] ?? ''}`;
  };
  const call: Session['call'] = (service, method, path, content) =>
    request(method, `${endpoint(service)}${path}`, content, {
      'x-auth-token': token,
      // Of Nova's many versions the newest of this OpenStack; the others have no such header.
      'openstack-api-version': 'compute 2.93',
    });
  return {
    token,
    project: body.token.project.id,
    userId: body.token.user.id,
    expires: new Date(body.token.expires_at),
    endpoint,
    call,
    async ask(service, method, path, content) {
      const answer = await call(service, method, path, content);
      if (answer.status >= 400)
        throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body;
    },
  };
}

/** The id of what has that name: `idOf(session, 'network', 'security_groups', 'ssh')`. */
export async function idOf(session: Session, service: Service, kind: string, name: string): Promise<string> {
  const listed = (await session.ask(service, 'GET', `/${kind.replace('_', '-')}`)) as Record<
    string,
    { id: string; name: string }[]
  >;
  const found = listed[kind]?.find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no ${name} among the ${kind}`);
  return found.id;
}
