import { archivePath, normalArchivePath } from '../../domain/external-jobs/archive-path.js';
import { jobIdentity } from '../../domain/external-jobs/job-identity.js';
import { pythonJson } from '../../domain/external-jobs/python-text.js';
import type { TypedUuids } from '../../domain/external-jobs/typed-uuid.js';
import { externalExecutor, type Job, type JobLinks, newJob } from '../../domain/jobs/job.js';
import { PenstockError } from '../../lib/errors.js';
import type { JobCompanions } from '../../store/companions.js';
import type { PipelineRow } from '../../store/pipelines.js';
import type { Store } from '../../store/store.js';
import { type Actor, mayUse } from '../actor.js';
import { invalid } from '../body.js';
import type { JobService } from '../jobs/jobs.js';
import { hashToken } from '../users/logins.js';
import { newJobToken } from './job-tokens.js';
import type { CallbackNonce, NonceService } from './nonces.js';

/** A create message, checked against `schemas/pipeline-jobs/create.json`; UUIDs in lower case, without `urn:`. */
export interface CreateMessage extends JobLinks {
  pipeline_uuid: string;
  data: Record<string, unknown>;
  uuid?: string;
  archive_path?: string;
  archive_system?: string;
  instanced?: boolean;
  session?: string;
  /** What it works on, by the catalogue's identifiers; they become UUIDs in `child_of`. */
  parents: readonly { kind: ParentKind; id: string }[];
}

/** What a job may work on that has an identifier of its own. */
export type ParentKind = 'experiment' | 'sample' | 'measurement';

interface Created {
  job: Job;
  /** Shown only this once; null for a job that already existed. */
  token: string | null;
  nonce: CallbackNonce | null;
}

const linkKeys = [
  'child_of',
  'generated_by',
  'acted_on',
  'acted_using',
  'archive_patterns',
  'product_patterns',
  'agent',
  'task',
] as const satisfies readonly (keyof JobLinks)[];

const pick = <T extends object, K extends keyof T>(from: T, keys: readonly K[]): Partial<Pick<T, K>> =>
  Object.fromEntries(keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]]))) as Partial<
    Pick<T, K>
  >;

/** Jobs that run elsewhere. */
export function externalJobService(given: {
  store: Store;
  jobs: JobService;
  nonces: NonceService;
  uuids: TypedUuids;
  archiveSystem: string;
  /** Salt of the short ids in archive paths. */
  hashidsSalt: string;
  clock: () => Date;
}) {
  const { store, jobs, nonces, uuids, archiveSystem, hashidsSalt, clock } = given;

  /** The message with all its parents as UUIDs, computed from identifiers as the older system's catalogue does. */
  function withParents(message: CreateMessage): CreateMessage {
    if (message.parents.length === 0) return message;
    const parents = message.parents.map(({ kind, id }) => {
      const uuid = id.toLowerCase().replace(/^(urn:uuid:|uri:urn:)/, '');
      return uuids.kindOf(uuid) === kind ? uuid : uuids.computed(kind, id);
    });
    return { ...message, child_of: [...new Set([...(message.child_of ?? []), ...parents])] };
  }

  function uuidOf(message: CreateMessage, written: unknown): string {
    const { uuid, pipeline_uuid, child_of } = message;
    if (uuid === undefined) {
      const identity = { pipeline_uuid, data: written, ...(child_of === undefined ? {} : { child_of }) };
      return uuids.computed('job', jobIdentity(identity));
    }
    if (uuids.kindOf(uuid) !== 'job') {
      throw invalid('invalid-body', [
        { pointer: '/uuid', detail: `a job's UUID must begin with ${uuids.prefixes.job}` },
      ]);
    }
    return uuid;
  }

  /** The path in its normal form, so that comparing paths tells whether one job's results are inside another's. */
  function checkedPath(path: string): string {
    const normal = normalArchivePath(path);
    if (normal !== undefined) return normal;
    throw invalid('invalid-body', [
      { pointer: '/archive_path', detail: `${JSON.stringify(path.slice(0, 200))} must not contain '..'` },
    ]);
  }

  async function pipelineOf(actor: Actor, uuid: string): Promise<PipelineRow> {
    const pipeline = await store.pipelines.byUuid(uuid);
    if (pipeline !== null && mayUse(actor, pipeline.ownerId)) {
      if (pipeline.type === 'external') return pipeline;
      throw new PenstockError(
        'conflict',
        `The steps of the pipeline ${uuid} are run here: POST /api/pipeline/${pipeline.id}/run/.`,
      );
    }
    throw new PenstockError(
      'not-found',
      `There is no pipeline ${uuid}. Register it first: POST /api/pipeline/.`,
    );
  }

  /** The existing job, if it is the one that is meant and the actor may use it. */
  async function existing(
    actor: Actor,
    uuid: string,
    pipeline: PipelineRow,
    data: unknown,
  ): Promise<Created | null> {
    const job = await jobs.current(uuid);
    if (job === null) return null;
    if (!mayUse(actor, job.ownerId)) {
      throw new PenstockError('conflict', `The job ${uuid} already exists, and belongs to somebody else.`);
    }
    // Only a UUID that the client chose can belong to other work.
    if (job.pipelineId !== pipeline.id || pythonJson(job.data) !== pythonJson(data)) {
      throw new PenstockError(
        'conflict',
        `The job ${uuid} already exists, with another pipeline or other data. Leave uuid out, or choose another.`,
      );
    }
    return { job, token: null, nonce: null };
  }

  return {
    /**
     * Creates a job of a pipeline. The same pipeline, parents and data are the same job: if it exists already, it is
     * returned as it is.
     *
     * @param written the message's data with numbers as they are written, for the identity
     * @param callbackOf the actor for whom the job's callback gets a nonce of its own; null for none
     * @param companions what else is stored with it
     */
    async create(
      actor: Actor,
      given: CreateMessage,
      written: unknown,
      callbackOf: string | null,
      companions: JobCompanions,
    ): Promise<Created> {
      const message = withParents(given);
      const pipeline = await pipelineOf(actor, message.pipeline_uuid);
      const uuid = uuidOf(message, written);
      const known = await existing(actor, uuid, pipeline, message.data);
      if (known !== null) return known;

      const path = message.archive_path === undefined ? undefined : checkedPath(message.archive_path);
      const token = newJobToken();
      const nonce = nonces.forCallback(callbackOf, uuid);
      const named = message.session !== undefined || message.instanced !== false;
      // The thousand adjectives are loaded only when needed, so that an idle server stays small.
      const { sessionName } = await import('../../domain/external-jobs/session-name.js');
      const session = named ? sessionName(message.session, Math.random) : null;
      const links = { generated_by: [pipeline.uuid], ...pick(message, linkKeys) };
      const place =
        path ??
        archivePath(
          { uuids, salt: hashidsSalt },
          {
            pipelineUuid: pipeline.uuid,
            childOf: message.child_of ?? [],
            dataText: pythonJson(written),
            session,
            instancedAt: message.instanced === false ? null : clock(),
          },
        );
      try {
        const job = await jobs.create(
          {
            ...newJob(uuid, actor.id, externalExecutor),
            pipelineId: pipeline.id,
            tokenHash: hashToken(token),
            session,
            archiveSystem: message.archive_system ?? archiveSystem,
            archivePath: place,
            data: message.data,
            links,
          },
          message.data,
          { ...companions, nonce },
        );
        return { job, token, nonce };
      } catch (error) {
        // Somebody created the very same job between our look and our write.
        const winner = await existing(actor, uuid, pipeline, message.data);
        if (winner !== null) return winner;
        // Or somebody removed the pipeline.
        await pipelineOf(actor, pipeline.uuid);
        throw error;
      }
    },
  };
}

export type ExternalJobService = ReturnType<typeof externalJobService>;
