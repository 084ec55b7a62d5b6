import type { Store } from '../../store/store.js';
import type { User } from '../../store/users.js';
import type { Actor } from '../actor.js';

/**
 * A user of the installation's own, whom a dialect's logins stand for: it owns what they make. It is known by its id:
 * nobody becomes it by a name, and nobody logs in as it by a password.
 *
 * @param called its name; one that is taken gets a number
 */
export function ownAccount(store: Store, called: string, clock: () => Date) {
  const setting = `${called}_account`;
  let making: Promise<void> | undefined;

  async function make(): Promise<void> {
    let username = called;
    for (let number = 2; (await store.users.byName(username)) !== null; number += 1) {
      username = `${called}-${number}`;
    }
    const now = clock();
    // No password has this hash.
    const user = { username, role: 'user', active: true, passwordHash: '!', created: now, updated: now };
    const { id } = await store.users.add(user);
    await store.keepSetting(setting, String(id));
  }

  return {
    /** Its row, if it was ever needed, and nobody has removed it. */
    async row(): Promise<User | null> {
      const id = await store.knownSetting(setting);
      return id === null ? null : store.users.byId(Number(id));
    },

    /** The account, made when it is first needed, and again after somebody has removed it. */
    async get(): Promise<Actor> {
      const user = await this.row();
      if (user !== null) return { id: user.id, username: user.username, admin: false };
      making ??= make().finally(() => {
        making = undefined;
      });
      await making;
      return this.get();
    },
  };
}
