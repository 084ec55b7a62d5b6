/**
 * The life of a server. `requested`: recorded here, but the cloud may not know it yet; `booting`: the cloud has it, but
 * it has not been reached; `ready`: reached, and being prepared or checked again; `busy`: runs a job; `idle`: waits for
 * one; `error`: no longer of use, and still to be deleted; `deleting`: its deletion was requested; `deleted`: the cloud
 * has nothing of it left.
 */
export const serverStates = [
  'requested',
  'booting',
  'ready',
  'busy',
  'idle',
  'error',
  'deleting',
  'deleted',
] as const;

export type ServerState = (typeof serverStates)[number];

/** The legal changes of state. Each is made only if the server is still in the state that the change starts from. */
export const serverChanges: Readonly<Record<ServerState, readonly ServerState[]>> = {
  requested: ['booting', 'error', 'deleting'],
  booting: ['ready', 'error', 'deleting'],
  ready: ['idle', 'busy', 'error', 'deleting'],
  busy: ['idle', 'ready', 'error', 'deleting'],
  idle: ['busy', 'error', 'deleting'],
  error: ['deleting'],
  deleting: ['deleted'],
  deleted: [],
};

/** True for a server that will run jobs once it is up. A server in error or on its way out is not capacity. */
export const isCapacity = (state: ServerState): boolean =>
  state === 'requested' || state === 'booting' || state === 'ready' || state === 'busy' || state === 'idle';

/** True for a server on its way up, which will become free for a job by itself. */
export const isComing = (state: ServerState): boolean =>
  state === 'requested' || state === 'booting' || state === 'ready';

/** What kind of server to create. Where a cloud has both names and ids, either will do. */
export interface ServerOrder {
  /** Chosen and stored before the cloud is asked, so that a server whose create request lost its answer can be found by it. */
  name: string;
  image: string | null;
  flavor: string | null;
  keyName: string | null;
  networks: readonly string[];
  securityGroups: readonly string[];
  /** What the server gets at its first boot, for cloud-init or its like. */
  userData: string | null;
  /** The network or pool that a floating IP is taken from; `true`: any; `false`: none. */
  floatingIp: string | boolean;
  /** Further settings for its connector, from that connector's part of the application. */
  more: Readonly<Record<string, unknown>>;
}

/** How a machine is reached: by SSH, or not at all, because it is this one. */
export type Reach =
  | { by: 'ssh'; address: string; port: number; user: string | null; hostKey: string | null }
  | { by: 'here' };
