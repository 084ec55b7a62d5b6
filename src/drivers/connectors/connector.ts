import type { Reach, ServerOrder } from '../../domain/servers/server.js';

export type { Reach, ServerOrder };

/** A server as the cloud shows it. */
export interface CloudServer {
  /** The cloud's own id. */
  id: string;
  name: string;
  /** The installation that made it, as it said in the server's metadata; null is somebody else's. */
  instance: string | null;
  state: 'building' | 'active' | 'stopped' | 'error' | 'deleting';
  /** Why it is in error, in the cloud's words. */
  fault: string | null;
  /** What the fault means; null where that cannot be told, or there is none. */
  problem: ConnectorProblem | null;
}

/** How a server is found again: by its id, or by its name where the answer that told the id was lost. */
export interface ServerReference {
  name: string;
  id: string | null;
  /**
   * It may be deleted though it does not carry our instance id: an admin has said so. Without this, another's is
   * refused. What it has besides, such as its floating IP, stays with whoever made that.
   */
  foreign?: boolean;
  /** Another of ours that is needed has its name: just what the id means is deleted. */
  only?: boolean;
}

/**
 * Who makes servers: a cloud's API, a list of machines, or this machine standing in. A driver is a function from options
 * and dependencies to one of these. Nothing here waits for a server to be up: whoever needs it asks again.
 * All fail with a `ConnectorError`.
 */
export interface Connector {
  /**
   * Has a server made that carries our instance id, and tells its id. What has the name already, and is ours, is that
   * server: so a create whose answer was lost is asked again.
   */
  create(order: ServerOrder): Promise<string>;
  /** All servers of the project, also other people's. */
  list(): Promise<CloudServer[]>;
  /**
   * Where an active server can be reached, with all that this takes, such as a floating IP; null while there is no
   * way yet. May be asked again, and then does nothing twice. Fails, with the fault, where there will never be one:
   * the server is in error, or gone.
   */
  reach(server: ServerReference, order: ServerOrder): Promise<Reach | null>;
  /** Deletes a server with all that was made for it. True once the cloud has nothing of it left: until then, ask again. */
  delete(server: ServerReference): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Why a cloud did not do what it was asked:
 * - `quota`, `no-capacity`: not now; who needs it waits
 * - `unavailable`: it does not answer, or says that it is out of order; it is asked again
 * - `refused`: never, unless something is changed: a login, an image that is not there
 */
export type ConnectorProblem = 'quota' | 'no-capacity' | 'unavailable' | 'refused';

export class ConnectorError extends Error {
  override readonly name = 'ConnectorError';
  readonly problem: ConnectorProblem;

  constructor(problem: ConnectorProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}
