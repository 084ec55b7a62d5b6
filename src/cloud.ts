import { readdir } from 'node:fs/promises';
import { farAdapters } from './adapters/adapters.js';
import { bootTimeoutOf, cloudSettings, defaultsOf, maxServersOf } from './cloud-settings.js';
import type { Config } from './config.js';
import type { CloudFiles, MachineEntry, SshFile } from './config-cloud.js';
import { type Connector, ConnectorError, type Reach, type ServerReference } from './connectors/connector.js';
import { heatConnector } from './connectors/heat.js';
import { localConnector } from './connectors/local.js';
import { novaConnector } from './connectors/nova.js';
import { heatOptions, novaOptions } from './connectors/settings.js';
import { staticConnector } from './connectors/static.js';
import { shownConfig } from './dialects/pipeline-scheduler/config-view.js';
import { messageOf, PenstockError } from './errors.js';
import { remoteExecutor } from './executors/remote.js';
import type { Host } from './hosts/host.js';
import { sshHost } from './hosts/ssh.js';
import type { SshLogin } from './hosts/ssh-login.js';
import { thisMachine } from './hosts/this-machine.js';
import type { Logger } from './log.js';
import { applicationService } from './services/applications.js';
import { checkWhere } from './services/whereabouts.js';
import type { Store } from './store/store.js';
import type { LaneKey, LaneOptions } from './worker/lanes.js';
import { machinePlaces } from './worker/machines.js';
import { missingFor, openServers } from './worker/servers/open-servers.js';

/** Everything that runs programs elsewhere: connectors, servers, machines, and the lanes that lead there. */
export function openCloud(options: {
  store: Store;
  instance: string;
  config: Pick<Config, 'configFolder' | 'cloud' | 'readCloud'>;
  log: Logger;
  clock: () => Date;
}) {
  const { store, instance, log, clock } = options;
  const { configFolder: folder, cloud: read, readCloud } = options.config;
  let connectors = connectorsOf(read);
  let reloaded = () => {};
  const settings = cloudSettings(read, readCloud, (files) => {
    const before = connectors;
    connectors = connectorsOf(files);
    for (const one of before.values()) void one.close();
  });

  /** Those that the files have a word of; this machine always stands in where it is asked to. */
  function connectorsOf(files: CloudFiles): Map<string, Connector> {
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
    return made;
  }

  const applications = applicationService({
    store,
    defaults: () => defaultsOf(settings.current()),
    changed: () => servers.changed(),
    clock,
  });

  function openHost(
    reach: Reach,
    login: Partial<MachineEntry>,
    learned: (hostKey: string) => Promise<void>,
  ): Host {
    if (reach.by === 'here') return thisMachine();
    const { ssh } = settings.current();
    return sshHost({
      ...loginOf(ssh, login),
      address: reach.address,
      port: reach.port,
      user: reach.user ?? login.AUTH_USER ?? ssh.AUTH_USER ?? 'root',
      hostKey: reach.hostKey,
      learned,
      jump: jumpOf(ssh, login.NAME ?? null),
      times: timesOf(ssh),
    });
  }

  /** A server that is one of the machines of ssh.yaml is logged in to as it says there. */
  const entryAt = (reach: Reach): Partial<MachineEntry> =>
    settings
      .current()
      .ssh.MACHINES.find(
        ({ ADDRESS, PORT }) => reach.by === 'ssh' && ADDRESS === reach.address && PORT === reach.port,
      ) ?? {};

  const servers = openServers({
    store,
    instance,
    log,
    clock,
    applications,
    connectors: () => connectors,
    openHost: (_name, reach, learned) => openHost(reach, entryAt(reach), learned),
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

  /** Connections to machines of ssh.yaml, with what they were opened by: another login needs another one. */
  const machines = new Map<string, { by: string; host: Host }>();
  async function machine(name: string): Promise<Host> {
    const { ssh } = settings.current();
    const entry = ssh.MACHINES.find(({ NAME }) => NAME === name);
    if (entry === undefined) throw new PenstockError('not-found', `there is no machine ${name} in ssh.yaml`);
    const by = JSON.stringify([entry, ssh]);
    const known = machines.get(name);
    if (known?.by === by) return known.host;
    const address = `${entry.ADDRESS}:${entry.PORT}`;
    const hostKey = entry.HOST_KEY ?? (await store.servers.hostKey(address));
    const reach = {
      by: 'ssh',
      address: entry.ADDRESS,
      port: entry.PORT,
      user: entry.AUTH_USER,
      hostKey,
    } as const;
    const host = openHost(reach, entry, (learned) => store.servers.pinHostKey(address, learned, clock()));
    machines.set(name, { by, host });
    void known?.host.close();
    return host;
  }

  const patience = () => settings.current().ssh.LOST_AFTER;
  const executors = {
    ssh: remoteExecutor({ instance, hostOf: machine, patience: patience() }),
    cloud: remoteExecutor({ instance, hostOf: (name) => servers.hostOf(name), patience: patience() }),
  };
  const common = () => ({
    adapters: farAdapters,
    scripts: () => settings.current().application.LOCAL_SCRIPTS_FOLDER,
    platformRetries: () => settings.current().application.MAX_TASK_ATTEMPTS - 1,
  });

  /** The lane of what does not run here. */
  function lane({ executor, host }: LaneKey): LaneOptions {
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
    const entry = () => settings.current().ssh.MACHINES.find(({ NAME }) => NAME === host);
    const base = () => entry()?.REMOTE_BASE_FOLDER ?? settings.current().application.REMOTE_BASE_FOLDER;
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
      config: () => shownConfig(settings.current()),
      /** Reads the files again; gives the keys that need a restart. */
      reload(): string[] {
        try {
          const restart = settings.reload();
          servers.changed();
          reloaded();
          return restart;
        } catch (error) {
          throw new PenstockError('config-refused', messageOf(error), { cause: error });
        }
      },
      async clear(all: boolean, dry: boolean) {
        try {
          return await servers.clear(all, dry);
        } catch (error) {
          if (!(error instanceof ConnectorError)) throw error;
          throw new PenstockError('connector-failed', error.message, { cause: error });
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

    /** Asked before a run is accepted. */
    checkWhere: checkWhere({
      applications,
      missing: (application) => missingFor(application, connectors),
      machines: () => settings.current().ssh.MACHINES.map(({ NAME }) => NAME),
    }),

    /** Reads what there is; before jobs are taken up. */
    async load(): Promise<void> {
      await applications.start();
      await servers.load();
    },

    /** From now on servers come and go; `changed` is told whenever the files have been read again. */
    async open(changed: () => void): Promise<void> {
      reloaded = changed;
      await servers.open();
    },

    settings,
    applications,
    servers,
    lane,
    async close(): Promise<void> {
      await servers.close();
      await Promise.all(Object.values(executors).map((one) => one.close()));
      await Promise.all([...machines.values()].map(({ host }) => host.close()));
      await Promise.all([...connectors.values()].map((one) => one.close()));
    },
  };
}

export type Cloud = ReturnType<typeof openCloud>;

/** How a machine lets us in: as it says itself, or as all do. */
const loginOf = (ssh: SshFile, own: Partial<MachineEntry>) => ({
  keyFile: own.AUTH_KEYFILE ?? ssh.AUTH_KEYFILE,
  // The older scheduler unlocked the key with the password.
  passphrase: ssh.AUTH_PASSPHRASE ?? own.AUTH_PASSWORD ?? ssh.AUTH_PASSWORD,
  agent: ssh.AUTH_AGENT,
  password: own.AUTH_PASSWORD ?? ssh.AUTH_PASSWORD,
});

/** The machine that another is reached through; it is not reached through itself. */
function jumpOf(ssh: SshFile, name: string | null): SshLogin | null {
  const jump = ssh.MACHINES.find(({ NAME }) => NAME === ssh.JUMP_HOST);
  if (jump === undefined || jump.NAME === name) return null;
  return {
    ...loginOf(ssh, jump),
    address: jump.ADDRESS,
    port: jump.PORT,
    user: jump.AUTH_USER ?? ssh.AUTH_USER ?? 'root',
    hostKey: jump.HOST_KEY,
  };
}

const timesOf = (ssh: SshFile) => ({
  connect: ssh.CONNECT_TIMEOUT * 1000,
  keepAlive: ssh.KEEPALIVE_INTERVAL * 1000,
});
