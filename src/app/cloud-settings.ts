import { type CloudFiles, liveKeys } from '../config/config-cloud.js';
import {
  type Application,
  type ConnectorName,
  defaultApplication,
  noOrder,
} from '../domain/servers/application.js';
import { orderOf } from '../drivers/connectors/settings.js';

/** The connector of applications that name none: the configured one, or else one that has a file. */
export function connectorOf({ application, nova, heat }: CloudFiles): ConnectorName | null {
  return application.CONNECTOR ?? (nova !== null ? 'nova' : heat !== null ? 'heat' : null);
}

/** The application of jobs that name none: the defaults of the files. */
export function defaultsOf(files: CloudFiles): Application {
  const { application, ssh, nova, heat } = files;
  const connector = connectorOf(files);
  const file = { nova, heat, static: null, local: null, none: null }[connector ?? 'none'];
  return {
    name: defaultApplication,
    connector,
    order: file === null ? noOrder : orderOf(file),
    files: [],
    sshUser: ssh.AUTH_USER,
    sshPort: 22,
    baseFolder: application.REMOTE_BASE_FOLDER,
    policy: {
      uses: application.VIRTUAL_SERVER_TTL,
      idleTimeout: application.IDLE_TIMEOUT * 1000,
      minIdle: application.MIN_IDLE,
      maxServers: maxServersOf(files),
    },
  };
}

/** How many servers may exist at the same time. */
export const maxServersOf = ({ application }: CloudFiles): number =>
  application.MAX_SERVERS ?? application.MAX_ACTIVE_TASKS;

/** How many milliseconds a server may take from its creation until it can be used: the most that any file allows. */
export function bootTimeoutOf({ ssh, nova, heat }: CloudFiles): number {
  const files = [ssh, nova, heat].filter((file) => file !== null);
  const seconds = files.map((file) => file.MAX_CONNECTION_RETRIES * file.CONNECTION_RETRY_INTERVAL);
  return Math.max(...seconds) * 1000;
}

/**
 * The current settings of remote machines: read at the start, and again on a reload.
 *
 * @param again reads the files
 * @param changed called with the new files; if it throws, the old ones stay in effect
 */
export function cloudSettings(
  read: CloudFiles,
  again: () => CloudFiles,
  changed: (files: CloudFiles) => void,
) {
  let files = read;
  return {
    current: (): CloudFiles => files,

    /**
     * Reloads the files, all or nothing.
     *
     * @returns the keys of application.yaml that have changed but need a restart
     */
    reload(): string[] {
      const next = again();
      changed(next);
      const before = read.application;
      files = next;
      const keys = Object.keys(before) as (keyof typeof before)[];
      return keys.filter(
        (key) =>
          !liveKeys.includes(key) && JSON.stringify(before[key]) !== JSON.stringify(next.application[key]),
      );
    },
  };
}
