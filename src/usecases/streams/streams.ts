import { operationQueue } from '../../domain/operations/operation.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { nearest } from '../../lib/nearest.js';
import { validator } from '../../lib/schemas.js';
import type { Store } from '../../store/store.js';
import type { StreamRow } from '../../store/streams.js';
import { type Actor, mayUse, scopeOf } from '../actor.js';
import { invalid } from '../body.js';
import type { Change, ResourceService, Shown } from '../resource.js';
import { type Channels, defaultMaxMessages, type StreamRows } from './channels.js';
import { streamError } from './stream-error.js';
import { type StreamState, showStream, streamFields, streamToldKeys } from './stream-view.js';

interface StreamServiceOptions {
  store: Store;
  rows: StreamRows;
  channels: Channels;
  /** Whether there is a broker. */
  broker: boolean;
  /** The id of the installation. */
  instance: string;
  /** How many streams one user may have. */
  maxStreams: number;
  /** Names reserved for the installation. */
  reserved: readonly string[];
  clock: () => Date;
}

/** The keys of a stream that a client may set. */
interface Body {
  name?: string;
  type?: 'memory' | 'amqp';
  durable?: boolean;
  max_messages?: number | null;
  description?: string | null;
}

/** Names that the API needs below /api/stream/. */
const taken = ['schema', 'set'];
/** Names of streams that the installation creates for operations; others must not take them. */
const ofOperation = /^operation-\d/;
const wrong = (pointer: string, detail: string) => invalid('invalid-body', [{ pointer, detail }]);

/** Streams: named channels of messages, each its owner's. */
export function streamService(options: StreamServiceOptions) {
  const { store, rows, channels, broker, maxStreams, instance, clock } = options;
  const reserved = [...taken, ...options.reserved];
  /** Names that are being added, so that only one of two requests for the same name succeeds. */
  const adding = new Set<string>();

  function find(actor: Actor, name: string): StreamRow | null {
    const row = rows.get(name);
    return row !== undefined && mayUse(actor, row.ownerId) ? row : null;
  }

  /** The error for an unknown name, with the nearest name that the actor may use. */
  function missing(actor: Actor, name: string): PenstockError {
    const own = rows.all().filter(({ ownerId }) => mayUse(actor, ownerId));
    const near = nearest(
      name,
      own.map((each) => each.name),
    );
    const hint = near === undefined ? '' : ` Did you mean ${near}?`;
    return new PenstockError('not-found', `There is no stream ${name.slice(0, 300)}.${hint}`);
  }

  /** The stream of that name, or an error. */
  function need(actor: Actor, name: string): StreamRow {
    const row = find(actor, name);
    if (row === null) throw missing(actor, name);
    return row;
  }

  function checked(given: unknown, name?: string): Body {
    const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
    if (!isObject) {
      throw new PenstockError('invalid-body', 'The body of a stream must be a JSON object.');
    }
    // What was read may be sent back as it was.
    const body = Object.fromEntries(Object.entries(given).filter(([key]) => !streamToldKeys.includes(key)));
    const problems = validator('stream')(name === undefined ? body : { name, ...body });
    if (problems.length > 0) throw invalid('invalid-body', problems);
    return body;
  }

  /** The settings of a stream must make sense for its driver. */
  function checkType(type: string, { durable, max_messages }: Body): void {
    if (type !== 'amqp') return;
    if (!broker) throw wrong('/type', 'no message broker is configured (amqp_url in streams.yaml)');
    if (durable === false) throw wrong('/durable', 'a stream on the broker is always durable');
    if (max_messages !== undefined && max_messages !== null) {
      throw wrong(
        '/max_messages',
        'a policy on the broker limits its queues; leave max_messages out, or set type memory',
      );
    }
  }

  /** What users may not do, although the installation may do it for them. */
  function checkRights(actor: Actor, name: string): void {
    if (reserved.includes(name) || ofOperation.test(name)) {
      throw new PenstockError(
        'conflict',
        `The name ${name} is reserved for the installation; choose another one.`,
      );
    }
    const own = rows.all().filter((row) => row.ownerId === actor.id && !ofOperation.test(row.name));
    if (own.length >= maxStreams) {
      const detail = `You already have ${maxStreams} streams (MAX_STREAMS_PER_USER). Delete some first.`;
      throw new PenstockError('conflict', detail);
    }
  }

  async function add(actor: Actor, body: Body): Promise<StreamRow> {
    const { name = '', type = broker ? 'amqp' : 'memory', durable = true, description = null } = body;
    checkType(type, body);
    if (rows.get(name) !== undefined || adding.has(name)) {
      // The message does not reveal the owner.
      throw new PenstockError('conflict', `The stream ${name} already exists; choose another name.`);
    }
    adding.add(name);
    try {
      if (type === 'amqp') {
        await channels.make(name, type).catch((error: unknown) => {
          throw streamError(error);
        });
      }
      const now = clock();
      const row = await store.streams.add({
        name,
        ownerId: actor.id,
        type,
        durable,
        maxMessages: body.max_messages ?? defaultMaxMessages,
        description,
        created: now,
        updated: now,
      });
      rows.set(row);
      return row;
    } finally {
      adding.delete(name);
    }
  }

  async function change(row: StreamRow, body: Body): Promise<StreamRow> {
    for (const key of ['name', 'type', 'durable'] as const) {
      if (body[key] !== undefined && body[key] !== row[key]) {
        throw new PenstockError(
          'conflict',
          `The ${key} of a stream cannot be changed; create another stream instead.`,
        );
      }
    }
    checkType(row.type, { ...body, durable: true });
    const { max_messages: most, description } = body;
    const changed = await store.streams.change(row.id, {
      updated: clock(),
      ...(most === undefined ? {} : { maxMessages: most ?? defaultMaxMessages }),
      ...(description === undefined ? {} : { description }),
    });
    rows.set(changed);
    return changed;
  }

  /** Its messages are deleted first: a later stream of this name must not get them. */
  async function remove(row: StreamRow): Promise<void> {
    const users = await store.operations.ofStream(row.name);
    if (users.length > 0) {
      throw new PenstockError(
        'conflict',
        `Operations use this stream (${users.join(', ')}); delete them first.`,
      );
    }
    await channels.remove(row.name).catch((error: unknown) => {
      throw streamError(error);
    });
    await store.streams.remove(row.id);
    rows.delete(row.name);
  }

  async function state(row: StreamRow): Promise<StreamState> {
    const published = channels.published(row.name);
    // Includes operations that have not read anything since the start.
    const readers = await store.operations.readersOf(row.name);
    const names = [...channels.queues(row.name), ...readers.map((id) => operationQueue(id, instance))];
    try {
      const found = await Promise.all(
        [...new Set(names)]
          .sort()
          .map(async (name) => ({ name, counts: await channels.counts(row.name, name) })),
      );
      const queues = found.flatMap(({ name, counts }) => (counts === null ? [] : [{ name, ...counts }]));
      return { queues, published, error: null };
    } catch (error) {
      return { queues: null, published, error: messageOf(error) };
    }
  }

  async function apply(actor: Actor, given: Change): Promise<Shown[]> {
    if (given.op === 'create') {
      const body = checked(given.body);
      checkRights(actor, body.name ?? '');
      return [showStream(await add(actor, body))];
    }
    const row = find(actor, given.id);
    if (row === null && given.op === 'put') {
      const body = checked(given.body, given.id);
      if (body.name !== undefined && body.name !== given.id) {
        throw wrong('/name', `the URL names ${given.id}; leave the name out, or use the same`);
      }
      checkRights(actor, given.id);
      return [showStream(await add(actor, { ...body, name: given.id }))];
    }
    if (row === null) throw missing(actor, given.id);
    given.check?.(showStream(row, await state(row)));
    if (given.op === 'delete') {
      await remove(row);
      return [];
    }
    return [showStream(await change(row, checked(given.body, row.name)))];
  }

  const resource: ResourceService = {
    name: 'stream',
    methods: { list: ['GET', 'POST'], detail: ['GET', 'PUT', 'PATCH', 'DELETE'] },
    key: 'name',
    fields: streamFields,
    async list(actor, query) {
      const { total, objects } = await store.streams.list(scopeOf(actor), query);
      return { total, objects: objects.map((row) => showStream(row)) };
    },
    async get(actor, name) {
      const row = find(actor, name);
      return row === null ? null : showStream(row, await state(row));
    },
    // Its methods allow no lists of changes: there is only ever one.
    async apply(actor, changes) {
      const shown: Shown[] = [];
      for (const each of changes) shown.push(...(await apply(actor, each)));
      return shown;
    },
  };
  return {
    resource,
    need,
    /** Creates a stream on a user's behalf, under a reserved name and outside the user's limit. */
    async make(owner: Actor, body: Body): Promise<void> {
      await add(owner, body);
    },
  };
}

export type StreamService = ReturnType<typeof streamService>;
