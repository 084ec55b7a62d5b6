import type { Connector } from './connector.js';

/** A connector that can be replaced while it is in use. */
export interface RetiringConnector extends Connector {
  /** Closes it once all its calls have finished. */
  retire(): Promise<void>;
}

/** Tracks a connector's calls, so that new settings do not interrupt any. */
export function retiring(connector: Connector): RetiringConnector {
  const asked = new Set<Promise<unknown>>();
  function kept<T>(answer: Promise<T>): Promise<T> {
    const done = answer.catch(() => {}).finally(() => asked.delete(done));
    asked.add(done);
    return answer;
  }
  return {
    create: (order) => kept(connector.create(order)),
    list: () => kept(connector.list()),
    reach: (server, order) => kept(connector.reach(server, order)),
    delete: (server) => kept(connector.delete(server)),
    close: () => connector.close(),
    async retire() {
      while (asked.size > 0) await Promise.all(asked);
      await connector.close();
    },
  };
}
