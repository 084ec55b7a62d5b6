/**
 * The life of a server. `requested`: the ledger says that it is wanted, the cloud may not know yet; `booting`: the cloud
 * has it, nobody has reached it; `ready`: reached, and being prepared, or looked at again; `busy`: runs a job; `idle`: waits for one;
 * `error`: of no use any more, and still to be deleted; `deleting`: its end was asked for; `deleted`: the cloud has
 * nothing of it left.
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

/** What a server may become. Each change is made only if it is still in the state that it comes from. */
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

/** True for one that will run jobs, once it is up. What is in error or on its way out is no capacity. */
export const isCapacity = (state: ServerState): boolean =>
  state === 'requested' || state === 'booting' || state === 'ready' || state === 'busy' || state === 'idle';

/** True for one that will be free for a job without one being asked to end: on its way up. */
export const isComing = (state: ServerState): boolean =>
  state === 'requested' || state === 'booting' || state === 'ready';

/** What a server is to be like. Names and ids both do, where a cloud knows both. */
export interface ServerOrder {
  /** Decided before the cloud is asked, and stored: a create whose answer was lost is found again by it. */
  name: string;
  image: string | null;
  flavor: string | null;
  keyName: string | null;
  networks: readonly string[];
  securityGroups: readonly string[];
  /** What the server is given at its first boot, for cloud-init or whatever stands for it. */
  userData: string | null;
  /** The network or pool that a floating IP is taken from; `true`: any; `false`: the server has none. */
  floatingIp: string | boolean;
  /** Further settings of the one connector, as its part of the application says. */
  more: Readonly<Record<string, unknown>>;
}

/** How a machine is reached: by SSH, or not at all, because it is this one. */
export type Reach =
  | { by: 'ssh'; address: string; port: number; user: string | null; hostKey: string | null }
  | { by: 'here' };
