import { type documentKeys, operationSettings } from '../../domain/operations/operation.js';
import type { Fields } from '../../domain/query.js';
import type { OperationRow } from '../../store/operations.js';
import { definitionUri, jobUri } from '../jobs/job-view.js';
import { type Shown, shownDate } from '../resource.js';

/** The current state of an operation. Counts start when this server starts the operation. */
export interface OperationStatus {
  /** `running`; `waiting` for something outside, such as the broker; `failing`: it cannot continue by itself. */
  state: 'running' | 'waiting' | 'failing';
  reason: string | null;
  /** The UUID of its service's job. */
  service: string | null;
  counts: OperationCounts;
}

export interface OperationCounts {
  /** Messages received, including redeliveries. */
  received: number;
  redelivered: number;
  /** Results published on the output stream and confirmed. */
  published: number;
  /** Failed jobs, or ends of the service while it had messages. */
  failed: number;
  /** Messages that became dead letters. */
  dead: number;
}

/** The messages in an operation's queue. */
export interface Lag {
  ready: number;
  unsettled: number;
}

const optional = { nullable: true, default: null } as const;
const told = { readonly: true, nullable: true } as const;

export const operationFields: Fields = {
  id: {
    type: 'integer',
    help_text: 'Number of the operation.',
    unique: true,
    readonly: true,
    lookups: ['exact', 'in'],
    orderable: true,
  },
  name: {
    type: 'string',
    help_text: 'Its name.',
    lookups: ['exact', 'in', 'contains', 'startswith'],
    orderable: true,
  },
  owner: {
    type: 'string',
    help_text: 'Name of the user who created it.',
    readonly: true,
    lookups: ['exact', 'in'],
  },
  process_definition: {
    type: 'related',
    help_text: 'The process definition that handles its messages.',
    lookups: ['exact', 'in'],
  },
  process_type: {
    type: 'string',
    help_text:
      '`single`: each message is a job. `service`: one process gets them all. Set by the definition.',
    readonly: true,
    lookups: ['exact', 'in'],
  },
  input_stream: {
    type: 'string',
    help_text: 'The stream that it takes messages from.',
    lookups: ['exact', 'in'],
  },
  output_stream: {
    type: 'string',
    help_text: 'The stream that results are published on.',
    ...optional,
    lookups: ['exact', 'in', 'isnull'],
  },
  active: {
    type: 'boolean',
    help_text: 'Whether it takes messages; otherwise they wait in its queue.',
    default: true,
    lookups: ['exact'],
  },
  framing: { type: 'string', help_text: '`line`, `nul`, `length` or `none`.', default: 'line' },
  answers: { type: 'string', help_text: '`one` record for each message, or `any` number.', default: 'one' },
  content_type: {
    type: 'string',
    help_text: "Content type of what is published; null: the message's.",
    ...optional,
  },
  prefetch: { type: 'integer', help_text: 'Most messages without a safe result.', ...optional },
  concurrency: { type: 'integer', help_text: 'Most jobs at once.', default: 1 },
  max_deliveries: {
    type: 'integer',
    help_text: 'How many times the service may end on a message before it becomes a dead letter.',
    default: 5,
  },
  dead_letters: { type: 'string', help_text: 'The stream for messages without a result.', ...optional },
  state: {
    type: 'string',
    help_text: '`running`, `waiting`, `failing` or `inactive`.',
    readonly: true,
  },
  reason: { type: 'string', help_text: 'Why it waits or fails.', ...told },
  service: { type: 'related', help_text: 'The job of its service.', ...told },
  counts: {
    type: 'dict',
    help_text:
      'Messages `received`, of them `redelivered`, results `published`, `failed`, `dead`; since the server or the operation started.',
    readonly: true,
  },
  lag: {
    type: 'dict',
    help_text: 'What is in its queue: `ready` and `unsettled`. Null in lists, and if it is unknown.',
    ...told,
  },
  inputs: {
    type: 'dict',
    help_text: 'Values for declared inputs of the definition: a value, or `{"message": POINTER}`.',
  },
  created: { type: 'datetime', help_text: 'When it was made.', readonly: true, orderable: true },
  updated: { type: 'datetime', help_text: 'When it was last changed.', readonly: true },
};

const noCounts: OperationCounts = { received: 0, redelivered: 0, published: 0, failed: 0, dead: 0 };

/** An operation as the API shows it. */
export function showOperation(row: OperationRow, status: OperationStatus | null, lag: Lag | null): Shown {
  const settings = operationSettings(row);
  const said: Record<(typeof documentKeys)[number], unknown> = {
    framing: settings.framing,
    answers: settings.answers,
    content_type: settings.contentType,
    prefetch: settings.prefetch,
    concurrency: settings.concurrency,
    max_deliveries: settings.maxDeliveries,
    dead_letters: settings.deadLetters,
    inputs: settings.inputs,
  };
  return {
    id: row.id,
    name: row.name,
    owner: row.owner.username,
    process_definition: definitionUri(row.processDefinitionId),
    process_type: row.definition.processType,
    input_stream: row.inputStream,
    output_stream: row.outputStream,
    active: row.active,
    ...said,
    state: row.active ? (status?.state ?? 'waiting') : 'inactive',
    reason: row.active ? (status === null ? 'it is starting' : status.reason) : null,
    service: status?.service ? jobUri(status.service) : null,
    counts: status?.counts ?? noCounts,
    lag,
    created: shownDate(row.created),
    updated: shownDate(row.updated),
  };
}
