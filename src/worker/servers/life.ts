import { setTimeout as delay } from 'node:timers/promises';
import type { Application } from '../../domain/servers/application.js';
import type { Reach, ServerState } from '../../domain/servers/server.js';
import type { Connector, ServerReference } from '../../drivers/connectors/connector.js';
import { ConnectorError } from '../../drivers/connectors/connector.js';
import { type Host, HostError } from '../../drivers/hosts/host.js';
import { backoffDelay } from '../../lib/backoff.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { ServerRow } from '../../store/servers.js';
import type { Ledger } from './ledger.js';

/** What a server's life needs. */
export interface LifeContext {
  ledger: Ledger;
  /** Aborted at shutdown. The next start continues what was in progress. */
  closing: AbortSignal;
  log: Logger;
  clock: () => Date;
  connector(name: string): Connector | undefined;
  application(name: string): Application | undefined;
  /** A reachable machine; the connection is opened when first used. */
  host(server: Pick<ServerRow, 'id' | 'name' | 'reach'>): Host;
  /** Closes the connection to a server that is no longer needed. */
  leave(server: ServerRow): Promise<void>;
  /** Puts an application's files where they belong. */
  prepare(host: Host, application: Application): Promise<void>;
  /** Milliseconds that a server has to become reachable. */
  bootTimeout(): number;
  /** Called when an application cannot get a server, and why; `problem` is null for a server that did not come up. */
  failed(application: string, problem: ConnectorError['problem'] | null, reason: string): void;
  /** Called when a server of an application has come up. */
  came(application: string): void;
}

/** Pauses between checks of a server that is starting: short at first. */
const looking = { initial: 0.4, factor: 1.3, maximum: 5 };
/** Pauses between retries after a failure. */
const trying = { initial: 1, factor: 2, maximum: 60 };

/** Milliseconds during which it is normal that a new server cannot be logged in to. */
const settling = 10_000;

/** One step; if it does not change the ledger, it is repeated. */
type Step = (context: LifeContext, server: ServerRow) => Promise<void>;

/** The next step for a server in each state; in a state without one, others decide. */
const steps: Partial<Record<ServerState, Step>> = {
  requested: order,
  booting: boot,
  ready: makeReady,
  error: giveUp,
  deleting: remove,
};

/** True if a server in this state has a next step of its own. */
export const hasNext = (state: ServerState): boolean => steps[state] !== undefined;

/**
 * Takes a server through all steps of its own: from its order until it is idle, and from its end until the cloud has
 * nothing of it left. Each step may already have begun before a crash.
 */
export async function live(context: LifeContext, id: number): Promise<void> {
  while (!context.closing.aborted) {
    const server = context.ledger.get(id);
    const step = server === undefined ? undefined : steps[server.state];
    if (server === undefined || step === undefined) return;
    try {
      await step(context, server);
    } catch (error) {
      if (context.closing.aborted) return;
      context.log.error({ server: server.name, error: messageOf(error) }, 'cannot continue server');
      await fail(context, server, null, messageOf(error));
      await pause(context, trying, 3);
    }
  }
}

const referenceOf = ({ name, cloudId }: ServerRow): ServerReference => ({ name, id: cloudId });

function connectorOf(context: LifeContext, server: ServerRow): Connector {
  const connector = context.connector(server.connector);
  if (connector === undefined)
    throw new ConnectorError('refused', `the connector ${server.connector} is no longer configured`);
  return connector;
}

/** It will not run jobs: the reason is stored, and it is deleted. */
async function fail(
  context: LifeContext,
  server: ServerRow,
  problem: ConnectorError['problem'] | null,
  reason: string,
): Promise<void> {
  if (server.state === 'deleting' || server.state === 'error') return;
  context.failed(server.application, problem, reason);
  await context.ledger.change(server.id, 'error', { reason });
}

async function order(context: LifeContext, server: ServerRow): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      const cloudId = await connectorOf(context, server).create(server.order);
      const booting = await context.ledger.change(server.id, 'booting', { cloudId, reason: null });
      // It is no longer wanted: its id is needed to delete everything that belongs to it.
      if (booting === null) await context.ledger.note(server.id, { cloudId });
      return;
    } catch (error) {
      if (!(error instanceof ConnectorError)) throw error;
      if (error.problem !== 'unavailable') return fail(context, server, error.problem, error.message);
      // The cloud may have got the request: the server can be found by its name.
      await context.ledger.note(server.id, { reason: error.message });
      await pause(context, trying, tries);
    }
    if (gone(context, server)) return;
  }
}

/** True if this step must stop: somebody else has decided about the server, or we are shutting down. */
const gone = (context: LifeContext, { id, state }: ServerRow): boolean =>
  context.closing.aborted || context.ledger.get(id)?.state !== state;

async function boot(context: LifeContext, server: ServerRow): Promise<void> {
  // Does not count from its order: the cloud may have taken long to create it.
  const deadline = context.clock().getTime() + context.bootTimeout();
  let reason = 'it has not come up yet';
  let tried: number | null = null;
  for (let tries = 1; !gone(context, server); tries += 1) {
    let unanswered = false;
    try {
      const found = await connectorOf(context, server).reach(referenceOf(server), server.order);
      if (found !== null) {
        const reach = asSaid(found, context.application(server.application));
        tried ??= context.clock().getTime();
        const said = await context
          .host({ ...server, reach })
          .run('exit 0', { timeout: 20_000, signal: context.closing });
        if (said.code === 0) {
          // Connecting has stored the key that it showed.
          const { reach: noted } = context.ledger.get(server.id) ?? server;
          const change = { reach: noted ?? reach, booted: context.clock(), reason: null };
          await context.ledger.change(server.id, 'ready', change);
          return context.came(server.application);
        }
        reason = `its shell ended with ${said.code ?? said.signal}`;
      }
    } catch (error) {
      if (context.closing.aborted) return;
      if (error instanceof ConnectorError && error.problem !== 'unavailable')
        return fail(context, server, error.problem, error.message);
      // A server that refuses the login may not have our key yet; a wrong host key will not change.
      if (error instanceof HostError && error.problem === 'host-key')
        return fail(context, server, null, error.message);
      if (!(error instanceof ConnectorError || error instanceof HostError)) throw error;
      reason = error.message;
      unanswered = error instanceof ConnectorError;
    }
    const now = context.clock().getTime();
    // A wrong user or a closed port stays wrong, and must not stay unnoticed until the deadline.
    const isNews = unanswered || (tried !== null && now - tried > settling);
    const told = isNews ? `the server cannot be used yet: ${reason}` : null;
    if (context.ledger.get(server.id)?.reason !== told)
      await context.ledger.note(server.id, { reason: told });
    if (now > deadline) {
      const seconds = Math.round(context.bootTimeout() / 1000);
      return fail(context, server, null, `it could not be used within ${seconds} s: ${reason}`);
    }
    await pause(context, looking, tries);
  }
}

/** How to log in: what the connector leaves open comes from the application. */
function asSaid(reach: Reach, application: Application | undefined): Reach {
  if (reach.by !== 'ssh' || application === undefined) return reach;
  const { sshUser, sshPort } = application;
  return { ...reach, user: reach.user ?? sshUser, port: reach.port === 22 ? sshPort : reach.port };
}

async function makeReady(context: LifeContext, server: ServerRow): Promise<void> {
  const application = context.application(server.application);
  if (application === undefined) {
    await context.ledger.change(server.id, 'deleting', {
      reason: `the application ${server.application} no longer exists`,
    });
    return;
  }
  if (server.uses > 0) {
    // We were stopped before it was known in what state a job had left it.
    const broken = await silence(context.host(server), context.closing);
    if (context.closing.aborted) return;
    if (broken !== null) {
      await context.ledger.change(server.id, 'error', { reason: broken });
      return;
    }
  }
  if (application.files.length > 0) {
    try {
      await context.prepare(context.host(server), application);
    } catch (error) {
      if (context.closing.aborted) return;
      return fail(context, server, null, `its files cannot be copied there: ${messageOf(error)}`);
    }
  }
  await context.ledger.change(server.id, 'idle', { idleSince: context.clock() });
}

/** Why a machine does not respond properly; null if it does. */
export async function silence(host: Host, signal: AbortSignal): Promise<string | null> {
  try {
    const { code } = await host.run('exit 0', { timeout: 20_000, signal });
    return code === 0 ? null : `its shell ended with ${code}`;
  } catch (error) {
    if (error instanceof HostError || signal.aborted) return messageOf(error);
    throw error;
  }
}

async function giveUp(context: LifeContext, server: ServerRow): Promise<void> {
  await context.ledger.change(server.id, 'deleting');
}

/** Stands between the reason to delete a server and the reason why it still exists. */
const undeleted = '; it cannot be deleted yet: ';

/** Deletes it, and retries until the cloud has nothing left of it. */
async function remove(context: LifeContext, server: ServerRow): Promise<void> {
  await context.leave(server);
  for (let tries = 1; ; tries += 1) {
    try {
      if (await connectorOf(context, server).delete(referenceOf(server))) {
        await context.ledger.change(server.id, 'deleted', { deleted: context.clock() });
        return;
      }
      await pause(context, looking, tries);
    } catch (error) {
      if (context.closing.aborted) return;
      if (!(error instanceof ConnectorError)) throw error;
      context.log.warn({ server: server.name, error: error.message }, 'cannot delete server; retrying');
      const [why] = (server.reason ?? 'it is not needed').split(undeleted);
      await context.ledger.note(server.id, { reason: `${why}${undeleted}${error.message}` });
      await pause(context, trying, tries);
    }
    if (context.closing.aborted) return;
  }
}

async function pause(context: LifeContext, backoff: typeof trying, tries: number): Promise<void> {
  await delay(backoffDelay(backoff, tries, Math.random()), undefined, { signal: context.closing }).catch(
    () => {},
  );
}
