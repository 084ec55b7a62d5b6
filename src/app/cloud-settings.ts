import { type CloudFiles, liveKeys } from '../config/config-cloud.js';
import {
  type Application,
  type ConnectorName,
  defaultApplication,
  noOrder,
} from '../domain/servers/application.js';
import { orderOf } from '../drivers/connectors/settings.js';

/** Who makes servers where an application does not say: as configured, or whoever has a file. */
export function connectorOf({ application, nova, heat }: CloudFiles): ConnectorName | null {
  return application.CONNECTOR ?? (nova !== null ? 'nova' : heat !== null ? 'heat' : null);
}

/** The application of whoever names none: all that the files say. */
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

/** How many servers there may be at the same time. */
export const maxServersOf = ({ application }: CloudFiles): number =>
  application.MAX_SERVERS ?? application.MAX_ACTIVE_TASKS;

/** Milliseconds that a server has from its order until it can be used: of whichever file gives more. */
export function bootTimeoutOf({ ssh, nova, heat }: CloudFiles): number {
  const files = [ssh, nova, heat].filter((file) => file !== null);
  const seconds = files.map((file) => file.MAX_CONNECTION_RETRIES * file.CONNECTION_RETRY_INTERVAL);
  return Math.max(...seconds) * 1000;
}

/**
 * The settings of machines elsewhere, as they are now: read at the start, and again when that is asked for.
 *
 * @param again reads the files
 * @param changed told after they were read again; what it refuses leaves everything as it was
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
     * Reads the files again, all or nothing.
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
