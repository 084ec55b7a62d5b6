import { PenstockError } from '../../lib/errors.js';
import type { ServerRow } from '../../store/servers.js';
import type { Store } from '../../store/store.js';
import { type Actor, requireAdmin } from '../actor.js';
import { numericId, type ResourceService } from '../resource.js';
import { serverFields, showServer } from './server-fields.js';

/** Servers: read by everyone, deleted by admins. They are created when jobs need them. */
export function serverService(options: {
  store: Store;
  /** Starts to delete a server; false if it runs a job or is already being deleted. */
  letGo: (id: number, reason: string) => Promise<boolean>;
  clock: () => Date;
}) {
  const { store, letGo, clock } = options;
  const find = async (id: string): Promise<ServerRow | null> => {
    const number = numericId(id);
    return number === null ? null : store.servers.byId(number);
  };

  async function remove(actor: Actor, id: string, check?: (shown: Record<string, unknown>) => void) {
    requireAdmin(actor, 'delete servers');
    const row = await find(id);
    if (row === null) throw new PenstockError('not-found', `There is no server ${id}.`);
    check?.(showServer(row, clock(), actor));
    if (await letGo(row.id, `deleted by ${actor.username}`)) return;
    const detail =
      row.state === 'busy'
        ? `The server ${row.name} runs a job; cancel the job first.`
        : `The server ${row.name} is ${row.state}.`;
    throw new PenstockError('conflict', detail);
  }

  const resource: ResourceService = {
    name: 'server',
    methods: { list: ['GET'], detail: ['GET', 'DELETE'] },
    key: 'id',
    fields: serverFields,
    async list(actor, query) {
      const { total, objects } = await store.servers.list(query);
      const now = clock();
      return { total, objects: objects.map((row) => showServer(row, now, actor)) };
    },
    async get(actor, id) {
      const row = await find(id);
      return row === null ? null : showServer(row, clock(), actor, await store.servers.usesOf(row.id));
    },
    async apply(actor, changes) {
      for (const change of changes) if (change.op === 'delete') await remove(actor, change.id, change.check);
      return [];
    },
  };
  return { resource };
}
