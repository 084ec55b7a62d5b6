import type { Fields, ListQuery } from '../domain/query.js';
import type { Actor } from './actor.js';

/** An object as it is shown, but for its `resource_uri`, which is the door's business. */
export type Shown = Record<string, unknown>;

/**
 * One change to a resource. `put` merges into the object, or creates it under that very id; `patch` needs it to
 * exist. `check` sees the object as it is now and throws if the change must not be made on that (If-Match). `maybe`: if it is gone by
 * then, that is what was wanted. `orNew`: where the id is somebody else's, or none, a new object is made under an id of its own.
 */
export type Change =
  | { op: 'create'; body: unknown }
  | { op: 'put' | 'patch'; id: string; body: unknown; check?: (current: Shown) => void; orNew?: true }
  | { op: 'delete'; id: string; check?: (current: Shown) => void; maybe?: true };

export const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'] as const;
export type Method = (typeof methods)[number];

/** What a noun offers to the generic resource; a method that is left out is one that the noun has not. */
export interface ResourceService {
  /** The noun as it stands in URLs. */
  name: string;
  fields: Fields;
  /** What may be done to the list and to one object; `GET` includes `HEAD`. */
  methods: { list: readonly Method[]; detail: readonly Method[] };
  /** The key that an object's URL ends with: `id`, or `uuid` for jobs. */
  key: string;
  list(actor: Actor, query: ListQuery): Promise<{ total: number; objects: Shown[] }>;
  /** The object, or null if there is none that the actor may see. */
  get(actor: Actor, id: string): Promise<Shown | null>;
  /** Makes all the changes or none; gives the objects created or changed, in order. */
  apply?(actor: Actor, changes: readonly Change[]): Promise<Shown[]>;
  /** The ids that a query selects, at most so many. */
  select?(actor: Actor, query: ListQuery, most: number): Promise<string[]>;
  /** Deletes all that a query selects, however many there are; a piece at a time, so that others have their turn. */
  removeAll?(actor: Actor, query: ListQuery): Promise<void>;
}

/** A path's id as a number, or null if it is none. */
export function numericId(id: string): number | null {
  const value = Number(id);
  return /^\d{1,15}$/.test(id) && value > 0 ? value : null;
}

/** ISO 8601 in UTC, as all dates of ours. */
export const shownDate = (date: Date | null): string | null => (date === null ? null : date.toISOString());
