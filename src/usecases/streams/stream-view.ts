import type { Fields } from '../../domain/query.js';
import type { QueueCounts } from '../../drivers/streams/stream.js';
import type { StreamRow } from '../../store/streams.js';
import { type Shown, shownDate } from '../resource.js';
import { defaultMaxMessages } from './channels.js';

/** What is shown only for a single stream, not in lists. */
export interface StreamState {
  queues: ({ name: string } & QueueCounts)[] | null;
  published: number;
  /** Why the queues are unknown; null if they are known. */
  error: string | null;
}

export const streamFields: Fields = {
  id: { type: 'integer', help_text: 'Number of the stream.', unique: true, readonly: true, orderable: true },
  name: {
    type: 'string',
    help_text: 'Its name.',
    unique: true,
    lookups: ['exact', 'in', 'contains', 'startswith'],
    orderable: true,
  },
  owner: { type: 'string', help_text: 'Name of its owner.', readonly: true, lookups: ['exact', 'in'] },
  type: {
    type: 'string',
    help_text: 'Where it is kept: `memory`, in this server; `amqp`, on the RabbitMQ broker.',
    lookups: ['exact', 'in'],
  },
  durable: {
    type: 'boolean',
    help_text: 'Whether messages in queues survive a restart.',
    default: true,
    lookups: ['exact'],
  },
  max_messages: {
    type: 'integer',
    help_text: 'How many messages a queue may hold; null if the broker decides.',
    nullable: true,
    default: defaultMaxMessages,
  },
  description: { type: 'string', help_text: 'What it is for.', nullable: true, default: null },
  queues: {
    type: 'list',
    help_text: 'The messages in its queues; null if unknown. Not in lists.',
    nullable: true,
    readonly: true,
  },
  published: {
    type: 'integer',
    help_text: 'Messages published here since the server started. Not in lists.',
    readonly: true,
  },
  error: {
    type: 'string',
    help_text: 'Why its queues are unknown. Not in lists.',
    nullable: true,
    readonly: true,
  },
  created: { type: 'datetime', help_text: 'When it was made.', readonly: true, orderable: true },
  updated: { type: 'datetime', help_text: 'When it was last changed.', readonly: true },
};

/** Read-only keys; they may be sent back as they were read. */
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
