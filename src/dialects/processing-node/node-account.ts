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
 * The user whom the processing node's own login stands for. It owns the definitions of the scripts, and the jobs of
 * whoever uses that login. It is known by its id: nobody becomes it by a name. Outside the node it may only read.
 *
 * @param settings the node's settings as they are now
 */
export function nodeAccount(store: Store, settings: () => NodeSettings, clock: () => Date) {
  const own = ownAccount(store, 'node', clock);

  return {
    /** The account, if it was ever needed. */
    async known(): Promise<Actor | null> {
      const user = await own.row();
      return user === null ? null : { id: user.id, username: user.username, admin: false, node: true };
    },

    /** The account, made when it is first needed, and again after somebody has removed it. */
    async get(): Promise<Actor> {
      return { ...(await own.get()), node: true };
    },

    /** The account, if that is the node's login and nobody has switched the account off. */
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
