import type { ApplicationDocument } from '../../lib/generated/application.js';
import type { ServerOrder } from './server.js';

export const connectorNames = ['nova', 'heat', 'static', 'local'] as const;
export type ConnectorName = (typeof connectorNames)[number];

/** A file that a server gets before its first job: a text, or a copy of one of the installation's scripts. */
export type ServerFile = NonNullable<ApplicationDocument['files']>[number];

/** An application with every default filled in. */
export interface Application {
  name: string;
  connector: ConnectorName | null;
  order: Omit<ServerOrder, 'name'>;
  files: readonly ServerFile[];
  sshUser: string | null;
  sshPort: number;
  baseFolder: string;
  policy: { uses: number; idleTimeout: number; minIdle: number; maxServers: number };
}

/** The application of jobs that name none: the defaults of the configuration. */
export const defaultApplication = 'default';

/** Fills in what an application leaves out from the installation's defaults. */
export function completed(document: ApplicationDocument, defaults: Application): Application {
  const { order, policy } = defaults;
  const connector = document.connector ?? defaults.connector;
  // An image name of one cloud means nothing in another.
  const base = connector === defaults.connector ? order : noOrder;
  return {
    name: document.name,
    connector,
    order: {
      image: document.image ?? base.image,
      flavor: document.flavor ?? base.flavor,
      keyName: document.key_name ?? base.keyName,
      networks: document.networks ?? base.networks,
      securityGroups: document.security_groups ?? base.securityGroups,
      userData: document.user_data ?? base.userData,
      floatingIp: document.floating_ip ?? base.floatingIp,
      more: base.more,
    },
    files: document.files ?? defaults.files,
    sshUser: document.ssh_user ?? defaults.sshUser,
    sshPort: document.ssh_port ?? defaults.sshPort,
    baseFolder: document.remote_base_folder ?? defaults.baseFolder,
    policy: {
      uses: document.uses ?? policy.uses,
      idleTimeout: document.idle_timeout == null ? policy.idleTimeout : document.idle_timeout * 1000,
      minIdle: document.min_idle ?? policy.minIdle,
      maxServers: document.max_servers ?? policy.maxServers,
    },
  };
}

/** The order for a connector without any settings. */
export const noOrder: Omit<ServerOrder, 'name'> = {
  image: null,
  flavor: null,
  keyName: null,
  networks: [],
  securityGroups: [],
  userData: null,
  floatingIp: false,
  more: {},
};

/** What one job wants of its server, overriding its application. */
export type ServerWishes = Pick<ApplicationDocument, 'image' | 'flavor' | 'user_data'>;
