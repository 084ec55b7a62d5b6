import type { Whereabouts } from '../../domain/definitions/remote-rules.js';
import { isUuid, type TypedUuids } from '../../domain/external-jobs/typed-uuid.js';
import { parseWritten, stringifyWritten } from '../../domain/json/written-json.js';
import { PenstockError } from '../../lib/errors.js';
import type { PipelineDocument } from '../../lib/generated/pipeline-steps.js';
import type { PipelineRow } from '../../store/pipelines.js';
import type { Store } from '../../store/store.js';
import { type Actor, mayUse, scopeOf } from '../actor.js';
import { invalid } from '../body.js';
import type { DefinitionService } from '../definitions/process-definitions.js';
import { type Change, numericId, type ResourceService, type Shown, shownDate } from '../resource.js';
import { type ExternalPipelineDocument, externalPipelines } from './pipeline-external.js';
import { pipelineFields } from './pipeline-fields.js';
import { type Planned, stepPipelines } from './pipeline-steps.js';

/** The keys of a pipeline that a client may set. */
type Document = PipelineDocument | ExternalPipelineDocument;

const told = ['id', 'owner', 'created', 'updated', 'resource_uri'];
const said = Object.keys(pipelineFields).filter((name) => !told.includes(name));

function show(row: PipelineRow): Shown {
  const document = parseWritten(row.document) as Record<string, unknown>;
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

const isObject = (body: unknown): body is Record<string, unknown> =>
  typeof body === 'object' && body !== null && !Array.isArray(body);

/** Pipelines: of steps that run here, or of components that run elsewhere. */
export function pipelineService(
  store: Store,
  uuids: TypedUuids,
  definitions: DefinitionService,
  clock: () => Date,
) {
  const steps = stepPipelines(uuids, definitions);
  const kinds = { steps, external: externalPipelines(uuids) };

  /** Checks it as the type that its row says, or else its own body. */
  async function checked(actor: Actor, given: unknown, is?: string): Promise<Document> {
    // What was read may be sent back as it was: read-only keys and keys without a value are dropped.
    const body = isObject(given)
      ? Object.fromEntries(
          Object.entries(given).filter(([key, value]) => !told.includes(key) && value !== null),
        )
      : given;
    const says = isObject(body) && (body.type === 'steps' || 'steps' in body) ? 'steps' : 'external';
    return (is ?? says) === 'steps' ? steps.checked(actor, body) : kinds.external.checked(actor, body);
  }

  function uuidOf(document: Document): string {
    if (document.uuid === undefined)
      return 'steps' in document ? steps.newUuid(document) : kinds.external.newUuid(document);
    const uuid = document.uuid.toLowerCase().replace(/^(urn:uuid:|uri:urn:)/, '');
    if (uuids.kindOf(uuid) !== 'pipeline') {
      throw invalid('invalid-body', [
        { pointer: '/uuid', detail: `a pipeline's UUID must begin with ${uuids.prefixes.pipeline}` },
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

  async function add(actor: Actor, document: Document): Promise<PipelineRow> {
    const uuid = uuidOf(document);
    const known = await store.pipelines.byUuid(uuid);
    if (known !== null) {
      const where = mayUse(actor, known.ownerId) ? ` as /api/pipeline/${known.id}/` : '';
      throw new PenstockError('conflict', `The pipeline ${uuid} already exists${where}.`);
    }
    const { name, type = 'external' } = document;
    const now = clock();
    return store.pipelines.add({
      uuid,
      name,
      type,
      ownerId: actor.id,
      document: stringifyWritten(document),
      created: now,
      updated: now,
    });
  }

  async function refuseIfUsed({ id }: PipelineRow): Promise<void> {
    const jobs = await store.pipelines.jobsOf(id);
    if (jobs === 0) return;
    throw new PenstockError('conflict', `This pipeline has ${jobs} jobs; delete them first.`);
  }

  async function apply(actor: Actor, change: Change): Promise<Shown[]> {
    if (change.op === 'create') return [show(await add(actor, await checked(actor, change.body)))];
    const row = await find(actor, change.id);
    if (row === null) {
      // A PUT under the pipeline's own UUID can be repeated, so a script need not check first.
      if (change.op === 'put' && uuids.kindOf(change.id) === 'pipeline') {
        return [
          show(
            await add(actor, {
              ...(await checked(actor, change.body)),
              uuid: change.id,
            }),
          ),
        ];
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
    const before = parseWritten(row.document) as object;
    const { body } = change;
    const document = await checked(actor, isObject(body) ? { ...before, ...body } : body, row.type);
    if (document.uuid !== undefined && uuidOf(document) !== row.uuid) {
      throw invalid('invalid-body', [
        { pointer: '/uuid', detail: `the pipeline is ${row.uuid}; a UUID cannot be changed` },
      ]);
    }
    const { name, type = 'external' } = document;
    const changes = { name, type, document: stringifyWritten(document), updated: clock() };
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
    // Its methods allow no lists of changes: there is only ever one.
    async apply(actor, changes) {
      const shown: Shown[] = [];
      for (const change of changes) shown.push(...(await apply(actor, change)));
      return shown;
    },
  };
  return {
    resource,

    /** A pipeline, for running it; another user's counts as not found, and one that runs elsewhere is refused. */
    async find(actor: Actor, id: string): Promise<PipelineRow> {
      const row = await find(actor, id);
      if (row === null) throw new PenstockError('not-found', `There is no pipeline ${id}.`);
      if (row.type === 'steps') return row;
      throw new PenstockError(
        'conflict',
        `The components of the pipeline ${id} run elsewhere: it has no steps to run here.`,
      );
    },

    /** The plan of a run with the current definitions, run where the run asks for it. */
    planFor: (actor: Actor, row: PipelineRow, asked: Whereabouts): Promise<Planned> =>
      steps.planFor(actor, JSON.parse(row.document) as PipelineDocument, asked),
  };
}

export type PipelineService = ReturnType<typeof pipelineService>;
