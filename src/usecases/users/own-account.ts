import type { Store } from '../../store/store.js';
import type { User } from '../../store/users.js';
import type { Actor } from '../actor.js';

/**
 * A user of the installation that stands for a dialect's logins: it owns what they create. It is identified by its id:
 * nobody can take it over by name, or log in as it with a password.
 *
 * @param called its name; if that is taken, a number is added
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
    /** Its row, if it was ever needed and has not been removed. */
    async row(): Promise<User | null> {
      const id = await store.knownSetting(setting);
      return id === null ? null : store.users.byId(Number(id));
    },

    /** The account, created when first needed, and again if somebody has removed it. */
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
