import { type CloudServer, type Connector, ConnectorError } from './connector.js';
import { type Ledger, openTaken } from './taken.js';

/** A machine that there is anyway. */
interface Machine {
  name: string;
  address: string;
  port: number;
  /** Null: whoever the application or the configuration says. */
  user: string | null;
  hostKey: string | null;
}

/**
 * Machines of a list, one server each. Making a server is taking the free one that was taken the longest ago, so that one
 * which does not answer is not taken again and again; its id is the machine's name.
 *
 * @param ledger who has which, by what is stored
 */
export function staticConnector(
  { machines }: { machines: readonly Machine[] },
  { instance, ledger }: { instance: string; ledger: Ledger },
): Connector {
  const taken = openTaken(ledger);
  /** When each was taken last, in terms of each other. */
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
      // One that is no longer in the list is gone, as a server is that somebody has deleted.
      return [...(await taken.all())]
        .filter(([, id]) => machineOf(id) !== undefined)
        .map(([name, id]) => standing(id, name, instance));
    },
    async reach({ name }) {
      const machine = machineOf((await taken.all()).get(name));
      if (machine === undefined)
        throw new ConnectorError(
          'refused',
          `server ${name} is gone: MACHINES of ssh.yaml does not have it any more`,
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

/** A server that needs no time to be made. */
export const standing = (id: string, name: string, instance: string): CloudServer => ({
  id,
  name,
  instance,
  state: 'active',
  fault: null,
  problem: null,
});
