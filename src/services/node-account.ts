import { createHash, timingSafeEqual } from 'node:crypto';
import type { NodeSettings } from '../domain/node-settings.js';
import type { Store } from '../store/store.js';
import type { Actor } from './actor.js';

const digest = (username: string, password: string) =>
  createHash('sha256')
    .update(JSON.stringify([username, password]))
    .digest();

/**
 * The user whom the processing node's own login stands for. It owns the definitions of the scripts, and the jobs of
 * whoever uses that login. It has no password but the one in node.yaml.
 *
 * @param settings the node's settings as they are now
 */
export function nodeAccount(store: Store, settings: () => NodeSettings, clock: () => Date) {
  let making: Promise<void> | undefined;

  async function make(): Promise<void> {
    let free = 'node';
    for (let number = 2; (await store.users.byName(free)) !== null; number += 1) free = `node-${number}`;
    const username = await store.setting('node_account', () => free);
    if ((await store.users.byName(username)) !== null) return;
    const now = clock();
    // No password has this hash.
    await store.users.add({
      username,
      role: 'user',
      active: true,
      passwordHash: '!',
      created: now,
      updated: now,
    });
  }

  /** The account, if it was ever needed. */
  async function known(): Promise<Actor | null> {
    const username = await store.knownSetting('node_account');
    const user = username === null ? null : await store.users.byName(username);
    return user === null ? null : { id: user.id, username: user.username, admin: user.role === 'admin' };
  }

  return {
    known,

    /** The account, made when it is first needed, and again after somebody has removed it. */
    async get(): Promise<Actor> {
      const found = await known();
      if (found !== null) return found;
      making ??= make().finally(() => {
        making = undefined;
      });
      await making;
      return this.get();
    },

    /** The account, if that is the node's login and nobody has switched the account off. */
    async byPassword(username: string, password: string): Promise<Actor | null> {
      const { node } = settings();
      if (node.username === null || node.password === null) return null;
      const right = timingSafeEqual(digest(username, password), digest(node.username, node.password));
      if (!right) return null;
      const account = await this.get();
      return (await store.users.byId(account.id))?.active ? account : null;
    },
  };
}

export type NodeAccount = ReturnType<typeof nodeAccount>;
