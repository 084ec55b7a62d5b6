import { bounds } from '../../domain/bounds.js';
import { normalise, type ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { parseWritten } from '../../domain/json/written-json.js';
import type { ListQuery } from '../../domain/query.js';
import { PenstockError } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { Kept } from '../../lib/kept.js';
import { pacer } from '../../lib/pace.js';
import type { DefinitionRow, DefinitionWrite } from '../../store/process-definitions.js';
import type { Store } from '../../store/store.js';
import { type Actor, mayUse, scopeOf } from '../actor.js';
import { type Change, methods, numericId, type ResourceService, type Shown, shownDate } from '../resource.js';
import { changedRow, newRow } from './definition-body.js';
import { definitionFields } from './definition-fields.js';

/** New ids continue from the highest: a client that chose too high an id would leave none for later definitions. */
const highestChosenId = 2_147_483_647;

/** Characters of definitions that each cache keeps in memory. */
const mostKept = 4_000_000;
/** The weight of a definition in a cache, with everything kept beside its text. */
const weightOf = ({ definition }: { definition: string }): number => definition.length + 500;

/** A definition in its current revision, for running it. */
export interface FoundDefinition {
  row: DefinitionRow;
  /** The id of the stored revision. */
  revisionId: number;
  definition: ProcessDefinition;
  /** The document that it was derived from. */
  document: DefinitionDocument;
}

/** Process definitions: registering, changing and reading them. */
export function definitionService(store: Store, clock: () => Date) {
  /** Rows in the form in which they are shown, until they change: lists show the same ones again and again. */
  const standing = new Kept<number, { row: DefinitionRow; shown: Shown }>(mostKept);

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
    standing.set(row.id, { row, shown }, weightOf(row));
    return shown;
  }

  const running = new Kept<number, ProcessDefinition>(mostKept);
  /** Rows that are run again and again; this server is the only one that changes them. */
  const current = new Kept<number, FoundDefinition>(mostKept);
  /** The number of writes so far: a row that was read before the latest write must not be cached. */
  let writes = 0;
  const readAt = new WeakMap<DefinitionRow, number>();
  let last: Promise<unknown> = Promise.resolve();

  async function find(actor: Actor, id: string): Promise<DefinitionRow | null> {
    const number = numericId(id);
    const before = writes;
    const row = number === null ? null : await store.definitions.byId(number);
    if (row === null || !mayUse(actor, row.ownerId)) return null;
    readAt.set(row, before);
    return row;
  }

  /**
   * A definition that operations run must not be deleted, nor change between a job for each message and one service for
   * all.
   */
  async function refuseIfUsed(id: number): Promise<void> {
    const users = await store.operations.ofDefinition(id);
    if (users.length === 0) return;
    throw new PenstockError(
      'conflict',
      `Operations run this process definition (${users.join(', ')}), so it cannot be deleted or change its process_type. Delete them first.`,
    );
  }

  async function plan(actor: Actor, change: Change): Promise<DefinitionWrite | null> {
    if (change.op === 'create') return newRow(actor, change.body, clock());
    const row = await find(actor, change.id);
    if (row !== null) {
      change.check?.(show(row));
      const write: DefinitionWrite =
        change.op === 'delete' ? { op: 'delete', id: row.id } : changedRow(row, change.body, clock());
      if (write.op === 'delete' || (write.row.processType ?? row.processType) !== row.processType) {
        await refuseIfUsed(row.id);
      }
      return write;
    }
    if (change.op === 'delete' && change.maybe) return null;
    const number = numericId(change.id);
    const taken = number !== null && (await store.definitions.byId(number)) !== null;
    if (change.op === 'put' && number !== null && number <= highestChosenId && !taken)
      return newRow(actor, change.body, clock(), number);
    if (change.op === 'put' && change.orNew) return newRow(actor, change.body, clock());
    throw new PenstockError('not-found', `There is no process definition ${change.id}.`);
  }

  const resource: ResourceService = {
    name: 'process_definition',
    methods: { list: methods, detail: methods },
    key: 'id',
    fields: definitionFields,
    async list(actor: Actor, query: ListQuery) {
      const { total, objects } = await store.definitions.list(scopeOf(actor), query);
      const shown: Shown[] = [];
      const pace = pacer();
      for (const row of objects) {
        await pace();
        shown.push(show(row));
      }
      return { total, objects: shown };
    },
    async get(actor, id) {
      const row = await find(actor, id);
      return row === null ? null : show(row);
    },
    async select(actor, query, most) {
      return (await store.definitions.idsOf(scopeOf(actor), query, most)).map(String);
    },
    removeAll: (actor, query) => inTurn(() => removeAll(actor, query)),
    apply: (actor, changes) => inTurn(() => applyAll(actor, changes)),
  };

  function forget(id: number): void {
    current.delete(id);
    standing.delete(id);
  }

  /** Changes run one after the other, so that what a change was checked against still holds when it is written. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work);
    last = turn.catch(() => null);
    return turn;
  }

  /**
   * Deletes everything a query selects, however much: piece by piece, so that other requests get their turn. If an
   * operation runs one of them, nothing is deleted.
   */
  async function removeAll(actor: Actor, query: ListQuery): Promise<void> {
    const used = await store.definitions.firstUsed(scopeOf(actor), query);
    if (used !== null) await refuseIfUsed(used);
    for (let after = 0; ; ) {
      const ids = await store.definitions.idsOf(scopeOf(actor), query, bounds.objects, after);
      const written = await store.definitions.write(ids.map((id) => ({ op: 'delete', id })));
      writes += 1;
      if (written === false) {
        throw new PenstockError(
          'conflict',
          'An operation has just begun to run one of these process definitions.',
        );
      }
      for (const id of ids) forget(id);
      if (ids.length < bounds.objects) return;
      after = ids.at(-1) ?? after;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function applyAll(actor: Actor, changes: readonly Change[]): Promise<Shown[]> {
    const touched = changes.flatMap((change) =>
      change.op === 'create' ? [] : [change.id.replace(/^0+/, '')],
    );
    const seen = new Set<string>();
    const twice = touched.find((id) => seen.size === seen.add(id).size);
    if (twice !== undefined) {
      throw new PenstockError('invalid-body', `The process definition ${twice} is in this list twice.`);
    }
    for (let tries = 0; ; tries += 1) {
      const planned: DefinitionWrite[] = [];
      const pace = pacer();
      for (const change of changes) {
        await pace();
        const write = await plan(actor, change);
        if (write !== null) planned.push(write);
      }
      const ids = await store.definitions.write(planned);
      writes += 1;
      for (const write of planned) if (write.op !== 'create') forget(write.id);
      if (ids !== false) {
        const kept = ids.filter((_, index) => planned[index]?.op !== 'delete');
        const rows = new Map<number, Shown>(
          (await store.definitions.byIds(kept)).map((row) => [row.id, show(row)]),
        );
        return kept.map((id) => rows.get(id)).filter((shown) => shown !== undefined);
      }
      // Somebody changed one of them meanwhile: read and check them again.
      if (tries === 3)
        throw new PenstockError('conflict', 'Others keep changing these process definitions. Try again.');
    }
  }

  return {
    resource,

    /** The definition, for running it; another user's counts as not found. */
    async find(actor: Actor, id: string): Promise<FoundDefinition> {
      const known = current.get(numericId(id) ?? 0);
      if (known !== undefined && mayUse(actor, known.row.ownerId)) return known;
      const row = await find(actor, id);
      if (row === null) throw new PenstockError('not-found', `There is no process definition ${id}.`);
      const revision = await store.definitions.revision(row.id, row.revision);
      if (revision === null) throw new Error(`revision ${row.revision} of definition ${row.id} is missing`);
      const document = JSON.parse(row.definition) as DefinitionDocument;
      const found = {
        row,
        revisionId: revision.id,
        definition: await this.definitionOf(revision.id),
        document,
      };
      if (readAt.get(row) === writes) current.set(row.id, found, weightOf(row));
      return found;
    },

    /** All its revisions, oldest first. */
    async revisions(actor: Actor, id: string): Promise<Shown[]> {
      const { row } = await this.find(actor, id);
      return (await store.definitions.revisions(row.id, row.created)).map((revision) => ({
        revision: revision.revision,
        definition: parseWritten(revision.definition),
        created: shownDate(revision.created),
      }));
    },

    /** The definition that a job runs, by its revision's id, ready to run. */
    async definitionOf(revisionId: number): Promise<ProcessDefinition> {
      const known = running.get(revisionId);
      if (known !== undefined) return known;
      const revision = await store.definitions.revisionById(revisionId);
      if (revision === null) throw new Error(`the revision ${revisionId} of a definition is missing`);
      const definition = normalise(JSON.parse(revision.definition) as DefinitionDocument);
      running.set(revisionId, definition, weightOf(revision));
      return definition;
    },
  };
}

export type DefinitionService = ReturnType<typeof definitionService>;
