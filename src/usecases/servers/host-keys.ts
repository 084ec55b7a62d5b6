import type { Fields } from '../../domain/query.js';
import { PenstockError } from '../../lib/errors.js';
import type { HostKeyRow } from '../../store/host-keys.js';
import type { Store } from '../../store/store.js';
import { type Actor, requireAdmin } from '../actor.js';
import type { ResourceService, Shown } from '../resource.js';
import { shownDate } from '../resource.js';

const hostKeyFields: Fields = {
  host: {
    type: 'string',
    help_text: 'Address and port of the machine, such as `10.0.0.7:22`.',
    unique: true,
    readonly: true,
  },
  fingerprint: { type: 'string', help_text: 'As `ssh-keygen -l` shows it: `SHA256:…`.', readonly: true },
  key: { type: 'string', help_text: 'The key as `known_hosts` has it.', readonly: true },
  machines: { type: 'list', help_text: 'The names of the machine in `ssh.yaml`.', readonly: true },
  created: { type: 'datetime', help_text: 'When the machine was first reached.', readonly: true },
};

/**
 * Host keys of permanent machines. A machine's key is pinned when the machine is first reached, and no other is
 * accepted from then on, until an admin deletes it: then the next key is pinned.
 */
export function hostKeyService(options: {
  store: Store;
  /** The names of the machines that are reached at an address. */
  machines: (host: string) => readonly string[];
  /** A key as `ssh-keygen -l` shows it. */
  fingerprintOf: (key: string) => string;
  clock: () => Date;
}) {
  const { store, machines, fingerprintOf, clock } = options;
  const pinned = new Map<string, HostKeyRow>();
  const show = ({ host, fingerprint: key, created }: HostKeyRow): Shown => ({
    host,
    fingerprint: fingerprintOf(key),
    key,
    machines: machines(host),
    created: shownDate(created),
  });

  const resource: ResourceService = {
    name: 'host_key',
    methods: { list: ['GET'], detail: ['GET', 'DELETE'] },
    key: 'host',
    fields: hostKeyFields,
    async list(actor, { offset, limit }) {
      requireAdmin(actor, 'see host keys');
      const rows = [...pinned.values()].sort((one, other) => (one.host < other.host ? -1 : 1));
      return { total: rows.length, objects: rows.slice(offset, offset + limit).map(show) };
    },
    async get(actor, host) {
      requireAdmin(actor, 'see host keys');
      const row = pinned.get(host);
      return row === undefined ? null : show(row);
    },
    async apply(actor: Actor, changes) {
      requireAdmin(actor, 'delete host keys');
      for (const change of changes) {
        if (change.op !== 'delete') continue;
        const row = pinned.get(change.id);
        if (row === undefined) throw new PenstockError('not-found', `There is no host_key ${change.id}.`);
        change.check?.(show(row));
        await store.hostKeys.remove(row.host);
        pinned.delete(row.host);
      }
      return [];
    },
  };

  return {
    resource,

    /** Reads the keys; must come before any other call. */
    async start(): Promise<void> {
      for (const row of await store.hostKeys.all()) pinned.set(row.host, row);
    },

    /** The key that a machine (`address:port`) must show; null if it was never reached. */
    keyOf: (host: string): string | null => pinned.get(host)?.fingerprint ?? null,

    /** Pins the first key that a machine has shown. */
    async pin(host: string, key: string): Promise<void> {
      if (pinned.has(host)) return;
      const row = { host, fingerprint: key, created: clock() };
      pinned.set(host, row);
      await store.hostKeys.add(row);
    },
  };
}

export type HostKeyService = ReturnType<typeof hostKeyService>;
