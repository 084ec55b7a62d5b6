import { isUuid } from '../../domain/external-jobs/typed-uuid.js';
import { nearest } from '../../lib/nearest.js';
import type { Client, Json } from './client.js';
import { CliError, ServerError, usageError } from './failure.js';

/** How people refer to an object of one noun, and where the API has it. */
export interface Kind {
  path: string;
  /** The field that holds the name. */
  field: string;
  /** Whether it can also be found by its UUID. */
  uuid?: true;
  /** Whether its name is also its address. */
  addressed?: true;
  /** The words for messages: "process definition". */
  words: string;
  /** What may be given to find it: "name or id". */
  called: string;
}

export const kinds = {
  definition: {
    path: '/api/process_definition/',
    field: 'name',
    words: 'process definition',
    called: 'name or id',
  },
  pipeline: {
    path: '/api/pipeline/',
    field: 'name',
    uuid: true,
    words: 'pipeline',
    called: 'name, id or UUID',
  },
  operation: { path: '/api/operation/', field: 'name', words: 'operation', called: 'name or id' },
  stream: { path: '/api/stream/', field: 'name', addressed: true, words: 'stream', called: 'name' },
  application: { path: '/api/application/', field: 'name', words: 'application', called: 'name or id' },
  server: { path: '/api/server/', field: 'name', words: 'server', called: 'name or id' },
  subscription: { path: '/api/subscription/', field: 'url', words: 'subscription', called: 'id or URL' },
  hostKey: {
    path: '/api/host_key/',
    field: 'host',
    addressed: true,
    words: 'host key',
    called: 'address and port, such as 10.0.0.7:22',
  },
  user: { path: '/api/user/', field: 'username', words: 'user', called: 'name or id' },
  token: { path: '/api/token/', field: 'name', words: 'token', called: 'name or id' },
} as const satisfies Record<string, Kind>;

export interface Found {
  object: Json;
  /** The path of the object, with its final slash. */
  path: string;
}

/** Finds an object by its name, by its id (a number, or an address of the API), or by its UUID if it has one. */
export async function find(client: Client, kind: Kind, key: string): Promise<Found> {
  const id = key.startsWith(kind.path) ? key.slice(kind.path.length).replace(/\/$/, '') : key;
  if ((/^\d+$/.test(id) && kind.addressed !== true) || (kind.uuid === true && isUuid(id))) {
    const path = `${kind.path}${id}/`;
    try {
      return { path, object: await client.object('GET', path) };
    } catch (error) {
      const missing = error instanceof ServerError && error.status === 404;
      // Something may be named "2024". Only an address certainly means an id.
      const named = missing && id === key ? await byName(client, kind, key) : [];
      if (named.length === 1) return named[0] as Found;
      if (missing) throw new CliError(`There is no ${kind.words} ${id}.`);
      throw error;
    }
  }
  if (key === '') throw usageError(`The name of the ${kind.words} is empty.`);
  if (kind.addressed === true) return addressed(client, kind, id);
  const named = await byName(client, kind, key);
  if (named.length === 1) return named[0] as Found;
  if (named.length === 0) throw await nothingNamed(client, kind, key);
  throw new CliError(`More than one ${kind.words} is named ${key}.`, {
    hints: [`Use an id instead: ${named.map(({ object }) => object.id).join(', ')}`],
  });
}

/** The path of an object whose address contains its name. */
export function namedPath(kind: Kind, name: string): string {
  // Dots would change the path.
  if (/^\.*$/.test(name)) throw usageError(`Not the name of a ${kind.words}: ${name}`);
  return `${kind.path}${encodeURIComponent(name)}/`;
}

async function addressed(client: Client, kind: Kind, name: string): Promise<Found> {
  const path = namedPath(kind, name);
  try {
    return { path, object: await client.object('GET', path) };
  } catch (error) {
    if (error instanceof ServerError && error.status === 404) throw await nothingNamed(client, kind, name);
    throw error;
  }
}

async function byName(client: Client, kind: Kind, name: string): Promise<Found[]> {
  const { objects } =
    kind.path === kinds.token.path
      ? await client.list(kind.path)
      : await client.list(kind.path, { [kind.field]: name }, 20);
  return objects
    .filter((object) => object[kind.field] === name)
    .map((object) => ({ object, path: `${kind.path}${object.id}/` }));
}

async function nothingNamed(client: Client, kind: Kind, name: string): Promise<CliError> {
  const { objects } = await client.list(kind.path, {}, 1000);
  const names = objects.map((object) => object[kind.field]).filter((each) => typeof each === 'string');
  const near = nearest(name, names);
  const hints = near === undefined ? [] : [`Did you mean ${near}?`];
  return new CliError(`There is no ${kind.words} named ${name}.`, { hints });
}

/** The path of an object that has only a number. */
export function numbered(path: string, words: string, key: string): string {
  const id = key.startsWith(path) ? key.slice(path.length).replace(/\/$/, '') : key;
  if (!/^\d+$/.test(id)) {
    throw usageError(`Not the id of a ${words}: ${key}`, `See: penstock ${words} list`);
  }
  return `${path}${id}/`;
}

/** The last part of an address such as /api/user/3/. Returns anything else unchanged. */
export function lastPart(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/^\/.*\/([^/]+)\/$/, '$1') : value;
}
