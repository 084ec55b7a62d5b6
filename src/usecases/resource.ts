import type { Fields, ListQuery } from '../domain/query.js';
import type { Actor } from './actor.js';

/** An object as it is shown, except its `resource_uri`, which the door adds. */
export type Shown = Record<string, unknown>;

/**
 * One change to a resource. `put` merges into the object, or creates it under that id; `patch` needs it to exist.
 * `check` gets the current object and throws if the change must not be applied to it (If-Match). `maybe`: it is fine if
 * the object is gone by then. `orNew`: if the id is somebody else's or does not exist, a new object gets a new id.
 */
export type Change =
  | { op: 'create'; body: unknown }
  | { op: 'put' | 'patch'; id: string; body: unknown; check?: (current: Shown) => void; orNew?: true }
  | { op: 'delete'; id: string; check?: (current: Shown) => void; maybe?: true };

export const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'] as const;
export type Method = (typeof methods)[number];

/** What a noun offers to the generic resource; a noun leaves out the methods that it does not have. */
export interface ResourceService {
  /** The noun in URLs. */
  name: string;
  fields: Fields;
  /** What may be done to the list and to one object; `GET` includes `HEAD`. */
  methods: { list: readonly Method[]; detail: readonly Method[] };
  /** The key that an object's URL ends with: `id`, or `uuid` for jobs. */
  key: string;
  list(actor: Actor, query: ListQuery): Promise<{ total: number; objects: Shown[] }>;
  /** The object, or null if there is none that the actor may see. */
  get(actor: Actor, id: string): Promise<Shown | null>;
  /** Makes all the changes or none; returns the objects created or changed, in order. */
  apply?(actor: Actor, changes: readonly Change[]): Promise<Shown[]>;
  /** The ids that a query selects, at most so many. */
  select?(actor: Actor, query: ListQuery, most: number): Promise<string[]>;
  /** Deletes everything that a query selects, a piece at a time, so that other requests get their turn. */
  removeAll?(actor: Actor, query: ListQuery): Promise<void>;
}

/** A path's id as a number, or null if it is not one. */
export function numericId(id: string): number | null {
  const value = Number(id);
  return /^\d{1,15}$/.test(id) && value > 0 ? value : null;
}

/** ISO 8601 in UTC, like all our dates. */
export const shownDate = (date: Date | null): string | null => (date === null ? null : date.toISOString());
