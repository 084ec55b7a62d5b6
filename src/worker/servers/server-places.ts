import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import type { Outcome } from '../../domain/jobs/outcome.js';
import { defaultApplication, type ServerWishes } from '../../domain/servers/application.js';
import { remoteFolder } from '../../drivers/hosts/scripts/remote-launch.js';
import { PenstockError } from '../../lib/errors.js';
import type { ServerRow } from '../../store/servers.js';
import type { Store } from '../../store/store.js';
import type { Ask, Place, Places } from '../attempt/machine-places.js';
import { keepTrying } from '../keep-trying.js';
import type { Keeper } from './keeper.js';
import { type LifeContext, silence } from './life.js';

/** After these the machine's state is unknown: it is checked, or given up. */
const doubtful = new Set<Outcome['cause']>(['platform', 'lost']);

/** Places on servers that are created and deleted on demand. */
export function serverPlaces(
  context: Pick<LifeContext, 'ledger' | 'host' | 'log' | 'clock' | 'closing'> & {
    keeper: Keeper;
    store: Store['servers'];
    instance: string;
    baseFolder(application: string): string;
    /** The name of the application whose servers are for a job: the requested one, with the job's wishes. */
    wanted(name: string, wishes: ServerWishes): string;
  },
): Places & { has(job: string): boolean; uses(server: number): boolean } {
  const { ledger, keeper, store, log, clock } = context;
  /** The server of each job's current attempt. */
  const taken = new Map<string, number>();
  const placeOn = (server: ServerRow, uuid: string, attempt: number): Place => {
    const base = context.baseFolder(server.application);
    return { host: server.name, base, folder: remoteFolder(base, context.instance, uuid, String(attempt)) };
  };

  return {
    /** Whether a job has a server. */
    has: (job) => taken.has(job),
    /** Whether a server has a job. */
    uses: (server) => [...taken.values()].includes(server),

    take(job: Job, definition: ProcessDefinition, { signal, tell }: Ask): Promise<Place> {
      return new Promise((resolve, reject) => {
        const leave = () => {
          if (keeper.unwant(job.uuid)) reject(signal.reason);
        };
        const settled = () => signal.removeEventListener('abort', leave);
        let told = '';
        keeper.want({
          job,
          attempt: job.attempt,
          application: context.wanted(
            job.request.application ?? definition.application ?? defaultApplication,
            job.request.server ?? {},
          ),
          serve(server) {
            settled();
            taken.set(job.uuid, server.id);
            resolve(placeOn(server, job.uuid, job.attempt));
          },
          refuse(reason, forGood = false) {
            settled();
            // Waiting does not bring back an application that somebody has deleted.
            reject(forGood ? new PenstockError('not-found', reason) : new Error(reason));
          },
          tell(reason) {
            if (reason !== told) tell(reason);
            told = reason;
          },
        });
        signal.addEventListener('abort', leave);
        if (signal.aborted) leave();
      });
    },

    async found(job, attempt) {
      const use = (await store.usesFor(job.id)).find((one) => one.attempt === attempt && one.ended === null);
      const server = use === undefined ? undefined : ledger.get(use.serverId);
      if (server === undefined) return null;
      taken.set(job.uuid, server.id);
      return placeOn(server, job.uuid, attempt);
    },

    async give(job, attempt, outcome) {
      const id = taken.get(job.uuid);
      const server = id === undefined ? undefined : ledger.get(id);
      taken.delete(job.uuid);
      if (outcome === null) {
        // It never started: that does not count as a use of the server.
        if (id !== undefined) await ledger.unassign(id, job, attempt);
        return;
      }
      await keepTrying(log, { job: job.uuid }, () => store.endUse(job.id, attempt, clock()));
      if (server === undefined || server.state !== 'busy') return;
      let broken: string | null = null;
      if (outcome.cause === 'lost') broken = outcome.reason ?? 'what ran there was lost';
      else if (doubtful.has(outcome.cause)) {
        broken = await silence(context.host(server), context.closing);
        // The next start of Penstock checks again.
        if (context.closing.aborted) return;
      }
      if (broken === null) await ledger.change(server.id, 'idle', { idleSince: clock() });
      else await ledger.change(server.id, 'error', { reason: broken });
    },
  };
}
