import type { ServerReference } from './connector.js';

/** Which server has what, where no cloud keeps the record: the connector's servers in the ledger, without deleted ones. */
export type Ledger = () => Promise<readonly ServerReference[]>;

/**
 * What is taken, by the server's name: according to the ledger, plus what has been taken and released since. What was
 * taken but never stored is free again after a restart: nothing was done with it.
 */
export function openTaken(ledger: Ledger) {
  const taken = new Map<string, string>();
  const given = new Set<string>();
  const current = (written: readonly ServerReference[]) => {
    const names = new Set(written.map(({ name }) => name));
    for (const name of given) if (!names.has(name)) given.delete(name);
    const all = new Map(taken);
    for (const { name, id } of written) if (id !== null && !given.has(name)) all.set(name, id);
    return all;
  };
  return {
    all: async (): Promise<Map<string, string>> => current(await ledger()),
    /** Takes what `choose` picks for a server that has nothing yet; returns what the server has. */
    async take(name: string, choose: (used: ReadonlySet<string>) => string): Promise<string> {
      const written = await ledger();
      // From here to the end nothing else can run in between.
      const all = current(written);
      const own = all.get(name);
      if (own !== undefined) return own;
      const id = choose(new Set(all.values()));
      given.delete(name);
      taken.set(name, id);
      return id;
    },
    giveBack(name: string): void {
      taken.delete(name);
      given.add(name);
    },
  };
}
