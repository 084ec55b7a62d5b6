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

/** What a server's life needs of the house. */
export interface LifeContext {
  ledger: Ledger;
  /** Aborted when we end. What was under way goes on at the next start. */
  closing: AbortSignal;
  log: Logger;
  clock: () => Date;
  connector(name: string): Connector | undefined;
  application(name: string): Application | undefined;
  /** A machine that can be reached; the connection is opened when it is first used. */
  host(server: Pick<ServerRow, 'id' | 'name' | 'reach'>): Host;
  /** Closes the connection to a server: nobody has business there any more. */
  leave(server: ServerRow): Promise<void>;
  /** Puts an application's files where they belong. */
  prepare(host: Host, application: Application): Promise<void>;
  /** Milliseconds that a server has from its order until it is reached. */
  bootTimeout(): number;
  /** Told when no server of an application can be had, and why: `problem` null is one that did not come up. */
  failed(application: string, problem: ConnectorError['problem'] | null, reason: string): void;
  /** Told when a server of an application has come up. */
  came(application: string): void;
}

/** Between two looks at a server that is coming: soon at first. */
const looking = { initial: 0.4, factor: 1.3, maximum: 5 };
/** Between two tries at what has failed. */
const trying = { initial: 1, factor: 2, maximum: 60 };

/** Milliseconds for which it is no news that a server which the cloud has made lets nobody in. */
const settling = 10_000;

/** One step; it leaves the ledger as it should be, or is done again. */
type Step = (context: LifeContext, server: ServerRow) => Promise<void>;

/** What is next for a server in each state; one that has nothing waits for others to decide. */
const steps: Partial<Record<ServerState, Step>> = {
  requested: order,
  booting: boot,
  ready: makeReady,
  error: giveUp,
  deleting: remove,
};

/** True if a server in this state has something to go through by itself. */
export const hasNext = (state: ServerState): boolean => steps[state] !== undefined;

/**
 * Sees a server through all that it has to go through by itself: from its order until it is idle, and from its end
 * until the cloud has nothing of it left. Each step may have been begun before, by a server of ours that was killed.
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
    throw new ConnectorError('refused', `the connector ${server.connector} is not configured any more`);
  return connector;
}

/** It will not run jobs: it is told why, and goes. */
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
      // It is not wanted any more by now: what is deleted with it is found by its id.
      if (booting === null) await context.ledger.note(server.id, { cloudId });
      return;
    } catch (error) {
      if (!(error instanceof ConnectorError)) throw error;
      if (error.problem !== 'unavailable') return fail(context, server, error.problem, error.message);
      // Perhaps the cloud has heard us: its name finds it again.
      await context.ledger.note(server.id, { reason: error.message });
      await pause(context, trying, tries);
    }
    if (gone(context, server)) return;
  }
}

/** True once it is not for us to go on: somebody else has decided about the server, or we are about to end. */
const gone = (context: LifeContext, { id, state }: ServerRow): boolean =>
  context.closing.aborted || context.ledger.get(id)?.state !== state;

async function boot(context: LifeContext, server: ServerRow): Promise<void> {
  // Not from its order: the cloud may have kept it waiting for long before it was made.
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
          // The key that it showed was noted on the way.
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
      // Who refuses us may not have been given our key yet; another host's key will not change.
      if (error instanceof HostError && error.problem === 'host-key')
        return fail(context, server, null, error.message);
      if (!(error instanceof ConnectorError || error instanceof HostError)) throw error;
      reason = error.message;
      unanswered = error instanceof ConnectorError;
    }
    const now = context.clock().getTime();
    // A wrong user or a closed port will never be right, and should not be a secret until the deadline.
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

/** Who logs in where: what the connector leaves open is as the application says. */
function asSaid(reach: Reach, application: Application | undefined): Reach {
  if (reach.by !== 'ssh' || application === undefined) return reach;
  const { sshUser, sshPort } = application;
  return { ...reach, user: reach.user ?? sshUser, port: reach.port === 22 ? sshPort : reach.port };
}

async function makeReady(context: LifeContext, server: ServerRow): Promise<void> {
  const application = context.application(server.application);
  if (application === undefined) {
    await context.ledger.change(server.id, 'deleting', {
      reason: `the application ${server.application} is no more`,
    });
    return;
  }
  if (server.uses > 0) {
    // We ended before it was known how a job had left it.
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
      return fail(context, server, null, `its files cannot be put there: ${messageOf(error)}`);
    }
  }
  await context.ledger.change(server.id, 'idle', { idleSince: context.clock() });
}

/** Why a machine does not do what it is asked; null if it does. */
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

/** Goes before why a server is still there, and behind why it is not wanted. */
const undeleted = '; it cannot be deleted yet: ';

/** Deletes it, until it is true. */
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
