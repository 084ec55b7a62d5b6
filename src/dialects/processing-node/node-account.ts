import { createHash, timingSafeEqual } from 'node:crypto';
import type { NodeSettings } from '../../config/node-file.js';
import type { Store } from '../../store/store.js';
import type { Actor } from '../../usecases/actor.js';
import { ownAccount } from '../../usecases/users/own-account.js';

const digest = (username: string, password: string) =>
  createHash('sha256')
    .update(JSON.stringify([username, password]))
    .digest();

/**
 * The user behind the processing node's own login. It owns the definitions of the scripts and all jobs started with that
 * login. It is identified by its id, so that nobody can take it over by name. Outside the node it may only read.
 *
 * @param settings the current settings of the node
 */
export function nodeAccount(store: Store, settings: () => NodeSettings, clock: () => Date) {
  const own = ownAccount(store, 'node', clock);

  return {
    /** The account, if it exists. */
    async known(): Promise<Actor | null> {
      const user = await own.row();
      return user === null ? null : { id: user.id, username: user.username, admin: false, node: true };
    },

    /** The account. Creates it on first use, and again after it was removed. */
    async get(): Promise<Actor> {
      return { ...(await own.get()), node: true };
    },

    /** The account, if this is the node's login and the account is active. */
    async byPassword(username: string, password: string): Promise<Actor | null> {
      const { node } = settings();
      if (node.username === null || node.password === null) return null;
      const right = timingSafeEqual(digest(username, password), digest(node.username, node.password));
      if (!right) return null;
      const account = await this.get();
      return (await own.row())?.active ? account : null;
    },
  };
}

export type NodeAccount = ReturnType<typeof nodeAccount>;
