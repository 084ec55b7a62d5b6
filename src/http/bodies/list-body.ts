import { bounds } from '../../domain/bounds.js';
import { PenstockError } from '../../lib/errors.js';
import { count } from '../../lib/wording.js';
import { invalid, objectBody } from '../../usecases/body.js';

const tooMany = (pointer: string, length: number) =>
  invalid('invalid-body', [
    { pointer, detail: `may have at most ${count(bounds.objects, 'item')}, not ${length}` },
  ]);

/**
 * The body of a request to a whole list: objects, and the addresses of objects to delete, at most a page of each.
 *
 * @param keys the keys that the body may have
 * @throws {PenstockError} invalid-body
 */
export function listBody(
  value: unknown,
  keys: readonly string[],
  noun: string,
): { objects: unknown[]; deleted: unknown[] } {
  const given = objectBody(value, keys, `a list of ${noun}`);
  const list = (key: string, needed: boolean): unknown[] => {
    const items = given[key];
    if (items === undefined && !needed) return [];
    if (Array.isArray(items)) {
      if (items.length > bounds.objects) throw tooMany(`/${key}`, items.length);
      return items;
    }
    throw new PenstockError(
      'invalid-body',
      `/${key}: ${items === undefined ? 'this key is required but missing; it must be a list of objects' : 'it must be a list'}`,
      {
        problems: [{ pointer: `/${key}`, detail: 'it must be a list of objects' }],
      },
    );
  };
  return { objects: list('objects', true), deleted: list('deleted_objects', false) };
}
