import type { CloudFiles } from '../config/config-cloud.js';
import type { Connector, ServerReference } from '../drivers/connectors/connector.js';
import { heatConnector } from '../drivers/connectors/heat.js';
import { localConnector } from '../drivers/connectors/local.js';
import { novaConnector } from '../drivers/connectors/nova.js';
import { type RetiringConnector, retiring } from '../drivers/connectors/retiring.js';
import { heatOptions, novaOptions } from '../drivers/connectors/settings.js';
import { staticConnector } from '../drivers/connectors/static.js';
import type { House } from './house.js';

/** The connectors that the files configure, and `local`, which needs no file. */
export function openConnectors({ store, instance }: House, folder: string, read: CloudFiles) {
  const ours = { instance };
  const written = (name: string) => async (): Promise<ServerReference[]> =>
    (await store.servers.held())
      .filter(({ connector }) => connector === name)
      .map((row) => ({ name: row.name, id: row.cloudId }));

  function open({ ssh, nova, heat }: CloudFiles): Map<string, RetiringConnector> {
    const made = new Map<string, Connector>();
    made.set('local', localConnector({ ...ours, ledger: written('local') }));
    const machines = ssh.MACHINES.map((one) => ({
      name: one.NAME,
      address: one.ADDRESS,
      port: one.PORT,
      user: one.AUTH_USER,
      hostKey: one.HOST_KEY,
    }));
    if (machines.length > 0) {
      made.set('static', staticConnector({ machines }, { ...ours, ledger: written('static') }));
    }
    if (nova !== null) made.set('nova', novaConnector(novaOptions(nova, folder), ours));
    if (heat !== null) made.set('heat', heatConnector(heatOptions(heat, folder), ours));
    return new Map([...made].map(([name, one]) => [name, retiring(one)]));
  }

  let current = open(read);
  /** Connectors of replaced settings that still have requests to finish. */
  const leaving = new Set<Connector>();

  return {
    current: (): ReadonlyMap<string, Connector> => current,

    /** Replaces the connectors by those of other settings. */
    replace(files: CloudFiles): void {
      const before = current;
      current = open(files);
      for (const one of before.values()) {
        leaving.add(one);
        void one.retire().finally(() => leaving.delete(one));
      }
    },

    async close(): Promise<void> {
      await Promise.all([...current.values(), ...leaving].map((one) => one.close()));
    },
  };
}
