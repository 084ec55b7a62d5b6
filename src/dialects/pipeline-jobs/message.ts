import { numbersAsWritten } from '../../domain/external-jobs/python-text.js';
import type { EventName } from '../../domain/jobs/job-state.js';
import { member, parseJsonText, rawMember } from '../../domain/json/json-text.js';
import { copyWritten } from '../../domain/json/written-json.js';
import { parseJson } from '../../http/bodies/body.js';
import { PenstockError } from '../../lib/errors.js';
import { validator } from '../../lib/schemas.js';
import { invalid } from '../../usecases/body.js';
import type { CreateMessage, ParentKind } from '../../usecases/external-jobs/external-jobs.js';
import { eventOfStatus } from './platform-status.js';

/** A message to the manager, of one of three kinds. */
export type Message =
  | { kind: 'event'; uuid: string; name: EventName; data: object | null; token: string | undefined }
  | {
      kind: 'action';
      uuid: string;
      action: 'delete' | 'undelete';
      force: boolean;
      token: string | undefined;
    }
  | { kind: 'create'; message: CreateMessage; subscriptions: unknown; written: unknown };

type Body = Record<string, unknown>;

/** The text of a message: the body, or the `message` of a form or JSON object, as the actor platform accepted it. */
function unwrapped(text: string): { text: string; body: unknown } {
  // Many examples have shell line continuations inside quotes, where they reach us as text.
  const joined = text.replace(/\\\r?\n[ \t]*/g, ' ');
  const form = /^\s*message=/.test(joined) ? new URLSearchParams(joined.trim()).get('message') : null;
  const own = form ?? joined;
  const body = parseJson(own);
  const inner = isObject(body) && Object.keys(body).length === 1 ? body.message : undefined;
  if (isObject(inner)) return { text: rawMember(own, 'message') ?? '', body: inner };
  if (typeof inner !== 'string' || !inner.trimStart().startsWith('{')) return { text: own, body };
  return { text: inner, body: parseJson(inner) };
}

const isObject = (value: unknown): value is Body =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function objectOf(body: unknown): Body {
  if (isObject(body)) return body;
  const is = body === null ? 'null' : Array.isArray(body) ? 'an array' : `a ${typeof body}`;
  throw new PenstockError('invalid-body', `The body of a message must be a JSON object, not ${is}.`);
}

/** A UUID without its variants: `urn:uuid:` and capital letters. */
const plainUuid = (value: unknown): unknown =>
  typeof value === 'string' ? value.toLowerCase().replace(/^(urn:uuid:|uri:urn:)/, '') : value;
const plainUuids = (value: unknown): unknown => (Array.isArray(value) ? value.map(plainUuid) : value);

function checked(schema: string, value: unknown): void {
  const problems = validator(`pipeline-jobs/${schema}`)(value);
  if (problems.length > 0) throw invalid('invalid-body', problems);
}

/** The body without undefined keys. */
const given = (value: Body): Body =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined));

const lower = (value: unknown): unknown => (typeof value === 'string' ? value.toLowerCase() : value);

/**
 * An event: from the URL if that names one, with the body as its data; else from the body, completed by the URL.
 * A platform's status is translated to an event.
 */
function eventMessage(body: Body, query: ReadonlyMap<string, string>): Message {
  const status = query.get('status') ?? query.get('state');
  const fromUrl =
    query.get('name') ?? query.get('event') ?? (status === undefined ? undefined : eventOfStatus(status));
  const told =
    fromUrl !== undefined
      ? {
          uuid: query.get('uuid'),
          token: query.get('token'),
          name: fromUrl,
          // Keep the status: STOPPED and FAILED are the same event, but do not mean the same.
          data: status === undefined ? body : copyWritten(body, { status, ...body }),
        }
      : isPlatformJob(body)
        ? {
            uuid: query.get('uuid'),
            token: query.get('token'),
            name: eventOfStatus(String(body.status)),
            data: platformData(body),
          }
        : fromBody(body, query);
  const document = given({ ...told, uuid: plainUuid(told.uuid), name: lower(told.name) });
  checked('event', document);
  const { uuid, name, data, token } = document as {
    uuid: string;
    name: EventName;
    data?: object;
    token?: string;
  };
  const empty = data === undefined || Object.keys(data).length === 0;
  return { kind: 'event', uuid, name, data: empty ? null : data, token };
}

/** An event from the body. `event` is an older name of `name`. */
function fromBody(body: Body, query: ReadonlyMap<string, string>): Body {
  const { event, ...rest } = body;
  return {
    ...rest,
    name: rest.name ?? event,
    uuid: rest.uuid ?? query.get('uuid'),
    token: rest.token ?? query.get('token'),
    data: rest.data ?? undefined,
  };
}

/** Whether this is what Agave and Aloe post about their jobs. Other keys differ between versions. */
const isPlatformJob = (body: Body): boolean =>
  typeof body.status === 'string' && 'appId' in body && 'executionSystem' in body;

/** The data to keep: everything while the job is running, later only the status. */
function platformData(body: Body): Body {
  if (String(body.status).toUpperCase() !== 'RUNNING') return { status: body.status };
  const { _links, retries, localId, ...rest } = body;
  return copyWritten(body, rest);
}

/** The job's parents in the older spelling: one or several identifiers of each kind. */
const parentsOf = (given: Record<ParentKind, unknown>): CreateMessage['parents'] =>
  (Object.keys(given) as ParentKind[]).flatMap((kind) => {
    const ids = given[kind] ?? [];
    return (Array.isArray(ids) ? ids : [ids]).map((id) => ({ kind, id: String(id) }));
  });

function createMessage(body: Body, text: string): Message {
  const document: Body = given({
    ...body,
    uuid: plainUuid(body.uuid),
    pipeline_uuid: plainUuid(body.pipeline_uuid),
    child_of: plainUuids(body.child_of),
    generated_by: plainUuids(body.generated_by),
    acted_on: plainUuids(body.acted_on),
    acted_using: plainUuids(body.acted_using),
  });
  checked('create', document);
  const {
    subscriptions,
    token: _token,
    __options,
    experiment_id,
    sample_id,
    measurement_id,
    ...message
  } = document;
  const parents = { experiment: experiment_id, sample: sample_id, measurement: measurement_id };
  // The job's identity is computed from the exact text of its data, including its numbers.
  const written = member(parseJsonText(text), 'data');
  return {
    kind: 'create',
    message: { ...message, parents: parentsOf(parents) } as unknown as CreateMessage,
    subscriptions,
    written: written && numbersAsWritten(written),
  };
}

function actionMessage(body: Body, query: ReadonlyMap<string, string>): Message {
  const document = given({
    ...body,
    uuid: plainUuid(body.uuid ?? query.get('uuid')),
    token: body.token ?? query.get('token'),
  });
  checked('action', document);
  const {
    uuid,
    action,
    force = false,
    token,
  } = document as {
    uuid: string;
    action: 'delete' | 'undelete';
    force?: boolean;
    token?: string;
  };
  return { kind: 'action', uuid, action, force, token };
}

/**
 * Reads a message. If the URL names an event, the body is its data. Otherwise `action` makes it an action,
 * `pipeline_uuid` a new job, and anything else an event. Throws `bad-json` or `invalid-body`, with the place.
 *
 * @param text the body; it may be empty if the URL says everything
 */
export function readMessage(text: string, query: ReadonlyMap<string, string>): Message {
  const content = text.trim() === '' ? { text: '{}', body: {} } : unwrapped(text);
  const body = objectOf(content.body);
  const named = ['name', 'event', 'status', 'state'].some((key) => query.has(key));
  if (!named && 'action' in body) return actionMessage(body, query);
  if (!named && 'pipeline_uuid' in body) return createMessage(body, content.text);
  return eventMessage(body, query);
}
