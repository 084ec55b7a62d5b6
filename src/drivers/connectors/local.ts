import { type Connector, ConnectorError } from './connector.js';
import { standing } from './static.js';
import { type Ledger, openTaken } from './taken.js';

/**
 * This machine stands in for a cloud: any number of servers, all of which are this machine.
 *
 * @param ledger the servers that exist, as stored
 */
export function localConnector({ instance, ledger }: { instance: string; ledger: Ledger }): Connector {
  const taken = openTaken(ledger);
  return {
    create: ({ name }) => taken.take(name, () => name),
    async list() {
      return [...(await taken.all())].map(([name, id]) => standing(id, name, instance));
    },
    async reach({ name }) {
      if (!(await taken.all()).has(name)) throw new ConnectorError('refused', `server ${name} is gone`);
      return { by: 'here' };
    },
    async delete({ name }) {
      taken.giveBack(name);
      return true;
    },
    async close() {},
  };
}
