import type { Config } from '../config/config.js';
import { farAdapters } from '../drivers/adapters/adapters.js';
import { ConnectorError } from '../drivers/connectors/connector.js';
import type { Handle } from '../drivers/executors/executor.js';
import { remoteExecutor } from '../drivers/executors/remote/remote.js';
import { remoteFolder } from '../drivers/hosts/scripts/remote-launch.js';
import { fingerprintOf } from '../drivers/hosts/ssh/host-keys.js';
import { messageOf, PenstockError } from '../lib/errors.js';
import { sentence } from '../lib/wording.js';
import { whereService } from '../usecases/runs/whereabouts.js';
import { applicationService } from '../usecases/servers/applications.js';
import { hostKeyService } from '../usecases/servers/host-keys.js';
import { machinePlaces } from '../worker/attempt/machines.js';
import type { LaneKey, LaneSettings } from '../worker/lanes.js';
import { missingFor, openServers } from '../worker/servers/open-servers.js';
import { openConnectors } from './cloud-connectors.js';
import { cloudHosts } from './cloud-hosts.js';
import { bootTimeoutOf, cloudSettings, defaultsOf, maxServersOf } from './cloud-settings.js';
import type { House } from './house.js';

const atOnce = (running: number) => ({ running, runningPerUser: Number.POSITIVE_INFINITY });

/**
 * Everything that runs programs on other machines: connectors, servers, hosts, and their lanes.
 *
 * @param trouble called with the reason when the machine of a job becomes unreachable, and with null when it is back
 */
export function openCloud(
  house: House,
  config: Pick<Config, 'configFolder' | 'cloud' | 'readCloud'>,
  trouble: (job: string, problem: string | null) => void,
) {
  const { store, instance, clock } = house;
  const connectors = openConnectors(house, config.configFolder ?? '', config.cloud);
  const settings = cloudSettings(config.cloud, config.readCloud, connectors.replace);
  const files = settings.current;
  const application = () => files().application;
  const machines = () => files().ssh.MACHINES;
  const entryOf = (name: string | null) => machines().find(({ NAME }) => NAME === name);
  const baseOf = (name: string | null) =>
    entryOf(name)?.REMOTE_BASE_FOLDER ?? application().REMOTE_BASE_FOLDER;
  let reloaded = () => {};

  const applications = applicationService({
    store,
    defaults: () => defaultsOf(files()),
    changed: () => servers.changed(),
    clock,
  });

  const hostKeys = hostKeyService({
    store,
    machines: (host) =>
      machines()
        .filter(({ ADDRESS, PORT }) => `${ADDRESS}:${PORT}` === host)
        .map(({ NAME }) => NAME),
    fingerprintOf,
    clock,
  });
  const hosts = cloudHosts(files, hostKeys);

  const servers = openServers({
    ...house,
    applications,
    connectors: connectors.current,
    openHost: (_name, reach, learned) => hosts.server(reach, learned),
    settings: () => ({
      maxServers: maxServersOf(files()),
      maxBusy: application().MAX_ACTIVE_TASKS,
      bootTimeout: bootTimeoutOf(files()),
      reconcileInterval: application().RECONCILE_INTERVAL * 1000,
      capacityRetry: application().CAPACITY_RETRY_INTERVAL * 1000,
      scripts: application().LOCAL_SCRIPTS_FOLDER,
    }),
  });

  const remote = {
    instance,
    patience: () => files().ssh.LOST_AFTER,
    trouble: (handle: Handle, problem: string | null) => trouble(String(handle.uuid), problem),
    isOver: store.jobs.overAmong,
  };
  const executors = {
    ssh: remoteExecutor({ ...remote, hostOf: hosts.machine }),
    cloud: remoteExecutor({ ...remote, hostOf: (name) => servers.hostOf(name) }),
  };

  /** The lane of jobs that run on other machines. */
  function lane({ executor, host }: LaneKey): LaneSettings {
    const common = {
      adapters: farAdapters,
      scripts: () => application().LOCAL_SCRIPTS_FOLDER,
      platformRetries: () => application().MAX_TASK_ATTEMPTS - 1,
    };
    if (executor === 'cloud') {
      const limits = () => atOnce(application().MAX_ACTIVE_TASKS);
      return { ...common, executor: executors.cloud, places: servers.places, retriesLost: true, limits };
    }
    const places = machinePlaces({ instance, host: host ?? '', base: () => baseOf(host) });
    return { ...common, executor: executors.ssh, places, limits: () => atOnce(entryOf(host)?.MAX_JOBS ?? 1) };
  }

  return {
    where: whereService({
      applications,
      missing: (one) => missingFor(one, connectors.current()),
      machines: () => machines().map(({ NAME }) => NAME),
      base: baseOf,
      folder: (base, uuid) => remoteFolder(base, instance, uuid, '1'),
    }),

    /** Reloads the files. Returns the keys that need a restart. */
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

    /** Deletes untracked servers. */
    async clear(all: boolean, dry: boolean) {
      try {
        return await servers.clear(all, dry);
      } catch (error) {
        if (!(error instanceof ConnectorError)) throw error;
        throw new PenstockError('connector-failed', sentence(error.message), { cause: error });
      }
    },

    /** Loads stored objects. Must run before jobs are recovered. */
    async load(): Promise<void> {
      await applications.start();
      await hostKeys.start();
      await servers.load();
    },

    /** Begins to create and delete servers. `changed` is called after every reload of the files. */
    async open(changed: () => void): Promise<void> {
      reloaded = changed;
      await servers.open();
    },

    /** The current files. */
    files,
    applications,
    hostKeys,
    servers,
    lane,
    async close(): Promise<void> {
      await servers.close();
      await Promise.all(Object.values(executors).map((one) => one.close()));
      await hosts.close();
      await connectors.close();
    },
  };
}
