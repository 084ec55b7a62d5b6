import type { Job, JobEvent } from '../domain/job.js';
import { states } from '../domain/job-state.js';
import type { Fields } from '../domain/query.js';
import { type Shown, shownDate } from './resource.js';

const ranged = ['exact', 'gt', 'gte', 'lt', 'lte', 'range'] as const;

export const jobFields: Fields = {
  uuid: {
    type: 'string',
    help_text: 'Identity of the job: a typed UUID.',
    readonly: true,
    unique: true,
    lookups: ['exact', 'in'],
  },
  process_definition: {
    type: 'related',
    help_text: 'What it runs.',
    readonly: true,
    nullable: true,
    lookups: ['exact', 'in'],
  },
  owner: {
    type: 'string',
    help_text: 'Name of the user who submitted it.',
    readonly: true,
    lookups: ['exact', 'in'],
  },
  state: {
    type: 'string',
    help_text: `One of ${states.join(', ')}.`,
    readonly: true,
    lookups: ['exact', 'in'],
    orderable: true,
  },
  revision: { type: 'integer', help_text: 'Rises by one with every event.', readonly: true },
  last_event: { type: 'string', help_text: 'Name of the latest event.', readonly: true },
  waiting: { type: 'string', help_text: 'Why it does not run yet.', readonly: true, nullable: true },
  executor: { type: 'string', help_text: 'How its command is run.', readonly: true },
  priority: { type: 'integer', help_text: 'Higher goes first.', readonly: true },
  attempt: { type: 'integer', help_text: 'How often it was started.', readonly: true },
  request: { type: 'dict', help_text: 'What this run asked for beyond its definition.', readonly: true },
  outcome: {
    type: 'dict',
    help_text: 'How it ended: `cause`, `exit_code`, `signal`, `reason`.',
    readonly: true,
    nullable: true,
  },
  cause: {
    type: 'string',
    help_text: "To filter by: the outcome's cause.",
    readonly: true,
    nullable: true,
    lookups: ['exact', 'in', 'isnull'],
  },
  exit_code: {
    type: 'integer',
    help_text: "To filter by: the program's exit status.",
    readonly: true,
    nullable: true,
    lookups: ['exact', 'in', 'isnull'],
  },
  input_name: { type: 'string', help_text: 'File name of its input.', readonly: true, nullable: true },
  input_size: { type: 'integer', help_text: 'Bytes of its input.', readonly: true, nullable: true },
  output_name: { type: 'string', help_text: 'File name of its output.', readonly: true, nullable: true },
  output_size: { type: 'integer', help_text: 'Bytes of its output.', readonly: true, nullable: true },
  created: {
    type: 'datetime',
    help_text: 'When it was accepted.',
    readonly: true,
    lookups: ranged,
    orderable: true,
  },
  updated: { type: 'datetime', help_text: 'When its latest event was.', readonly: true },
  not_before: {
    type: 'datetime',
    help_text: 'When its next attempt may start.',
    readonly: true,
    nullable: true,
  },
  started: { type: 'datetime', help_text: 'When its program was started.', readonly: true, nullable: true },
  ended: {
    type: 'datetime',
    help_text: 'When it ended.',
    readonly: true,
    nullable: true,
    lookups: [...ranged, 'isnull'],
    orderable: true,
  },
  cleared: { type: 'datetime', help_text: 'When its files were removed.', readonly: true, nullable: true },
};

/** A job as the API shows it. Values of its variables are not shown: they may be secrets. */
export function showJob(job: Job, owner: string): Shown {
  const { environment, ...request } = job.request;
  return {
    uuid: job.uuid,
    process_definition:
      job.processDefinitionId === null ? null : `/api/process_definition/${job.processDefinitionId}/`,
    owner,
    state: job.state,
    revision: job.revision,
    last_event: job.lastEvent,
    waiting: job.waiting ?? (job.state === 'CREATED' ? 'its turn' : null),
    executor: job.executor,
    priority: job.priority,
    attempt: job.attempt,
    request: { ...request, ...(environment === undefined ? {} : { environment: Object.keys(environment) }) },
    outcome: job.outcome,
    input_name: job.inputName,
    input_size: job.inputSize,
    output_name: job.outputName,
    output_size: job.outputSize,
    created: shownDate(job.created),
    updated: shownDate(job.updated),
    not_before: shownDate(job.notBefore),
    started: shownDate(job.started),
    ended: shownDate(job.ended),
    cleared: shownDate(job.cleared),
  };
}

/** An event as the API shows it, with the keys of a history entry as of old, and the state that it led to. */
export function showEvent(event: JobEvent): Shown {
  return {
    uuid: event.uuid,
    name: event.name,
    date: shownDate(event.date),
    data: event.data,
    state: event.state,
    revision: event.revision,
  };
}
