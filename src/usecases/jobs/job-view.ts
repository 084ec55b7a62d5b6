import { externalExecutor, type Job, type JobEvent } from '../../domain/jobs/job.js';
import { states } from '../../domain/jobs/job-state.js';
import type { Fields } from '../../domain/query.js';
import type { ServerUse } from '../../store/servers.js';
import { type Shown, shownDate } from '../resource.js';
import { minutes } from '../servers/server-fields.js';

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
    help_text: 'The process definition that it runs.',
    readonly: true,
    nullable: true,
    lookups: ['exact', 'in'],
  },
  pipeline: {
    type: 'related',
    help_text: 'The pipeline that it runs or, if it runs elsewhere, belongs to.',
    readonly: true,
    nullable: true,
    lookups: ['exact', 'in'],
  },
  operation: {
    type: 'related',
    help_text: 'The operation whose message it works on, or whose service it is.',
    readonly: true,
    nullable: true,
    lookups: ['exact', 'in', 'isnull'],
  },
  parent: {
    type: 'related',
    uuid: true,
    help_text: "The pipeline's job that it is a step of.",
    readonly: true,
    nullable: true,
    lookups: ['exact', 'in', 'isnull'],
  },
  step: {
    type: 'string',
    help_text: 'The name of that step.',
    readonly: true,
    nullable: true,
    lookups: ['exact', 'in'],
  },
  item: {
    type: 'integer',
    help_text: 'Which item of a step that runs once per item, counted from 0.',
    readonly: true,
    nullable: true,
    lookups: ['exact', 'in', 'gte', 'lte', 'range'],
  },
  steps: {
    type: 'list',
    help_text: "Of a pipeline's job: its steps, what each needs and runs, and its progress. Null in lists.",
    readonly: true,
    nullable: true,
  },
  session: {
    type: 'string',
    help_text: 'What it and other jobs were run for, as chosen by the client.',
    readonly: true,
    nullable: true,
    lookups: ['exact', 'in', 'startswith'],
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
  revision: { type: 'integer', help_text: 'Increases by one with every event.', readonly: true },
  last_event: {
    type: 'string',
    help_text: 'Name of the latest event.',
    readonly: true,
    lookups: ['exact', 'in'],
  },
  waiting: { type: 'string', help_text: 'Why it does not run yet.', readonly: true, nullable: true },
  executor: { type: 'string', help_text: 'Where its command runs.', readonly: true },
  server: {
    type: 'related',
    help_text: 'The cloud server that it has, or had last.',
    readonly: true,
    nullable: true,
  },
  server_minutes: {
    type: 'float',
    help_text: 'Server minutes that its attempts have used; null if it had no server.',
    readonly: true,
    nullable: true,
  },
  priority: { type: 'integer', help_text: 'Higher goes first.', readonly: true },
  attempt: { type: 'integer', help_text: 'How many times it was started.', readonly: true },
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
  service: {
    type: 'dict',
    help_text:
      'The state of a service: `health` (`starting`, `ready`, `waiting` for its next start, `stopping`, `ended`), `ready`, `since`, `restarts`, `in_a_row`, `last_end`, `next_start`, `asked`. Null for a job that is not a service.',
    readonly: true,
    nullable: true,
    lookups: ['isnull'],
  },
  logs: {
    type: 'dict',
    help_text:
      'Where the logs of its latest attempt begin and end: `stdout` and `stderr`, each with `start` (what was before is cut away) and `end`, in bytes from the first ever written. Null before it has started, for jobs without logs here, and in lists.',
    readonly: true,
    nullable: true,
  },
  archive_system: {
    type: 'string',
    help_text: 'Where its results are kept, if it runs elsewhere.',
    readonly: true,
    nullable: true,
    lookups: ['exact'],
  },
  archive_path: {
    type: 'string',
    help_text: 'The folder of its results there.',
    readonly: true,
    nullable: true,
    lookups: ['exact', 'startswith'],
  },
  data: {
    type: 'dict',
    help_text: 'Its parameters, if it runs elsewhere.',
    readonly: true,
    nullable: true,
  },
  links: {
    type: 'dict',
    help_text:
      'What it is linked to: `child_of`, `generated_by`, `acted_on`, `acted_using`, `agent`, `task`, `archive_patterns`, `product_patterns`.',
    readonly: true,
    nullable: true,
  },
  hidden: {
    type: 'boolean',
    help_text: 'Whether it is left out of lists that do not ask for it, and accepts no events from outside.',
    readonly: true,
    lookups: ['exact'],
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
  updated: {
    type: 'datetime',
    help_text: 'When its latest event happened.',
    readonly: true,
    lookups: ranged,
  },
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

const uriOf = (noun: string) => (id: number | null) => (id === null ? null : `/api/${noun}/${id}/`);
export const jobUri = (uuid: string): string => `/api/job/${uuid}/`;
export const definitionUri = uriOf('process_definition');
export const pipelineUri = uriOf('pipeline');
const operationUri = uriOf('operation');
const serverUri = uriOf('server');

/**
 * A job as the API shows it. Values of its variables are not shown: they may be secrets.
 *
 * @param more the UUID of the pipeline's job that it is a step of, its own steps, and which servers it had
 */
export function showJob(
  job: Job,
  owner: string,
  more: { parent: string | null; steps: Shown[] | null; uses: readonly ServerUse[]; logs: Shown | null },
): Shown {
  const { environment, attended: _, feed: _feed, joined: _joined, message, server, ...request } = job.request;
  return {
    uuid: job.uuid,
    process_definition: definitionUri(job.processDefinitionId),
    pipeline: pipelineUri(job.pipelineId),
    operation: operationUri(job.operationId),
    parent: more.parent === null ? null : jobUri(more.parent),
    step: job.step,
    item: job.item,
    steps: more.steps,
    session: job.session,
    owner,
    state: job.state,
    revision: job.revision,
    last_event: job.lastEvent,
    // A job that runs elsewhere waits for nothing here.
    waiting:
      job.waiting ?? (job.state === 'CREATED' && job.executor !== externalExecutor ? 'its turn' : null),
    executor: job.executor,
    server: serverUri(more.uses.at(-1)?.serverId ?? null),
    server_minutes: more.uses.length === 0 ? null : minutesOf(more.uses),
    priority: job.priority,
    attempt: job.attempt,
    request: {
      ...request,
      // It may hold secrets for the server.
      ...(server === undefined
        ? {}
        : { server: { ...server, ...(server.user_data == null ? {} : { user_data: '***' }) } }),
      ...(environment === undefined ? {} : { environment: Object.keys(environment) }),
      ...(message === undefined ? {} : { message: message.id }),
    },
    outcome: job.outcome,
    service: job.service,
    logs: more.logs,
    archive_system: job.archiveSystem,
    archive_path: job.archivePath,
    data: job.data,
    links: job.links,
    hidden: job.hidden,
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

/** Server minutes that a job has used so far. */
const minutesOf = (uses: readonly ServerUse[]): number =>
  uses.reduce((sum, { started, ended }) => sum + minutes(started, ended ?? new Date()), 0);

/** An event as the API shows it, with the older system's keys of a history entry, and the state that it led to. */
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
