import { type AdminTokenSettings, isAdminToken } from '../../domain/external-jobs/admin-token.js';
import type { Cleared } from '../../domain/external-jobs/archive-path.js';
import type { TypedUuids } from '../../domain/external-jobs/typed-uuid.js';
import { externalExecutor, type Job, type JobChange } from '../../domain/jobs/job.js';
import { type EventName, isUnfinished } from '../../domain/jobs/job-state.js';
import { ended, exited, type Outcome } from '../../domain/jobs/outcome.js';
import { PenstockError } from '../../lib/errors.js';
import type { Store } from '../../store/store.js';
import { type Actor, mayUse } from '../actor.js';
import { invalid } from '../body.js';
import type { JobService, Recorded } from '../jobs/jobs.js';
import { hashToken } from '../users/logins.js';
import { isJobToken, newJobToken } from './job-tokens.js';
import type { CallbackNonce, NonceService } from './nonces.js';

/** The sender of a message: a login, or the owner of a nonce, which may be bound to one job. */
export interface Sender {
  actor: Actor;
  /** True for a login with a password or an API token; only such a login has an admin's rights. */
  login: boolean;
  /** The one job that the sender's nonce is good for. */
  jobId: number | null;
}

/** Events that undo work: for admins only. */
const adminEvents: readonly EventName[] = ['reset', 'ready'];
/** What others may send for a job that is running here; only its executor reports its start and end. */
const welcomeMeanwhile: readonly EventName[] = ['update', 'resource'];

/** An exit status. It fits into 32 bits on every system, and the database could not hold every number. */
const exitCode = (data: unknown): number | null => {
  const value = (data as Record<string, unknown> | null)?.exit_code;
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 32 ? value : null;
};
const text = (data: unknown, key: string): string | null => {
  const value = (data as Record<string, unknown> | null)?.[key];
  return typeof value === 'string' ? value : null;
};

/** How a job that runs elsewhere ended, as far as the event's data tell. */
function outcomeOf(event: 'finish' | 'fail', data: unknown): Outcome | null {
  const code = exitCode(data);
  const reason = text(data, 'reason') ?? text(data, 'description') ?? text(data, 'status');
  if (code !== null) return { ...exited(code), reason };
  const signal = text(data, 'signal');
  if (signal !== null) return { ...ended('signal', reason), signal };
  return event === 'fail' ? ended('platform', reason) : null;
}

/** What an event from elsewhere changes in a job besides its state. */
function changeOf(job: Job, event: EventName, data: unknown, now: Date): JobChange {
  switch (event) {
    case 'run':
      return { started: job.started ?? now, attempt: Math.max(job.attempt, 1), waiting: null };
    case 'finish':
    case 'fail':
      // The first cause is kept; later ones are in the history.
      return { ended: job.ended ?? now, outcome: job.outcome ?? outcomeOf(event, data), waiting: null };
    case 'reset':
      return { started: null, ended: null, outcome: null, attempt: 0 };
    default:
      return {};
  }
}

/** Events from outside: who may send which, and what they change. */
export function jobEventService(given: {
  store: Store;
  jobs: JobService;
  nonces: NonceService;
  uuids: TypedUuids;
  adminTokens: AdminTokenSettings | null;
  /** Clears an archive path, where this machine can reach it and the configuration allows it. */
  clearArchive: (archive: { system: string; path: string }) => Promise<Cleared>;
  clock: () => Date;
}) {
  const { store, jobs, nonces, uuids, adminTokens, clearArchive, clock } = given;

  const isAdmins = (token: string | undefined): boolean =>
    token !== undefined && adminTokens !== null && isAdminToken(adminTokens, token, clock());

  async function find(uuid: string): Promise<Job> {
    const kind = uuids.kindOf(uuid);
    if (kind !== 'job') {
      const names = kind === undefined ? 'nothing known here' : `a ${kind.replaceAll('_', ' ')}`;
      throw invalid('invalid-body', [
        {
          pointer: '/uuid',
          detail: `${uuid} names ${names}; a job's UUID must begin with ${uuids.prefixes.job}`,
        },
      ]);
    }
    const job = await jobs.current(uuid);
    if (job === null) throw new PenstockError('not-found', `There is no job ${uuid}.`);
    return job;
  }

  /**
   * Checks what a sender may do to a job. Whoever has a job's token may send its events; an admin may do everything.
   *
   * @param privileged what only an admin may do; null if a job's token is enough
   */
  function authorise(sender: Sender, job: Job, token: string | undefined, privileged: string | null): void {
    if (sender.jobId !== null && sender.jobId !== job.id) {
      throw new PenstockError('nonce-too-low', 'This nonce is for the callback of another job.');
    }
    if (isAdmins(token)) return;
    const admin = sender.login && sender.actor.admin;
    if (privileged !== null && !admin) {
      throw new PenstockError(
        'forbidden',
        `Only an admin may ${privileged}. Use an admin's login or an admin token; a job's token is not enough.`,
      );
    }
    if (token === undefined ? !admin : !isJobToken(job, token)) {
      throw new PenstockError(
        'wrong-token',
        token === undefined
          ? `To send events of the job ${job.uuid}, send its token as well.`
          : `The token does not belong to the job ${job.uuid}.`,
      );
    }
  }

  function checkTaker(job: Job, event: EventName): void {
    if (job.hidden) {
      throw new PenstockError(
        'job-hidden',
        `The job ${job.uuid} is hidden and accepts no events. An admin can show it again ("action": "undelete").`,
      );
    }
    if (job.executor === externalExecutor) return;
    const meanwhile = isUnfinished(job.state);
    if (adminEvents.includes(event) || (meanwhile && !welcomeMeanwhile.includes(event))) {
      throw new PenstockError(
        'runs-here',
        `Penstock runs the job ${job.uuid} and records its '${event}' itself.` +
          (meanwhile ? ` From outside it now accepts: ${welcomeMeanwhile.join(', ')}.` : ''),
      );
    }
  }

  /** Empties the folder of a job's results, unless it also holds results of other jobs. */
  async function wipe(job: Job, data: unknown): Promise<Cleared> {
    const kept = (reason: string): Cleared => ({ cleared: false, reason });
    if ((data as { no_clear_path?: unknown } | null)?.no_clear_path === true) {
      return kept('no_clear_path was asked for');
    }
    const { archiveSystem: system, archivePath: path } = job;
    if (system === null || path === null) return kept('the job has no archive path');
    const archive = { system, path };
    const other = await store.jobs.archivedAt(archive, job.id);
    if (other !== null) return kept(`it also holds the results of the job ${other}`);
    return clearArchive(archive);
  }

  return {
    /** Records an event that somebody sends. Returns when it is durable; otherwise throws and changes nothing. */
    async send(
      sender: Sender,
      message: { uuid: string; name: EventName; data: unknown; token: string | undefined },
    ): Promise<Recorded & { archive: Cleared | null }> {
      const { name, data } = message;
      const job = await find(message.uuid);
      const check = (current: Job): void => {
        authorise(sender, current, message.token, adminEvents.includes(name) ? `send '${name}'` : null);
        checkTaker(current, name);
      };
      check(job);
      const now = clock();
      const change = (current: Job): JobChange => {
        // Meanwhile it may have been hidden, or given a new token.
        if (current !== job) check(current);
        return current.executor === externalExecutor ? changeOf(current, name, data, now) : {};
      };
      const recorded = await jobs.record(job, name, change, data);
      // First the state, then the files: if we die in between, the job does not look finished.
      return { ...recorded, archive: name === 'reset' ? await wipe(recorded.job, data) : null };
    },

    /** Hides a job, shows it again, or removes it with its history. For admins. */
    async remove(
      sender: Sender,
      message: { uuid: string; action: 'delete' | 'undelete'; force: boolean; token: string | undefined },
    ): Promise<{ job: Job; removed: boolean }> {
      const { action, force } = message;
      const job = await find(message.uuid);
      authorise(sender, job, message.token, `${action} jobs`);
      if (action === 'delete' && force) {
        if (job.executor !== externalExecutor && isUnfinished(job.state)) {
          throw new PenstockError(
            'runs-here',
            `The job is ${job.state}. Cancel it first; then it can be deleted.`,
          );
        }
        await jobs.remove(job);
        nonces.forget();
        return { job, removed: true };
      }
      return { job: await jobs.setHidden(job, action === 'delete'), removed: false };
    },

    /** Ends a job that runs elsewhere, as far as we can: by an event. The receipt says that nothing was signalled. */
    async cancel(
      job: Job,
      by: string,
    ): Promise<{ signalled: never[]; survivors: never[]; unproven: string }> {
      const outcome = ended('cancelled', `Cancelled by ${by}.`);
      const change = (current: Job): JobChange => {
        checkTaker(current, 'fail');
        return { ended: clock(), outcome, waiting: null };
      };
      await jobs.record(job, 'fail', change, outcome);
      const unproven =
        'The job runs elsewhere. Whoever runs it gets the cancellation as an event, and must end the job.';
      return { signalled: [], survivors: [], unproven };
    },

    /** A new token for a job, and a nonce for its callback; the old ones become invalid. For its owner only. */
    async renewToken(
      actor: Actor,
      uuid: string,
      callbackOf: string | null,
    ): Promise<{ job: Job; token: string; nonce: CallbackNonce | null }> {
      const job = await find(uuid);
      if (!mayUse(actor, job.ownerId)) throw new PenstockError('not-found', `There is no job ${uuid}.`);
      const token = newJobToken();
      const nonce = nonces.forCallback(callbackOf, job.uuid);
      const tokenHash = hashToken(token);
      try {
        await store.nonces.replaceOfJob({ id: job.id, ownerId: job.ownerId, tokenHash }, nonce, clock());
      } catch (error) {
        // Somebody may have removed it between our look and our write.
        if ((await store.jobs.byId(job.id)) !== null) throw error;
        throw new PenstockError('not-found', `The job ${uuid} no longer exists.`);
      }
      nonces.forget();
      return { job: jobs.patch(job, { tokenHash }), token, nonce };
    },
  };
}

export type JobEventService = ReturnType<typeof jobEventService>;
