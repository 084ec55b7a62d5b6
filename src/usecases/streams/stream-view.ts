import type { Fields } from '../../domain/query.js';
import type { QueueCounts } from '../../drivers/streams/stream.js';
import type { StreamRow } from '../../store/streams.js';
import { type Shown, shownDate } from '../resource.js';
import { defaultMaxMessages } from './channels.js';

/** What only one stream that is asked for by its name shows. */
export interface StreamState {
  queues: ({ name: string } & QueueCounts)[] | null;
  published: number;
  /** Why the queues cannot be told; null if they can. */
  error: string | null;
}

export const streamFields: Fields = {
  id: { type: 'integer', help_text: 'Number of the stream.', unique: true, readonly: true, orderable: true },
  name: {
    type: 'string',
    help_text: 'What it is called.',
    unique: true,
    lookups: ['exact', 'in', 'contains', 'startswith'],
    orderable: true,
  },
  owner: { type: 'string', help_text: 'Whose it is.', readonly: true, lookups: ['exact', 'in'] },
  type: {
    type: 'string',
    help_text: 'Who keeps it: `memory`, this server; `amqp`, the RabbitMQ broker.',
    lookups: ['exact', 'in'],
  },
  durable: {
    type: 'boolean',
    help_text: 'Whether messages that wait in queues outlive a restart.',
    default: true,
    lookups: ['exact'],
  },
  max_messages: {
    type: 'integer',
    help_text: 'How many messages a queue holds at most; null where the broker decides.',
    nullable: true,
    default: defaultMaxMessages,
  },
  description: { type: 'string', help_text: 'What it is for.', nullable: true, default: null },
  queues: {
    type: 'list',
    help_text: 'What waits in its queues; null if that cannot be told. Of one stream only, not in lists.',
    nullable: true,
    readonly: true,
  },
  published: {
    type: 'integer',
    help_text: 'Messages that were published here since the start. Of one stream only, not in lists.',
    readonly: true,
  },
  error: {
    type: 'string',
    help_text: 'Why its queues cannot be told. Of one stream only, not in lists.',
    nullable: true,
    readonly: true,
  },
  created: { type: 'datetime', help_text: 'When it was made.', readonly: true, orderable: true },
  updated: { type: 'datetime', help_text: 'When it was changed last.', readonly: true },
};

/** Keys that are ours to tell: who sends them back as they were read is not refused. */
export const streamToldKeys = [
  'id',
  'owner',
  'queues',
  'published',
  'error',
  'created',
  'updated',
  'resource_uri',
];

export function showStream(row: StreamRow, state?: StreamState): Shown {
  return {
    id: row.id,
    name: row.name,
    owner: row.owner.username,
    type: row.type,
    durable: row.durable,
    max_messages: row.type === 'amqp' ? null : row.maxMessages,
    description: row.description,
    ...state,
    created: shownDate(row.created),
    updated: shownDate(row.updated),
  };
}
