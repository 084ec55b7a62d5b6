import type { Request } from 'express';
import type { Job } from '../../domain/jobs/job.js';
import { originOf } from '../../http/answers/answer.js';
import type { NonceRow } from '../../store/nonces.js';
import type { Actor } from '../../usecases/actor.js';
import { showEvent } from '../../usecases/jobs/job-view.js';
import type { Recorded } from '../../usecases/jobs/jobs.js';
import { type Shown, shownDate } from '../../usecases/resource.js';

/** Links that answers have in common: to whose they are, and to where messages go. */
export const linksOf = (request: Request, actor: Actor) => ({
  owner: `${originOf(request)}/api/user/${actor.id}/`,
  messages: `${originOf(request)}/actors/v2/${String(request.params.actor)}/messages`,
});

/** The result of an event: the job's state before and after it, and its entry in the history. */
export function showRecorded(recorded: Recorded, links: Record<string, string>): Shown {
  const { job, before, event } = recorded;
  return {
    uuid: job.uuid,
    state_before: before.state,
    state: event.state,
    history: showEvent(event),
    executionId: event.uuid,
    msg: event.name,
    _links: links,
  };
}

/** An external job, with the keys of the older manager's document. */
export function showDocument(job: Job, pipelineUuid: string): Shown {
  return {
    uuid: job.uuid,
    pipeline_uuid: pipelineUuid,
    state: job.state,
    last_event: job.lastEvent,
    revision: job.revision,
    data: job.data,
    archive_path: job.archivePath,
    archive_system: job.archiveSystem,
    session: job.session,
    ...job.links,
    created: shownDate(job.created),
    updated: shownDate(job.updated),
    _visible: !job.hidden,
  };
}

/**
 * A nonce as the actor platform shows it.
 *
 * @param id the whole nonce when it is created, its name afterwards
 */
export function showNonce(row: NonceRow, id: string, links: Record<string, string>): Shown {
  return {
    id,
    actorId: row.actor,
    level: row.level,
    maxUses: row.maxUses,
    currentUses: row.currentUses,
    remainingUses: row.maxUses < 0 ? -1 : row.maxUses - row.currentUses,
    description: row.description,
    owner: row.owner.username,
    roles: [row.owner.role],
    createTime: shownDate(row.created),
    lastUseTime: shownDate(row.lastUse),
    expireTime: shownDate(row.expires),
    _links: links,
  };
}
