import { pipelineIdentity } from '../domain/job-identity.js';
import type { Fields } from '../domain/query.js';
import { isUuid, type TypedUuids } from '../domain/typed-uuid.js';
import { PenstockError } from '../errors.js';
import { validator } from '../schemas.js';
import type { PipelineRow } from '../store/pipelines.js';
import type { Store } from '../store/store.js';
import { type Actor, mayUse, scopeOf } from './actor.js';
import { invalid } from './body.js';
import { type Change, numericId, type ResourceService, type Shown, shownDate } from './resource.js';

/** What a client may say of a pipeline; the rest is told by us. */
interface PipelineDocument {
  name: string;
  uuid?: string;
  type?: 'external';
  components: unknown[];
  [more: string]: unknown;
}

const optional = { nullable: true, default: null } as const;
export const pipelineFields: Fields = {
  id: {
    type: 'integer',
    help_text: 'Number of the pipeline.',
    unique: true,
    readonly: true,
    orderable: true,
  },
  uuid: {
    type: 'string',
    help_text: 'Identity of the pipeline: computed from name and components unless given.',
    unique: true,
    lookups: ['exact', 'in'],
  },
  name: {
    type: 'string',
    help_text: 'What it is called.',
    lookups: ['exact', 'in', 'contains', 'startswith'],
    orderable: true,
  },
  owner: { type: 'string', help_text: 'Whose it is.', readonly: true, lookups: ['exact', 'in'] },
  type: { type: 'string', help_text: '`external`: its components run elsewhere.', default: 'external' },
  components: { type: 'list', help_text: 'What it is made of: apps, actors, containers, web services.' },
  description: { type: 'string', help_text: 'What it is for.', ...optional },
  pipeline_type: { type: 'string', help_text: 'What kind of work it is.', ...optional },
  processing_levels: { type: 'list', help_text: 'The levels of what it makes.', ...optional },
  accepts: { type: 'list', help_text: 'File types that it takes.', ...optional },
  produces: { type: 'list', help_text: 'File types that it makes.', ...optional },
  created: { type: 'datetime', help_text: 'When it was registered.', readonly: true, orderable: true },
  updated: { type: 'datetime', help_text: 'When it was changed last.', readonly: true },
};
const told = ['id', 'owner', 'created', 'updated', 'resource_uri'];
const said = Object.keys(pipelineFields).filter((name) => !told.includes(name));

function show(row: PipelineRow): Shown {
  const document = JSON.parse(row.document) as PipelineDocument;
  return {
    ...Object.fromEntries(said.map((name) => [name, document[name] ?? null])),
    id: row.id,
    uuid: row.uuid,
    name: row.name,
    owner: row.owner.username,
    type: row.type,
    created: shownDate(row.created),
    updated: shownDate(row.updated),
  };
}

/** Pipelines: what the jobs that run elsewhere belong to. */
export function pipelineService(store: Store, uuids: TypedUuids, clock: () => Date) {
  function checked(given: unknown): PipelineDocument {
    // What was read may be sent back as it was: what only we can tell is left out, as are keys without a value.
    const body =
      typeof given === 'object' && given !== null && !Array.isArray(given)
        ? Object.fromEntries(
            Object.entries(given).filter(([key, value]) => !told.includes(key) && value !== null),
          )
        : given;
    const problems = validator('pipeline')(body);
    if (problems.length > 0) throw invalid('invalid-body', problems);
    return body as PipelineDocument;
  }

  function uuidOf(document: PipelineDocument): string {
    if (document.uuid === undefined)
      return uuids.computed('pipeline', pipelineIdentity(document.name, document.components));
    const uuid = document.uuid.toLowerCase().replace(/^(urn:uuid:|uri:urn:)/, '');
    if (uuids.kindOf(uuid) !== 'pipeline') {
      throw invalid('invalid-body', [
        { pointer: '/uuid', detail: `a pipeline's UUID begins with ${uuids.prefixes.pipeline}` },
      ]);
    }
    return uuid;
  }

  async function find(actor: Actor, id: string): Promise<PipelineRow | null> {
    const number = numericId(id);
    const row =
      number !== null
        ? await store.pipelines.byId(number)
        : isUuid(id)
          ? await store.pipelines.byUuid(id)
          : null;
    return row !== null && mayUse(actor, row.ownerId) ? row : null;
  }

  async function add(actor: Actor, document: PipelineDocument): Promise<PipelineRow> {
    const uuid = uuidOf(document);
    const known = await store.pipelines.byUuid(uuid);
    if (known !== null) {
      const where = mayUse(actor, known.ownerId) ? ` as /api/pipeline/${known.id}/` : '';
      throw new PenstockError('conflict', `There is a pipeline ${uuid} already${where}.`);
    }
    const { name, type = 'external' } = document;
    const now = clock();
    return store.pipelines.add({
      uuid,
      name,
      type,
      ownerId: actor.id,
      document: JSON.stringify(document),
      created: now,
      updated: now,
    });
  }

  async function refuseIfUsed({ id }: PipelineRow): Promise<void> {
    const jobs = await store.pipelines.jobsOf(id);
    if (jobs === 0) return;
    throw new PenstockError('conflict', `There are ${jobs} jobs of this pipeline; delete them first.`);
  }

  async function apply(actor: Actor, change: Change): Promise<Shown[]> {
    if (change.op === 'create') return [show(await add(actor, checked(change.body)))];
    const row = await find(actor, change.id);
    if (row === null) {
      // Under its own UUID a pipeline can be registered as often as one likes: a script need not look first.
      if (change.op === 'put' && uuids.kindOf(change.id) === 'pipeline') {
        return [show(await add(actor, { ...checked(change.body), uuid: change.id }))];
      }
      throw new PenstockError('not-found', `There is no pipeline ${change.id}.`);
    }
    change.check?.(show(row));
    if (change.op === 'delete') {
      await refuseIfUsed(row);
      try {
        await store.pipelines.remove(row.id);
      } catch (error) {
        // Somebody created a job of it between our look and our write.
        await refuseIfUsed(row);
        throw error;
      }
      return [];
    }
    const before = JSON.parse(row.document) as PipelineDocument;
    const { body } = change;
    const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
    const document = checked(isObject ? { ...before, ...body } : body);
    if (document.uuid !== undefined && uuidOf(document) !== row.uuid) {
      throw invalid('invalid-body', [
        { pointer: '/uuid', detail: `the pipeline is ${row.uuid}; a UUID cannot be changed` },
      ]);
    }
    const { name, type = 'external' } = document;
    const changes = { name, type, document: JSON.stringify(document), updated: clock() };
    return [show(await store.pipelines.change(row.id, changes))];
  }

  const resource: ResourceService = {
    name: 'pipeline',
    methods: { list: ['GET', 'POST'], detail: ['GET', 'PUT', 'PATCH', 'DELETE'] },
    key: 'id',
    fields: pipelineFields,
    async list(actor, query) {
      const { total, objects } = await store.pipelines.list(scopeOf(actor), query);
      return { total, objects: objects.map(show) };
    },
    async get(actor, id) {
      const row = await find(actor, id);
      return row === null ? null : show(row);
    },
    // Lists of changes are not among its methods: there is only ever one.
    async apply(actor, changes) {
      const shown: Shown[] = [];
      for (const change of changes) shown.push(...(await apply(actor, change)));
      return shown;
    },
  };
  return { resource };
}
