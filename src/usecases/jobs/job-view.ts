import { externalExecutor, type Job, type JobEvent, type JobOutputs } from '../../domain/jobs/job.js';
import type { ServerUse } from '../../store/servers.js';
import { type Shown, shownDate } from '../resource.js';
import { minutes } from '../servers/server-fields.js';

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
  const {
    environment,
    inputs,
    attended: _,
    feed: _feed,
    joined: _joined,
    message,
    server,
    ...request
  } = job.request;
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
    inputs: inputs ?? null,
    outputs: job.outputs === null ? null : shownOutputs(job.outputs),
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

/** Values as they are; a file by its name and size, several as a list. */
function shownOutputs({ files, values }: JobOutputs): Shown {
  const made = Object.entries(files).map(([name, list]) => {
    const shown = list.map(({ name: file, size }) => ({ name: file, size }));
    return [name, shown.length === 1 ? shown[0] : shown];
  });
  return { ...Object.fromEntries(made), ...values };
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
