import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Application, ServerWishes } from '../../domain/servers/application.js';
import type { Reach } from '../../domain/servers/server.js';
import type { Connector } from '../../drivers/connectors/connector.js';
import { type Host, HostError } from '../../drivers/hosts/host.js';
import type { Logger } from '../../lib/log.js';
import type { ServerRow } from '../../store/servers.js';
import type { Store } from '../../store/store.js';
import { type OpenHost, ServerConnections } from './connections.js';
import { Keeper } from './keeper.js';
import { Ledger } from './ledger.js';
import type { LifeContext } from './life.js';
import { Reconciler } from './reconcile.js';
import { serverPlaces } from './server-places.js';

interface ServerSettings {
  maxServers: number;
  /** How many servers may have a job at the same time. */
  maxBusy: number;
  bootTimeout: number;
  /** The time between two comparisons with the clouds. */
  reconcileInterval: number;
  /** The time before the first retry of a cloud without room. */
  capacityRetry: number;
  scripts: string | null;
}

interface ServersOptions {
  store: Store;
  /** Marks what this installation has made. */
  instance: string;
  log: Logger;
  clock: () => Date;
  applications: {
    current(): readonly Application[];
    named(name: string): Application | undefined;
    variant(name: string, wishes: ServerWishes): string;
    recallVariant(name: string, order: Application['order']): void;
    keepVariants(names: ReadonlySet<string>): void;
  };
  /** The connectors that are currently available, by name. */
  connectors: () => ReadonlyMap<string, Connector>;
  openHost: OpenHost;
  /** The current configuration; times in milliseconds. */
  settings: () => ServerSettings;
}

/** The servers of this installation: the ledger, what keeps it up to date, and the places that jobs get. */
export function openServers(options: ServersOptions) {
  const { store, instance, log, clock, applications, connectors, openHost, settings } = options;
  const closing = new AbortController();
  const ledger: Ledger = new Ledger(store.servers, log, clock, () => keeper.look());
  const hosts = new ServerConnections(openHost);
  const host: LifeContext['host'] = ({ id, name, reach }) =>
    hosts.of(name, reach as Reach, (learned) => ledger.note(id, { reach: learned }));

  const context = {
    ledger,
    closing: closing.signal,
    log,
    clock,
    connector: (name: string) => connectors().get(name),
    application: (name: string) => applications.named(name),
    host,
    leave: (server: ServerRow) => hosts.leave(server.name),
    prepare: (to: Host, application: Application) => prepare(to, application, settings().scripts),
    bootTimeout: () => settings().bootTimeout,
    failed: (application: string, problem: Parameters<Keeper['failed']>[1], reason: string) =>
      keeper.failed(application, problem, reason),
    came: (application: string) => keeper.came(application),
  };
  const keeper: Keeper = new Keeper({
    ...context,
    applications: applications.current,
    used: applications.keepVariants,
    missing: (application) => missingFor(application, connectors()),
    maxServers: () => settings().maxServers,
    maxBusy: () => settings().maxBusy,
    capacityRetry: () => settings().capacityRetry,
  });
  const reconciler = new Reconciler({
    ledger,
    store: store.servers,
    instance,
    connectors,
    log,
    async lost(server, reason) {
      await ledger.change(server.id, 'error', { reason });
    },
  });
  const baseFolder = (name: string) => applications.named(name)?.baseFolder ?? '/tmp';
  const places = serverPlaces({
    ...context,
    instance,
    keeper,
    store: store.servers,
    baseFolder,
    wanted: applications.variant,
  });
  let reconciling: Promise<void> = Promise.resolve();

  async function reconcile(): Promise<void> {
    while (!closing.signal.aborted) {
      await reconciler.look();
      await delay(settings().reconcileInterval, undefined, { signal: closing.signal, ref: false }).catch(
        () => {},
      );
    }
  }

  return {
    places,

    /** The host of a server by name, for programs that were started there; fails with the reason if it no longer exists. */
    async hostOf(name: string): Promise<Host> {
      const server = ledger.named(name) ?? (await store.servers.named([name]))[0];
      const ended = server === undefined || ['error', 'deleting', 'deleted'].includes(server.state);
      if (ended || server.reach === null)
        throw new HostError(
          'gone',
          `the server ${name} no longer exists: ${server?.reason ?? 'it was deleted'}`,
        );
      return host(server);
    },

    /** Reads the ledger; must come before jobs are recovered. */
    async load(): Promise<void> {
      await ledger.load();
      for (const { application, order } of ledger.held()) applications.recallVariant(application, order);
    },

    /** From now on servers are created and deleted. Servers that no recovered job uses are free. */
    async open(): Promise<void> {
      for (const { serverId, jobId, job, attempt } of await store.servers.openUses()) {
        if (places.has(job.uuid)) continue;
        // An attempt that never started does not count as a use.
        if (job.attempt < attempt) await ledger.unassign(serverId, { id: jobId }, attempt);
        else await store.servers.endUse(jobId, attempt, clock());
      }
      for (const row of ledger.held()) {
        if (row.state === 'busy' && !places.uses(row.id)) await ledger.change(row.id, 'ready');
      }
      keeper.open();
      reconciling = reconcile();
    },

    /** Jobs get no more servers: we are shutting down. */
    rest: () => keeper.rest(),

    /** Call it when the configuration or an application has changed. */
    changed: () => keeper.forgive(),

    /** Starts to delete a server that runs nothing; false if it cannot be deleted. */
    async letGo(id: number, reason: string): Promise<boolean> {
      const row = ledger.get(id);
      if (row === undefined || row.state === 'busy') return false;
      return (await ledger.change(id, 'deleting', { reason })) !== null;
    },

    /** Deletes servers that nobody here needs; see the reconciler. */
    clear: (all: boolean, dry: boolean) => reconciler.clear(all, dry),

    counts: () => store.servers.counts(),

    async close(): Promise<void> {
      closing.abort();
      await keeper.close();
      await reconciling;
      await hosts.close();
    },
  };
}

/** What is missing to create servers of an application, in words; null if nothing is. */
export function missingFor(
  { name, connector }: Application,
  connectors: ReadonlyMap<string, unknown>,
): string | null {
  if (connector === null)
    return `the application ${name} has no connector: set connector in the application, or CONNECTOR in application.yaml`;
  if (connectors.has(connector)) return null;
  const file = connector === 'static' ? 'MACHINES in ssh.yaml' : `${connector}.yaml in the config folder`;
  return `the connector ${connector} of the application ${name} is not configured: it needs ${file}`;
}

/** Copies an application's files to a server. */
async function prepare(host: Host, application: Application, scripts: string | null): Promise<void> {
  for (const { path: place, text, script, mode = '0644' } of application.files) {
    const to = path.posix.resolve(application.baseFolder, place);
    const how = { mode: Number.parseInt(mode, 8) };
    if (script !== undefined) {
      if (scripts === null) throw new Error(`${script} cannot be found: LOCAL_SCRIPTS_FOLDER is not set`);
      await host.put(path.join(scripts, script), to, how);
      continue;
    }
    const from = path.join(os.tmpdir(), `penstock-${randomUUID()}`);
    try {
      await writeFile(from, text ?? '', { mode: 0o600 });
      await host.put(from, to, how);
    } finally {
      await rm(from, { force: true });
    }
  }
}
