import { type CloudServer, type Connector, ConnectorError } from './connector.js';
import { type Ledger, openTaken } from './taken.js';

/** A permanent machine. */
interface Machine {
  name: string;
  address: string;
  port: number;
  /** Null: the user of the application or the configuration. */
  user: string | null;
  hostKey: string | null;
}

/**
 * Machines from a list, one server each. Creating a server takes the free machine that was taken the longest ago, so
 * that a machine that does not answer is not taken again and again. Its id is the machine's name.
 *
 * @param ledger which server has which machine, as stored
 */
export function staticConnector(
  { machines }: { machines: readonly Machine[] },
  { instance, ledger }: { instance: string; ledger: Ledger },
): Connector {
  const taken = openTaken(ledger);
  /** The order in which they were last taken. */
  const turns = new Map<string, number>();
  let turn = 0;
  const machineOf = (id: string | undefined) => machines.find(({ name }) => name === id);

  return {
    create({ name }) {
      return taken.take(name, (used) => {
        const turnOf = ({ name }: Machine) => turns.get(name) ?? 0;
        const free = machines.filter((machine) => !used.has(machine.name));
        const [next] = free.sort((a, b) => turnOf(a) - turnOf(b));
        if (next !== undefined) {
          turn += 1;
          turns.set(next.name, turn);
          return next.name;
        }
        const reason =
          machines.length === 0
            ? 'there are no machines: MACHINES of ssh.yaml is empty'
            : `all machines are in use: ${machines.map((machine) => machine.name).join(', ')}`;
        throw new ConnectorError('no-capacity', reason);
      });
    },
    async list() {
      // A machine that is no longer in the list counts as a deleted server.
      return [...(await taken.all())]
        .filter(([, id]) => machineOf(id) !== undefined)
        .map(([name, id]) => standing(id, name, instance));
    },
    async reach({ name }) {
      const machine = machineOf((await taken.all()).get(name));
      if (machine === undefined)
        throw new ConnectorError(
          'refused',
          `server ${name} is gone: it was removed from MACHINES in ssh.yaml`,
        );
      const { address, port, user, hostKey } = machine;
      return { by: 'ssh', address, port, user, hostKey };
    },
    async delete({ name }) {
      taken.giveBack(name);
      return true;
    },
    async close() {},
  };
}

/** A server that exists at once. */
export const standing = (id: string, name: string, instance: string): CloudServer => ({
  id,
  name,
  instance,
  state: 'active',
  fault: null,
  problem: null,
});
