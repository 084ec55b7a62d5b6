import { operationSettings } from '../../domain/operations/operation.js';
import { PenstockError } from '../../lib/errors.js';
import type { OperationDocument } from '../../lib/generated/operation.js';
import { show as quoted } from '../../lib/wording.js';
import type { NewOperation, OperationRow } from '../../store/operations.js';
import type { Store } from '../../store/store.js';
import { type Actor, mayUse, scopeOf } from '../actor.js';
import { type Change, numericId, type ResourceService, type Shown } from '../resource.js';
import type { StreamRows } from '../streams/channels.js';
import { streamError } from '../streams/stream-error.js';
import { documentOf, operationRules, wrong } from './operation-body.js';
import { type Lag, type OperationStatus, operationFields, showOperation } from './operation-view.js';

/** A message that has no result. */
export interface DeadLetter {
  id: string;
  contentType: string;
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
}

/** The part of the worker that runs operations, as far as this room needs it. */
export interface Operating {
  /** Starts it, applies its new settings, or stops it. Resolves when its queue exists, or is sure to. */
  apply(row: OperationRow): Promise<void>;
  /** Stops it and removes its queue. */
  remove(row: OperationRow): Promise<void>;
  /** Its state; null if it has not been started. */
  status(id: number): OperationStatus | null;
  /** What is in its queue; null if that is unknown. */
  lag(row: OperationRow): Promise<Lag | null>;
  /** The first dead letters, their stream, and how many there are in all. */
  letters(row: OperationRow, most: number): Promise<{ stream: string; total: number; letters: DeadLetter[] }>;
  /** Stops it, and moves its dead letters to where the changed operation keeps them. */
  moveLetters(row: OperationRow, changed: OperationRow): Promise<void>;
  /** Gives dead letters back to the operation; returns how many. */
  replay(row: OperationRow): Promise<number>;
  /** Deletes dead letters; returns how many. */
  discard(row: OperationRow): Promise<number>;
}

const mostPerUser = 500;
const mostLetters = 100;

/** Operations: each connects an input stream, a definition, and an output stream. */
export function operationService(given: {
  store: Store;
  streams: Pick<StreamRows, 'all'>;
  operating: Operating;
  clock: () => Date;
}) {
  const { store, streams, operating, clock } = given;
  const { checked, definitionId, checkInputs, checkStream, checkLoop, checkFraming } = operationRules(
    store,
    streams,
  );
  /** Changes run one after the other, so that what was checked still holds when it is written. */
  let last: Promise<unknown> = Promise.resolve();

  const show = (row: OperationRow): Shown => showOperation(row, operating.status(row.id), null);
  const showWhole = async (row: OperationRow): Promise<Shown> =>
    showOperation(row, operating.status(row.id), await operating.lag(row));

  async function checkName(ownerId: number, name: string, butId: number | null): Promise<void> {
    const same = await store.operations.named(ownerId, name);
    if (same === null || same.id === butId) return;
    throw new PenstockError(
      'conflict',
      `The operation ${quoted(name)} already exists: /api/operation/${same.id}/.`,
    );
  }

  async function find(actor: Actor, id: string): Promise<OperationRow | null> {
    const number = numericId(id);
    const row = number === null ? null : await store.operations.byId(number);
    return row !== null && mayUse(actor, row.ownerId) ? row : null;
  }

  async function need(actor: Actor, id: string): Promise<OperationRow> {
    const row = await find(actor, id);
    if (row === null) throw new PenstockError('not-found', `There is no operation ${id}.`);
    return row;
  }

  async function add(actor: Actor, body: OperationDocument): Promise<OperationRow> {
    const { name, input_stream: input } = body;
    if (name === undefined) throw wrong('/name', 'this key is missing');
    if (input === undefined) throw wrong('/input_stream', 'this key is missing; it must name a stream');
    const processDefinitionId = await definitionId(actor.id, body);
    if (processDefinitionId === undefined) {
      throw wrong(
        '/process_definition',
        'this key is missing; it must be the resource_uri or id of a process definition',
      );
    }
    checkStream(actor.id, input, '/input_stream');
    checkStream(actor.id, body.output_stream, '/output_stream');
    checkStream(actor.id, body.dead_letters, '/dead_letters');
    checkLoop(input, body);
    checkFraming(body);
    await checkInputs(processDefinitionId, body);
    await checkName(actor.id, name, null);
    if ((await store.operations.count(actor.id)) >= mostPerUser) {
      throw new PenstockError('conflict', `You already have ${mostPerUser} operations. Delete some first.`);
    }
    const now = clock();
    return store.operations.add({
      ownerId: actor.id,
      name,
      processDefinitionId,
      inputStream: input,
      outputStream: body.output_stream ?? null,
      active: body.active ?? true,
      document: JSON.stringify(documentOf(body)),
      created: now,
      updated: now,
    });
  }

  async function change(row: OperationRow, body: OperationDocument): Promise<OperationRow> {
    const { ownerId } = row;
    if (body.input_stream !== undefined && body.input_stream !== row.inputStream) {
      throw wrong(
        '/input_stream',
        'it cannot be changed, because messages wait there; create another operation',
      );
    }
    const definition = await definitionId(ownerId, body);
    checkStream(ownerId, body.output_stream, '/output_stream');
    checkStream(ownerId, body.dead_letters, '/dead_letters');
    checkLoop(row.inputStream, { output_stream: row.outputStream, ...row.document, ...body });
    if (body.name !== undefined) await checkName(ownerId, body.name, row.id);
    const document = { ...row.document, ...documentOf(body) };
    checkFraming(document);
    if (body.inputs !== undefined || definition !== undefined)
      await checkInputs(definition ?? row.processDefinitionId, document);
    const data: Partial<NewOperation> = {
      updated: clock(),
      document: JSON.stringify(document),
      ...(body.name === undefined ? {} : { name: body.name }),
      ...(definition === undefined ? {} : { processDefinitionId: definition }),
      ...(body.output_stream === undefined ? {} : { outputStream: body.output_stream }),
      ...(body.active === undefined ? {} : { active: body.active }),
    };
    await moveLetters(row, { ...row, document });
    return store.operations.change(row.id, data);
  }

  /** Before the change is stored: if we die in between, it can be made once more. */
  async function moveLetters(row: OperationRow, changed: OperationRow): Promise<void> {
    const [before, after] = [row, changed].map((one) => operationSettings(one).deadLetters);
    if (before === after) return;
    try {
      await operating.moveLetters(row, changed);
    } catch (error) {
      await operating.apply(row);
      throw streamError(error);
    }
  }

  async function applyOne(actor: Actor, given: Change): Promise<OperationRow | null> {
    if (given.op === 'create') {
      const added = await add(actor, checked(given.body));
      await operating.apply(added);
      return added;
    }
    const row = await find(actor, given.id);
    if (row === null) {
      if (given.op === 'delete' && given.maybe) return null;
      throw new PenstockError('not-found', `There is no operation ${given.id}.`);
    }
    given.check?.(await showWhole(row));
    if (given.op === 'delete') {
      try {
        // Before the row is deleted: if we die here, the row still knows its queue, and the delete can be repeated.
        await operating.remove(row);
      } catch (error) {
        await operating.apply(row);
        throw streamError(error);
      }
      await store.operations.remove(row.id);
      return null;
    }
    const changed = await change(row, checked(given.body));
    await operating.apply(changed);
    return changed;
  }

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => null);
    return turn;
  };

  const resource: ResourceService = {
    name: 'operation',
    methods: { list: ['GET', 'POST'], detail: ['GET', 'PUT', 'PATCH', 'DELETE'] },
    key: 'id',
    fields: operationFields,
    async list(actor, query) {
      const { total, objects } = await store.operations.list(scopeOf(actor), query);
      return { total, objects: objects.map(show) };
    },
    async get(actor, id) {
      const row = await find(actor, id);
      return row === null ? null : showWhole(row);
    },
    apply: (actor, changes) =>
      inTurn(async () => {
        const [one] = changes;
        if (changes.length !== 1 || one === undefined) {
          throw new PenstockError('bad-request', 'Operations are changed one at a time.');
        }
        const row = await applyOne(actor, one);
        return row === null ? [] : [await showWhole(row)];
      }),
  };

  return {
    resource,

    /** Starts or stops an operation. Starting one that is running restarts it, and its service. */
    setActive: (actor: Actor, id: string, active: boolean): Promise<Shown> =>
      inTurn(async () => {
        const row = await store.operations.change((await need(actor, id)).id, { active, updated: clock() });
        await operating.apply(row);
        return showWhole(row);
      }),

    /** Its dead letters, oldest first, up to a page. */
    async deadLetters(actor: Actor, id: string): Promise<Shown> {
      const row = await need(actor, id);
      const { stream, total, letters } = await operating.letters(row, mostLetters).catch(told);
      return { stream, total, objects: letters.map(showLetter) };
    },

    /** Deletes them. */
    async discard(actor: Actor, id: string): Promise<Shown> {
      const row = await need(actor, id);
      return { discarded: await operating.discard(row).catch(told) };
    },

    /** Gives each of them back to the operation once. */
    async replay(actor: Actor, id: string): Promise<Shown> {
      const row = await need(actor, id);
      return { replayed: await operating.replay(row).catch(told) };
    },
  };
}

/** Throws a stream's failure as the error for the caller. */
function told(error: unknown): never {
  throw streamError(error);
}

/** A dead letter as the API shows it: a body that is text is shown as text. */
function showLetter({ id, contentType, headers, body }: DeadLetter): Shown {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const text = bytes.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(bytes);
  return {
    id,
    content_type: contentType,
    headers,
    size: bytes.length,
    ...(isText ? { body: text } : { body_base64: bytes.toString('base64') }),
  };
}

export type OperationService = ReturnType<typeof operationService>;
