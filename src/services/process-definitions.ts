import {
  checkDefinition,
  type DefinitionDocument,
  normalise,
  type ProcessDefinition,
} from '../domain/process-definition.js';
import type { ListQuery } from '../domain/query.js';
import { parseWritten, stringifyWritten } from '../domain/written-json.js';
import { PenstockError } from '../errors.js';
import { validator } from '../schemas.js';
import type { DefinitionRow, DefinitionWrite } from '../store/process-definitions.js';
import type { Store } from '../store/store.js';
import { type Actor, mayUse, scopeOf } from './actor.js';
import { invalid, objectBody } from './body.js';
import { definitionFields } from './definition-fields.js';
import { type Change, methods, numericId, type ResourceService, type Shown, shownDate } from './resource.js';

/** Ids go on from the highest: one that is chosen too high would leave none for those to come. */
const highestChosenId = 2_147_483_647;

/** Keys that a body may have: what is read may be sent back; only `definition` and `name` mean anything. */
const bodyKeys = [
  'definition',
  'name',
  'process_name',
  'id',
  'resource_uri',
  'revision',
  'owner',
  'created',
  'updated',
];

/** A definition that may be registered, or an error that says all that is wrong with it. */
export function checkedDocument(value: unknown): DefinitionDocument {
  const problems = validator('process-definition')(value, '/definition');
  if (problems.length > 0) throw invalid('invalid-definition', problems);
  const more = checkDefinition(value as DefinitionDocument, '/definition');
  if (more.length > 0) throw invalid('invalid-definition', more);
  return value as DefinitionDocument;
}

/** Process definitions: registering, changing and reading them. */
export function definitionService(store: Store, clock: () => Date) {
  /** Rows as they are shown, while they stand: lists show the same ones again and again. */
  const standing = new Map<number, { row: DefinitionRow; shown: Shown }>();

  function show(row: DefinitionRow): Shown {
    const known = standing.get(row.id);
    if (
      known?.row.updated.getTime() === row.updated.getTime() &&
      known.row.definition === row.definition &&
      known.row.name === row.name &&
      known.row.created.getTime() === row.created.getTime()
    ) {
      return known.shown;
    }
    const shown = Object.freeze({
      id: row.id,
      definition: parseWritten(row.definition),
      name: row.name,
      revision: row.revision,
      owner: row.owner.username,
      created: shownDate(row.created),
      updated: shownDate(row.updated),
    });
    if (standing.size >= 2000) standing.clear();
    standing.set(row.id, { row, shown });
    return shown;
  }

  const running = new Map<number, ProcessDefinition>();
  /** Rows that are run again and again; this server is the only one that changes them. */
  const current = new Map<number, { row: DefinitionRow; revisionId: number }>();
  /** How many writes there were, and at which count a row was read: an older one must not be kept. */
  let writes = 0;
  const readAt = new WeakMap<DefinitionRow, number>();
  let last: Promise<unknown> = Promise.resolve();

  function columnsOf(document: DefinitionDocument) {
    const { exec, processType, application } = normalise(document);
    return { definition: stringifyWritten(document), exec, processType, application };
  }

  function nameOf(
    body: Record<string, unknown>,
    document: DefinitionDocument | undefined,
  ): string | null | undefined {
    const given = body.name ?? body.process_name ?? document?.name ?? document?.process_name;
    if (given === undefined || given === null) return document === undefined ? undefined : null;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    if (typeof given !== 'string' || !/^[^\u0000-\u001f\u007f]{1,255}$/u.test(given)) {
      const pointer = body.name === undefined || body.name === null ? '/process_name' : '/name';
      throw invalid('invalid-body', [
        { pointer, detail: 'a name is a text of 1 to 255 characters, without control characters' },
      ]);
    }
    return given;
  }

  function newRow(actor: Actor, given: unknown, id?: number): Extract<DefinitionWrite, { op: 'create' }> {
    const body = objectBody(given, bodyKeys, 'a process definition');
    if (!('definition' in body)) {
      throw invalid('invalid-body', [
        { pointer: '/definition', detail: 'this key is missing; it holds the definition' },
      ]);
    }
    const document = checkedDocument(body.definition);
    const now = clock();
    return {
      op: 'create',
      row: {
        ...(id === undefined ? {} : { id }),
        ...columnsOf(document),
        name: nameOf(body, document) ?? null,
        ownerId: actor.id,
        revision: 1,
        created: now,
        updated: now,
      },
    };
  }

  function changedRow(row: DefinitionRow, given: unknown): Extract<DefinitionWrite, { op: 'update' }> {
    const body = objectBody(given, bodyKeys, 'a process definition');
    if (body.id !== undefined && String(body.id) !== String(row.id)) {
      throw invalid('invalid-body', [
        {
          pointer: '/id',
          detail: `the body speaks of ${String(body.id)}, the URL of ${row.id}; an id cannot be changed`,
        },
      ]);
    }
    const document = 'definition' in body ? checkedDocument(body.definition) : undefined;
    const columns = document === undefined ? undefined : columnsOf(document);
    const changed = columns !== undefined && columns.definition !== row.definition;
    const old = JSON.parse(row.definition) as DefinitionDocument;
    // A name that was given beside the definition stays until another one comes.
    const beside = row.name !== (old.name ?? old.process_name ?? null);
    const named = nameOf(body, document);
    const name = named === null && beside ? undefined : named;
    return {
      op: 'update',
      id: row.id,
      from: row.revision,
      row: {
        ...columns,
        ...(name === undefined ? {} : { name }),
        revision: row.revision + (changed ? 1 : 0),
        updated: clock(),
      },
    };
  }

  async function find(actor: Actor, id: string): Promise<DefinitionRow | null> {
    const number = numericId(id);
    const before = writes;
    const row = number === null ? null : await store.definitions.byId(number);
    if (row === null || !mayUse(actor, row.ownerId)) return null;
    readAt.set(row, before);
    return row;
  }

  /** What operations run stays, and stays what it is: a job for each message, or one service for all. */
  async function refuseIfUsed({ id }: DefinitionRow): Promise<void> {
    const users = await store.operations.ofDefinition(id);
    if (users.length === 0) return;
    throw new PenstockError(
      'conflict',
      `Operations run this process definition (${users.join(', ')}): it stays, and keeps its process_type. Delete them first.`,
    );
  }

  async function plan(actor: Actor, change: Change): Promise<DefinitionWrite | null> {
    if (change.op === 'create') return newRow(actor, change.body);
    const row = await find(actor, change.id);
    if (row !== null) {
      change.check?.(show(row));
      const write: DefinitionWrite =
        change.op === 'delete' ? { op: 'delete', id: row.id } : changedRow(row, change.body);
      if (write.op === 'delete' || (write.row.processType ?? row.processType) !== row.processType) {
        await refuseIfUsed(row);
      }
      return write;
    }
    if (change.op === 'delete' && change.maybe) return null;
    const number = numericId(change.id);
    const taken = number !== null && (await store.definitions.byId(number)) !== null;
    if (change.op === 'put' && number !== null && number <= highestChosenId && !taken)
      return newRow(actor, change.body, number);
    if (change.op === 'put' && change.orNew) return newRow(actor, change.body);
    throw new PenstockError('not-found', `There is no process definition ${change.id}.`);
  }

  const resource: ResourceService = {
    name: 'process_definition',
    methods: { list: methods, detail: methods },
    key: 'id',
    fields: definitionFields,
    async list(actor: Actor, query: ListQuery) {
      const { total, objects } = await store.definitions.list(scopeOf(actor), query);
      return { total, objects: objects.map(show) };
    },
    async get(actor, id) {
      const row = await find(actor, id);
      return row === null ? null : show(row);
    },
    async select(actor, query) {
      return (await store.definitions.idsOf(scopeOf(actor), query)).map(String);
    },
    apply(actor, changes) {
      // One after the other: what a change was checked against is still so when it is written.
      const turn = last.then(() => applyAll(actor, changes));
      last = turn.catch(() => null);
      return turn;
    },
  };

  async function applyAll(actor: Actor, changes: readonly Change[]): Promise<Shown[]> {
    const touched = changes.flatMap((change) =>
      change.op === 'create' ? [] : [change.id.replace(/^0+/, '')],
    );
    const twice = touched.find((id, index) => touched.indexOf(id) !== index);
    if (twice !== undefined) {
      throw new PenstockError('invalid-body', `The process definition ${twice} is in this list twice.`);
    }
    for (let tries = 0; ; tries += 1) {
      const planned: DefinitionWrite[] = [];
      for (const change of changes) {
        const write = await plan(actor, change);
        if (write !== null) planned.push(write);
      }
      const ids = await store.definitions.write(planned);
      writes += 1;
      for (const write of planned) if (write.op !== 'create') current.delete(write.id);
      if (ids !== false) {
        const kept = ids.filter((_, index) => planned[index]?.op !== 'delete');
        const rows = new Map<number, Shown>(
          (await store.definitions.byIds(kept)).map((row) => [row.id, show(row)]),
        );
        return kept.map((id) => rows.get(id)).filter((shown) => shown !== undefined);
      }
      // Somebody changed one of them meanwhile: look again, and check again.
      if (tries === 3)
        throw new PenstockError('conflict', 'It is being changed by others all the time. Try again.');
    }
  }

  return {
    resource,

    /** The definition, for running it: another's is as if it were not there. */
    async find(actor: Actor, id: string): Promise<DefinitionRow> {
      const known = current.get(numericId(id) ?? 0)?.row;
      const row = known !== undefined && mayUse(actor, known.ownerId) ? known : await find(actor, id);
      if (row === null) throw new PenstockError('not-found', `There is no process definition ${id}.`);
      return row;
    },

    /** All that it ever said, oldest first. */
    async revisions(actor: Actor, id: string): Promise<Shown[]> {
      const row = await this.find(actor, id);
      return (await store.definitions.revisions(row.id, row.created)).map((revision) => ({
        revision: revision.revision,
        definition: parseWritten(revision.definition),
        created: shownDate(revision.created),
      }));
    },

    /** The stored revision that a definition is at. */
    async currentRevision(row: DefinitionRow): Promise<{ id: number; definition: ProcessDefinition }> {
      const known = current.get(row.id);
      if (known?.row === row) {
        return { id: known.revisionId, definition: await this.definitionOf(known.revisionId) };
      }
      const revision = await store.definitions.revision(row.id, row.revision);
      if (revision === null) throw new Error(`revision ${row.revision} of definition ${row.id} is missing`);
      if (current.size >= 1000) current.clear();
      if (readAt.get(row) === writes) current.set(row.id, { row, revisionId: revision.id });
      return { id: revision.id, definition: await this.definitionOf(revision.id) };
    },

    /** What a job runs, by its revision's id, ready to be run. */
    async definitionOf(revisionId: number): Promise<ProcessDefinition> {
      const known = running.get(revisionId);
      if (known !== undefined) return known;
      const revision = await store.definitions.revisionById(revisionId);
      if (revision === null) throw new Error(`the revision ${revisionId} of a definition is missing`);
      const definition = normalise(JSON.parse(revision.definition) as DefinitionDocument);
      if (running.size >= 1000) running.clear();
      running.set(revisionId, definition);
      return definition;
    },
  };
}

export type DefinitionService = ReturnType<typeof definitionService>;
