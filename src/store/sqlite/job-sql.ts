import type { Job, JobEvent } from '../../domain/jobs/job.js';
import { stringifyWritten } from '../../domain/json/written-json.js';

/**
 * The hot path's SQL. A whole group of jobs is one JSON parameter, so that many rows cost only one statement. Column
 * names are those of `prisma/schema.prisma`.
 */

/** The text that Prisma's SQLite adapter stores for a date. */
export const storedDate = (date: Date): string => date.toISOString().replace('Z', '+00:00');
const maybeDate = (date: Date | null): string | null => (date === null ? null : storedDate(date));
const maybeJson = (value: unknown): string | null =>
  value === null || value === undefined ? null : JSON.stringify(value);

/** What a client sent, with its numbers as written. */
const maybeWritten = (value: unknown): string | null =>
  value === null || value === undefined ? null : stringifyWritten(value);

/** Column → value, for the columns that no event changes; the last two may be changed without one. */
const fixedColumns: Readonly<Record<string, (job: Job) => unknown>> = {
  uuid: (job) => job.uuid,
  owner_id: (job) => job.ownerId,
  pipeline_id: (job) => job.pipelineId,
  process_definition_id: (job) => job.processDefinitionId,
  definition_revision_id: (job) => job.definitionRevisionId,
  executor: (job) => job.executor,
  request: (job) => JSON.stringify(job.request),
  input_name: (job) => job.inputName,
  input_size: (job) => job.inputSize,
  session: (job) => job.session,
  archive_system: (job) => job.archiveSystem,
  archive_path: (job) => job.archivePath,
  data: (job) => maybeWritten(job.data),
  links: (job) => maybeJson(job.links),
  parent_id: (job) => job.parentId,
  step: (job) => job.step,
  item: (job) => job.item,
  operation_id: (job) => job.operationId,
  token_hash: (job) => job.tokenHash,
  task: (job) => maybeJson(job.task),
  hidden: (job) => (job.hidden ? 1 : 0),
  created: (job) => storedDate(job.created),
};

/** Column → value, for the columns that an event may change. */
const changingColumns: Readonly<Record<string, (job: Job) => unknown>> = {
  state: (job) => job.state,
  revision: (job) => job.revision,
  last_event: (job) => job.lastEvent,
  last_event_uuid: (job) => job.lastEventUuid,
  priority: (job) => job.priority,
  attempt: (job) => job.attempt,
  program_failures: (job) => job.programFailures,
  platform_failures: (job) => job.platformFailures,
  handle: (job) => maybeJson(job.handle),
  outcome: (job) => maybeJson(job.outcome),
  plan: (job) => maybeJson(job.plan),
  service: (job) => maybeJson(job.service),
  cause: (job) => job.outcome?.cause ?? null,
  exit_code: (job) => job.outcome?.exit_code ?? null,
  waiting: (job) => job.waiting,
  output_name: (job) => job.outputName,
  output_size: (job) => job.outputSize,
  output_path: (job) => job.outputPath,
  outputs: (job) => maybeJson(job.outputs),
  updated: (job) => storedDate(job.updated),
  not_before: (job) => maybeDate(job.notBefore),
  started: (job) => maybeDate(job.started),
  ended: (job) => maybeDate(job.ended),
  cleared: (job) => maybeDate(job.cleared),
};

const eventColumns: Readonly<Record<string, (event: JobEvent) => unknown>> = {
  uuid: (event) => event.uuid,
  job_id: (event) => event.jobId,
  name: (event) => event.name,
  state: (event) => event.state,
  revision: (event) => event.revision,
  date: (event) => storedDate(event.date),
  data: (event) => maybeWritten(event.data),
};

const jobColumns = Object.entries({ id: (job: Job): unknown => job.id, ...fixedColumns, ...changingColumns });
const jobNames = jobColumns.map(([name]) => name);
const changingNames = Object.keys(changingColumns);
const eventEntries = Object.entries(eventColumns);
const eventNames = eventEntries.map(([name]) => name);

/** A job as an array, in the order in which the SQL below reads it. */
export const jobRecord = (job: Job): unknown[] => jobColumns.map(([, read]) => read(job));
/** An event as an array, in the order in which the SQL below reads it. */
export const eventRecord = (event: JobEvent): unknown[] => eventEntries.map(([, read]) => read(event));

const extract = (names: readonly string[], all: readonly string[]) =>
  names.map((name) => `value ->> ${all.indexOf(name)} AS "${name}"`).join(', ');

export const insertJobsSql = `INSERT INTO "job" (${jobNames.map((name) => `"${name}"`).join(', ')})
SELECT ${extract(jobNames, jobNames)} FROM json_each(?)`;

/** The columns that decide who may send an event, and whether it is accepted. */
const deciding = ['token_hash', 'hidden'];

/**
 * Compare and set: a row that is no longer at the previous revision, or has meanwhile got another token or been hidden,
 * stays unchanged.
 */
export const updateJobsSql = `UPDATE "job" SET ${changingNames.map((name) => `"${name}" = t."${name}"`).join(', ')}
FROM (SELECT value ->> 0 AS "id", ${extract([...changingNames, ...deciding], jobNames)} FROM json_each(?)) AS t
WHERE "job"."id" = t."id" AND "job"."revision" = t."revision" - 1
  AND ${deciding.map((name) => `"job"."${name}" IS t."${name}"`).join(' AND ')}`;

/** An event is kept only if its job's row was written with it. */
export const insertEventsSql = `INSERT INTO "job_event" (${eventNames.map((name) => `"${name}"`).join(', ')})
SELECT ${extract(eventNames, eventNames)} FROM json_each(?)
WHERE EXISTS (SELECT 1 FROM "job" WHERE "id" = value ->> 1 AND "last_event_uuid" = value ->> 0)
RETURNING "uuid"`;
