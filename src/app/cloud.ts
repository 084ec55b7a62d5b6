import { readdir } from 'node:fs/promises';
import type { Config } from '../config/config.js';
import type { CloudFiles, MachineEntry } from '../config/config-cloud.js';
import { shownConfig } from '../dialects/pipeline-scheduler/config-view.js';
import { farAdapters } from '../drivers/adapters/adapters.js';
import { type Connector, ConnectorError, type ServerReference } from '../drivers/connectors/connector.js';
import { heatConnector } from '../drivers/connectors/heat.js';
import { localConnector } from '../drivers/connectors/local.js';
import { novaConnector } from '../drivers/connectors/nova.js';
import { type RetiringConnector, retiring } from '../drivers/connectors/retiring.js';
import { heatOptions, novaOptions } from '../drivers/connectors/settings.js';
import { staticConnector } from '../drivers/connectors/static.js';
import type { Handle } from '../drivers/executors/executor.js';
import { remoteExecutor } from '../drivers/executors/remote/remote.js';
import { remoteFolder } from '../drivers/hosts/scripts/remote-launch.js';
import { fingerprintOf } from '../drivers/hosts/ssh/host-keys.js';
import { messageOf, PenstockError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { sentence } from '../lib/wording.js';
import type { Store } from '../store/store.js';
import { checkWhere, showWhere } from '../usecases/runs/whereabouts.js';
import { applicationService } from '../usecases/servers/applications.js';
import { hostKeyService } from '../usecases/servers/host-keys.js';
import { machinePlaces } from '../worker/attempt/machines.js';
import type { LaneKey, LaneSettings } from '../worker/lanes.js';
import { missingFor, openServers } from '../worker/servers/open-servers.js';
import { cloudHosts } from './cloud-hosts.js';
import { bootTimeoutOf, cloudSettings, defaultsOf, maxServersOf } from './cloud-settings.js';

/** Everything that runs programs elsewhere: connectors, servers, machines, and the lanes that lead there. */
export function openCloud(options: {
  store: Store;
  instance: string;
  config: Pick<Config, 'configFolder' | 'cloud' | 'readCloud'>;
  /** Told when the machine of a job is out of reach and why, and with null when it is back. */
  trouble: (job: string, problem: string | null) => void;
  log: Logger;
  clock: () => Date;
}) {
  const { store, instance, trouble, log, clock } = options;
  const { configFolder: folder, cloud: read, readCloud } = options.config;
  let connectors = connectorsOf(read);
  /** Those of settings that are no more, as long as somebody waits for what they were asked. */
  const leaving = new Set<Connector>();
  let reloaded = () => {};
  const settings = cloudSettings(read, readCloud, (files) => {
    const before = connectors;
    connectors = connectorsOf(files);
    for (const one of before.values()) {
      leaving.add(one);
      void one.retire().finally(() => leaving.delete(one));
    }
  });

  /** Those that the files have a word of; this machine always stands in where it is asked to. */
  function connectorsOf(files: CloudFiles): Map<string, RetiringConnector> {
    const ours = { instance };
    const beside = folder ?? '';
    const written = (name: string) => async (): Promise<ServerReference[]> =>
      (await store.servers.held())
        .filter(({ connector }) => connector === name)
        .map((row) => ({ name: row.name, id: row.cloudId }));
    const made = new Map<string, Connector>();
    made.set('local', localConnector({ ...ours, ledger: written('local') }));
    const machines = files.ssh.MACHINES.map((one) => ({
      name: one.NAME,
      address: one.ADDRESS,
      port: one.PORT,
      user: one.AUTH_USER,
      hostKey: one.HOST_KEY,
    }));
    if (machines.length > 0) {
      made.set('static', staticConnector({ machines }, { ...ours, ledger: written('static') }));
    }
    if (files.nova !== null) made.set('nova', novaConnector(novaOptions(files.nova, beside), ours));
    if (files.heat !== null) made.set('heat', heatConnector(heatOptions(files.heat, beside), ours));
    return new Map([...made].map(([name, one]) => [name, retiring(one)]));
  }

  const applications = applicationService({
    store,
    defaults: () => defaultsOf(settings.current()),
    changed: () => servers.changed(),
    clock,
  });

  const hostKeys = hostKeyService({
    store,
    machines: (host) =>
      settings
        .current()
        .ssh.MACHINES.filter(({ ADDRESS, PORT }) => `${ADDRESS}:${PORT}` === host)
        .map(({ NAME }) => NAME),
    fingerprintOf,
    clock,
  });
  const hosts = cloudHosts(settings.current, hostKeys);

  const servers = openServers({
    store,
    instance,
    log,
    clock,
    applications,
    connectors: () => connectors,
    openHost: (_name, reach, learned) => hosts.server(reach, learned),
    settings: () => {
      const files = settings.current();
      return {
        maxServers: maxServersOf(files),
        maxBusy: files.application.MAX_ACTIVE_TASKS,
        bootTimeout: bootTimeoutOf(files),
        reconcileInterval: files.application.RECONCILE_INTERVAL * 1000,
        capacityRetry: files.application.CAPACITY_RETRY_INTERVAL * 1000,
        scripts: files.application.LOCAL_SCRIPTS_FOLDER,
      };
    },
  });

  const remote = {
    instance,
    patience: () => settings.current().ssh.LOST_AFTER,
    trouble: (handle: Handle, problem: string | null) => trouble(String(handle.uuid), problem),
    isOver: store.jobs.overAmong,
  };
  const executors = {
    ssh: remoteExecutor({ ...remote, hostOf: hosts.machine }),
    cloud: remoteExecutor({ ...remote, hostOf: (name) => servers.hostOf(name) }),
  };
  const common = () => ({
    adapters: farAdapters,
    scripts: () => settings.current().application.LOCAL_SCRIPTS_FOLDER,
    platformRetries: () => settings.current().application.MAX_TASK_ATTEMPTS - 1,
  });

  const entryOf = (machine: string | null) =>
    settings.current().ssh.MACHINES.find(({ NAME }) => NAME === machine);
  const baseOf = (entry: MachineEntry | undefined) =>
    entry?.REMOTE_BASE_FOLDER ?? settings.current().application.REMOTE_BASE_FOLDER;

  /** The lane of what does not run here. */
  function lane({ executor, host }: LaneKey): LaneSettings {
    if (executor === 'cloud') {
      return {
        ...common(),
        executor: executors.cloud,
        places: servers.places,
        retriesLost: true,
        limits: () => ({
          running: settings.current().application.MAX_ACTIVE_TASKS,
          runningPerUser: Number.POSITIVE_INFINITY,
        }),
      };
    }
    const entry = () => entryOf(host);
    const base = () => baseOf(entry());
    return {
      ...common(),
      executor: executors.ssh,
      places: machinePlaces({ instance, host: host ?? '', base }),
      limits: () => ({ running: entry()?.MAX_JOBS ?? 1, runningPerUser: Number.POSITIVE_INFINITY }),
    };
  }

  return {
    /** What the scheduler's protocol asks of it. */
    door: {
      applications,
      tokens: () => settings.current().tokens,
      config: (whole: boolean) => shownConfig(settings.current(), whole),
      /** Reads the files again; gives the keys that need a restart. */
      reload(): string[] {
        try {
          const restart = settings.reload();
          servers.changed();
          reloaded();
          return restart;
        } catch (error) {
          throw new PenstockError('config-refused', sentence(messageOf(error)), { cause: error });
        }
      },
      async clear(all: boolean, dry: boolean) {
        try {
          return await servers.clear(all, dry);
        } catch (error) {
          if (!(error instanceof ConnectorError)) throw error;
          throw new PenstockError('connector-failed', sentence(error.message), { cause: error });
        }
      },
      timesFile: () => settings.current().application.TIMETEST_CSV_FILE,
      async scripts(): Promise<readonly string[] | null> {
        const scripts = settings.current().application.LOCAL_SCRIPTS_FOLDER;
        if (scripts === null) return null;
        const entries = await readdir(scripts, { withFileTypes: true });
        return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
      },
    },

    /** Asked before a run is accepted, and shown of one that is not begun. */
    where: {
      checkWhere: checkWhere({
        applications,
        missing: (application) => missingFor(application, connectors),
        machines: () => settings.current().ssh.MACHINES.map(({ NAME }) => NAME),
      }),
      showWhere: showWhere({
        applications,
        base: (machine) => baseOf(entryOf(machine)),
        folder: (base, uuid) => remoteFolder(base, instance, uuid, '1'),
      }),
    },

    /** Reads what there is; before jobs are taken up. */
    async load(): Promise<void> {
      await applications.start();
      await hostKeys.start();
      await servers.load();
    },

    /** From now on servers come and go; `changed` is told whenever the files have been read again. */
    async open(changed: () => void): Promise<void> {
      reloaded = changed;
      await servers.open();
    },

    settings,
    nouns: { applications, hostKeys },
    servers,
    lane,
    async close(): Promise<void> {
      await servers.close();
      await Promise.all(Object.values(executors).map((one) => one.close()));
      await hosts.close();
      await Promise.all([...connectors.values(), ...leaving].map((one) => one.close()));
    },
  };
}
