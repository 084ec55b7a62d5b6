/** An event of a job as it is sent to others. Dates are ISO 8601 in UTC. */
export interface ToldEvent {
  eventUuid: string;
  eventName: string;
  /** The job's state after it. */
  eventState: string;
  revision: number;
  date: string;
  /** The event's own data as JSON text, which may be long; null if there is none. */
  data: string | null;
  jobUuid: string;
  jobOwner: string;
  session: string | null;
  processDefinitionId: number | null;
  archivePath: string | null;
  jobCreated: string;
  pipelineUuid: string | null;
}

/** The formats in which an event can be sent. */
export const formats = ['json', 'cloudevents'] as const;
export type Format = (typeof formats)[number];

/** What is sent. The id stays the same if it is sent again. */
export interface Told {
  id: string;
  contentType: string;
  body: string;
}

/**
 * An object's JSON with one more key at its end, whose value is already JSON, so that nothing is parsed only to be
 * written.
 */
const withJson = (object: object, key: string, json: string): string =>
  `${JSON.stringify(object).slice(0, -1)},${JSON.stringify(key)}:${json}}`;

/** The message that announces an event. `job_uuid`, `event_name` and `job_state` are the older system's names. */
export function eventMessage(event: ToldEvent, format: Format): Told {
  const about = {
    job_uuid: event.jobUuid,
    event_name: event.eventName,
    job_state: event.eventState,
    revision: event.revision,
    event_uuid: event.eventUuid,
    job: {
      uuid: event.jobUuid,
      owner: event.jobOwner,
      pipeline: event.pipelineUuid,
      session: event.session,
      process_definition:
        event.processDefinitionId === null ? null : `/api/process_definition/${event.processDefinitionId}/`,
      archive_path: event.archivePath,
      created: event.jobCreated,
    },
  };
  return message(format, {
    id: event.eventUuid,
    type: `job.${event.eventName}`,
    time: event.date,
    source: `/api/job/${event.jobUuid}/`,
    subject: event.jobUuid,
    data: withJson(about, 'data', event.data ?? 'null'),
  });
}

/** The message that tests a receiver. */
export function pingMessage(id: string, source: string, time: string, format: Format): Told {
  return message(format, { id, type: 'ping', time, source, data: JSON.stringify({ subscription: source }) });
}

function message(
  format: Format,
  what: { id: string; type: string; time: string; source: string; subject?: string; data: string },
): Told {
  const { id, type, time, source, subject, data } = what;
  if (format === 'json') {
    return {
      id,
      contentType: 'application/json',
      body: withJson({ type, timestamp: time }, 'data', data),
    };
  }
  const event = {
    specversion: '1.0',
    id,
    source,
    type: `penstock.${type}`,
    ...(subject === undefined ? {} : { subject }),
    time,
    datacontenttype: 'application/json',
  };
  return { id, contentType: 'application/cloudevents+json', body: withJson(event, 'data', data) };
}
