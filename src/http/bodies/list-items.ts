import { PenstockError } from '../../lib/errors.js';
import { type Change, numericId, type Shown } from '../../usecases/resource.js';

/** The id in an item of a list: its own or that of its resource_uri. Undefined for a new object. */
export function idOfItem(item: unknown, key: string, prefix: string): string | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  const { [key]: own, resource_uri: uri } = item as Shown;
  const told =
    own ?? (typeof uri === 'string' && uri.startsWith(prefix) ? uri.slice(prefix.length) : undefined);
  const number = numericId(String(told).replace(/\/$/, ''));
  return number === null ? undefined : String(number);
}

/** The id in a resource_uri of a noun. Throws for other URIs: a change must not reach an object of another noun. */
export function idOfUri(uri: unknown, pointer: string, noun: string): string {
  const prefix = `/api/${noun}/`;
  const path = typeof uri === 'string' ? uri.replace(/^https?:\/\/[^/]+/, '') : '';
  const id = path.startsWith(prefix) ? /^([^/]+)\/?$/.exec(path.slice(prefix.length))?.[1] : undefined;
  if (id !== undefined) return id;
  throw new PenstockError(
    'not-found',
    `${pointer}: ${JSON.stringify(uri)} is not a resource_uri of a ${noun}, such as ${prefix}1/.`,
  );
}

/** The changes for a list that replaces another. An item with an id keeps it if it is the user's own or free. */
export const putsOf = (objects: readonly unknown[], key: string, prefix: string): Change[] =>
  objects.map((item) => {
    const id = idOfItem(item, key, prefix);
    return id === undefined ? { op: 'create', body: item } : { op: 'put', id, body: item, orNew: true };
  });
