import { PenstockError } from '../lib/errors.js';

/** Who makes a request. */
export interface Actor {
  id: number;
  username: string;
  admin: boolean;
  /** True: the processing node's own login. Outside the node it may only read, and cancel its jobs. */
  node?: boolean;
}

/** The owner whose objects the actor may see; null is everybody. */
export const scopeOf = (actor: Actor): number | null => (actor.admin ? null : actor.id);

/** True if the actor may see and change that owner's objects; the owner null is the installation itself. */
export const mayUse = (actor: Actor, ownerId: number | null): boolean => actor.admin || actor.id === ownerId;

export function requireAdmin(actor: Actor, what: string): void {
  if (!actor.admin) throw new PenstockError('forbidden', `Only an admin may ${what}.`);
}
