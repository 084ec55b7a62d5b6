import type { Fields } from '../../domain/query.js';
import type { ServerRow, ServerUseRow } from '../../store/servers.js';
import type { Actor } from '../actor.js';
import { type Shown, shownDate } from '../resource.js';

const told = (help_text: string) => ({ help_text, nullable: true, readonly: true });
const moment = (help_text: string) => ({ type: 'datetime' as const, ...told(help_text) });

export const serverFields: Fields = {
  id: { type: 'integer', help_text: 'Number of the server.', unique: true, readonly: true, orderable: true },
  name: {
    type: 'string',
    help_text: 'Its name, here and in the cloud.',
    unique: true,
    readonly: true,
    lookups: ['exact', 'in', 'startswith'],
  },
  application: {
    type: 'string',
    help_text: 'The application that it is for.',
    readonly: true,
    lookups: ['exact', 'in'],
    orderable: true,
  },
  connector: {
    type: 'string',
    help_text: 'The connector that created it.',
    readonly: true,
    lookups: ['exact', 'in'],
  },
  cloud_id: {
    type: 'string',
    ...told("The cloud's own id; null until it has one, and for anyone but admins."),
    lookups: ['exact', 'in'],
  },
  state: {
    type: 'string',
    help_text: 'requested, booting, ready, busy, idle, error, deleting, or deleted.',
    readonly: true,
    lookups: ['exact', 'in'],
    orderable: true,
  },
  address: { type: 'string', ...told('The address where it is reached. For admins only.') },
  uses: {
    type: 'integer',
    help_text: 'How many jobs it has run or is running.',
    readonly: true,
    orderable: true,
  },
  reason: {
    type: 'string',
    ...told('The reason for its state: what it waits for, what failed, why it was deleted.'),
  },
  minutes: { type: 'float', help_text: 'How long the cloud has had it.', readonly: true },
  jobs: {
    type: 'list',
    ...told('The jobs that used it, and for how long. Not in lists.'),
  },
  created: { ...moment('When it was ordered.'), orderable: true },
  booted: moment('When it was first reached.'),
  idle_since: moment('Since when it has had no job.'),
  deleted: moment('When the cloud had nothing of it left.'),
};

/** Where a server is reached: `localhost` for this machine; null while it has no address. */
export const addressOf = ({ reach }: ServerRow): string | null =>
  reach?.by === 'here' ? '127.0.0.1' : (reach?.address ?? null);

/** Minutes between two moments, to the second. */
export const minutes = (from: Date, to: Date): number =>
  Math.round((to.getTime() - from.getTime()) / 1000) / 60;

/**
 * A server as it is shown.
 *
 * @param uses the jobs that used it; those of other users are counted, but not named
 */
export function showServer(row: ServerRow, now: Date, actor: Actor, uses?: readonly ServerUseRow[]): Shown {
  return {
    id: row.id,
    name: row.name,
    application: row.application,
    connector: row.connector,
    cloud_id: actor.admin ? row.cloudId : null,
    state: row.state,
    address: actor.admin ? addressOf(row) : null,
    uses: row.uses,
    reason: row.reason,
    minutes: minutes(row.created, row.deleted ?? now),
    ...(uses === undefined
      ? {}
      : {
          jobs: uses.map(({ job, attempt, started, ended }) => ({
            job: actor.admin || job.ownerId === actor.id ? `/api/job/${job.uuid}/` : null,
            attempt,
            started: shownDate(started),
            ended: shownDate(ended),
            minutes: minutes(started, ended ?? now),
          })),
        }),
    created: shownDate(row.created),
    booted: shownDate(row.booted),
    idle_since: shownDate(row.idleSince),
    deleted: shownDate(row.deleted),
  };
}
