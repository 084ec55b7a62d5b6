import type { ServerReference } from './connector.js';

/** Who has what, where no cloud keeps the record: the ledger's servers of the connector, without those that are deleted. */
export type Ledger = () => Promise<readonly ServerReference[]>;

/**
 * What is taken, by the server's name: as the ledger says, and what has been taken and given back since it was written.
 * What was taken and never came to be written is free again after a restart: nothing has been done with it.
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
    /** Takes what `choose` picks, for a server that has nothing yet; gives what the server has. */
    async take(name: string, choose: (used: ReadonlySet<string>) => string): Promise<string> {
      const written = await ledger();
      // From here to the end nobody else comes in between.
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
