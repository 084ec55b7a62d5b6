import type { ServerOrder } from './server.js';

export const connectorNames = ['nova', 'heat', 'static', 'local'] as const;
export type ConnectorName = (typeof connectorNames)[number];

/** An application as it is sent and kept. What is missing or null is as the installation says. */
export interface ApplicationDocument {
  name: string;
  description?: string | null;
  connector?: ConnectorName | null;
  image?: string | null;
  flavor?: string | null;
  key_name?: string | null;
  networks?: string[] | null;
  security_groups?: string[] | null;
  floating_ip?: boolean | string | null;
  user_data?: string | null;
  files?: ApplicationFile[];
  ssh_user?: string | null;
  ssh_port?: number | null;
  remote_base_folder?: string | null;
  uses?: number | null;
  idle_timeout?: number | null;
  min_idle?: number | null;
  max_servers?: number | null;
}

/** A file that a server is given before its first job: a text, or a copy of one of the installation's scripts. */
export interface ApplicationFile {
  path: string;
  text?: string;
  script?: string;
  mode?: string;
}

/** An application with every default filled in. */
export interface Application {
  name: string;
  connector: ConnectorName | null;
  order: Omit<ServerOrder, 'name'>;
  files: readonly ApplicationFile[];
  sshUser: string | null;
  sshPort: number;
  baseFolder: string;
  policy: { uses: number; idleTimeout: number; minIdle: number; maxServers: number };
}

/** The application of whoever names none: what the configuration says. */
export const defaultApplication = 'default';

/** Fills in what an application leaves to the installation. */
export function completed(document: ApplicationDocument, defaults: Application): Application {
  const { order, policy } = defaults;
  const connector = document.connector ?? defaults.connector;
  // What one cloud calls an image is nothing to another.
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

/** Of a connector that nothing is said of. */
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

/** What one job wants of its server, instead of what its application says. */
export type ServerWishes = Pick<ApplicationDocument, 'image' | 'flavor' | 'user_data'>;
