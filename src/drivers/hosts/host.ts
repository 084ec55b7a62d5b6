/** What a script on a host said, and how it ended. */
export interface Said {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
  /** How that begins which the login shell there printed before the script ran, if it printed anything. */
  noise?: string;
}

export interface ScriptOptions {
  /** Its arguments, `$1` and on. */
  args?: readonly string[];
  input?: string | Buffer;
  /** Milliseconds, after which the host counts as not answering; `usualTimeout` unless it says. */
  timeout?: number;
  signal?: AbortSignal;
  /** True for what may not wait behind others, such as a cancel: a way is kept free for these. */
  urgent?: boolean;
}

/** Milliseconds that a script may take that does not say how long. */
export const usualTimeout = 60_000;
/** Bytes that a script may say. A machine that says more is not to be believed, and shall not fill our memory. */
export const mostSaid = 32 * 2 ** 20;

export interface Transfer {
  /** Bytes that are there so far, of how many. */
  progress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/**
 * A place where programs can be run: this machine, or one that is reached over SSH. It needs a POSIX shell there and
 * nothing else. All fail with a `HostError` when the host cannot be reached; then they may be asked again.
 */
export interface Host {
  /** Runs a few lines of a POSIX shell, many at a time, and gives what they said. For small answers. */
  run(script: string, options?: ScriptOptions): Promise<Said>;
  /**
   * Brings a file there, whole or not at all: it gets its name when all of it has come, and folders that are missing
   * above it are made. A transfer that was cut off goes on where it was, when it is asked for again; its checksum is
   * compared at the end, where the host can make one.
   */
  put(from: string, to: string, options?: Transfer & { mode?: number }): Promise<void>;
  /**
   * Fetches what a file there has beyond what the one here has already, and adds it: to the end of the file as it is now.
   * So a log is followed, and a transfer that was cut off goes on.
   *
   * @param options.most bytes that the file here may have: whatever the machine has beyond stays there
   * @returns how many bytes the file here has
   */
  get(from: string, to: string, options?: Transfer & { most?: number | null }): Promise<number>;
  close(): Promise<void>;
}

/**
 * Why a host cannot be used:
 * - `unreachable`: no answer, or the connection is gone; it may come back
 * - `refused`: it does not let us in: a wrong user, key or password
 * - `shell`: it lets us in, but something else than our commands is run: a forced command, or another program in the
 *   place of the login shell
 * - `host-key`: it is not the one that it was, or not the one that it should be
 * - `gone`: it does not exist any more, and will not come back
 * - `full`: there is no room there
 * - `missing`: there is no such file, or it may not be read or written
 */
export type HostProblem = 'unreachable' | 'refused' | 'shell' | 'host-key' | 'gone' | 'full' | 'missing';

export class HostError extends Error {
  override readonly name = 'HostError';
  readonly problem: HostProblem;
  /** True if what was asked for may have been done all the same: the connection broke after it was sent. */
  readonly begun: boolean;

  constructor(problem: HostProblem, message: string, options?: ErrorOptions & { begun?: boolean }) {
    super(message, options);
    this.problem = problem;
    this.begun = options?.begun === true;
  }
}
