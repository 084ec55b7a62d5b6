import type { Reach, ServerOrder } from '../../domain/servers/server.js';

export type { Reach, ServerOrder };

/** A server as the cloud shows it. */
export interface CloudServer {
  /** The cloud's own id. */
  id: string;
  name: string;
  /** The installation that created it, from the server's metadata; null is somebody else's. */
  instance: string | null;
  state: 'building' | 'active' | 'stopped' | 'error' | 'deleting';
  /** The reason for its error, in the cloud's words. */
  fault: string | null;
  /** What the fault means; null if that is unknown, or there is no fault. */
  problem: ConnectorProblem | null;
}

/** How to find a server: by its id, or by its name if the answer with the id was lost. */
export interface ServerReference {
  name: string;
  id: string | null;
  /**
   * It may be deleted although it does not carry our instance id, because an admin asked for it. Otherwise another
   * installation's server is refused. Things that belong to it, such as its floating IP, stay.
   */
  foreign?: boolean;
  /** A needed server of ours has the same name: delete only the one with this id. */
  only?: boolean;
}

/**
 * Creates servers: through a cloud's API, from a list of machines, or with this machine standing in. A driver is a
 * function from options and dependencies to one of these. No method waits for a server to be up: the caller asks again.
 * All fail with a `ConnectorError`.
 */
export interface Connector {
  /**
   * Creates a server that carries our instance id, and returns its id. If a server of ours already has the name, it is
   * that server: so a create whose answer was lost can be repeated.
   */
  create(order: ServerOrder): Promise<string>;
  /** All servers of the project, including other people's. */
  list(): Promise<CloudServer[]>;
  /**
   * Where an active server can be reached, after doing whatever that takes, such as getting a floating IP; null while
   * it is not reachable yet. May be called again, and does nothing twice. Fails with the fault if the server is in
   * error or gone.
   */
  reach(server: ServerReference, order: ServerOrder): Promise<Reach | null>;
  /**
   * Deletes a server with everything that was created for it. True once the cloud has nothing of it left: until then,
   * call again.
   */
  delete(server: ServerReference): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Why a request to a cloud failed:
 * - `quota`, `no-capacity`: not now; jobs wait
 * - `unavailable`: it does not answer, or reports a failure of its own; retry
 * - `refused`: never, unless something is changed: a wrong login, a missing image
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
