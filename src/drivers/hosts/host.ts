/** The output of a script on a host, and how it ended. */
export interface Said {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
  /** The beginning of what the login shell printed before the script ran, if anything. */
  noise?: string;
}

export interface ScriptOptions {
  /** Its arguments, `$1` and on. */
  args?: readonly string[];
  input?: string | Buffer;
  /** Milliseconds after which the host counts as not answering; by default `usualTimeout`. */
  timeout?: number;
  signal?: AbortSignal;
  /** True for scripts that must not wait behind others, such as a cancel: one channel is kept free for these. */
  urgent?: boolean;
}

/** Milliseconds that a script may take by default. */
export const usualTimeout = 60_000;
/** The most bytes that a script may print. A machine that sends more cannot be trusted, and must not fill our memory. */
export const mostSaid = 32 * 2 ** 20;

export interface Transfer {
  /** Called with the bytes transferred so far, and the total. */
  progress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/**
 * A place to run programs: this machine, or one reached over SSH. It needs nothing but a POSIX shell. All methods fail
 * with a `HostError` if the host cannot be reached; then they may be called again.
 */
export interface Host {
  /** Runs a few lines in a POSIX shell and returns their output; many may run at a time. For small answers. */
  run(script: string, options?: ScriptOptions): Promise<Said>;
  /**
   * Sends a file, completely or not at all: it gets its name once all of it has arrived, and missing parent folders are
   * made. When repeated, an interrupted transfer resumes; at the end the checksum is compared, if the host can compute
   * one.
   */
  put(from: string, to: string, options?: Transfer & { mode?: number }): Promise<void>;
  /**
   * Fetches what a file there has beyond the local one, and appends it. So a log can be followed, and an interrupted
   * transfer resumes.
   *
   * @param options.most the most bytes of the local file: anything beyond stays on the machine
   * @returns how many bytes the local file has
   */
  get(from: string, to: string, options?: Transfer & { most?: number | null }): Promise<number>;
  close(): Promise<void>;
}

/**
 * Why a host cannot be used:
 * - `unreachable`: no answer, or the connection is gone; it may come back
 * - `refused`: it rejects the login: a wrong user, key or password
 * - `shell`: the login works, but our commands are not run: there is a forced command, or another program in place of
 *   the login shell
 * - `host-key`: it shows another host key than before, or than expected
 * - `gone`: it no longer exists, and will not come back
 * - `full`: its disk is full
 * - `missing`: a file does not exist there, or may not be read or written
 */
export type HostProblem = 'unreachable' | 'refused' | 'shell' | 'host-key' | 'gone' | 'full' | 'missing';

export class HostError extends Error {
  override readonly name = 'HostError';
  readonly problem: HostProblem;
  /** True if the request may have been carried out: the connection broke after it was sent. */
  readonly begun: boolean;

  constructor(problem: HostProblem, message: string, options?: ErrorOptions & { begun?: boolean }) {
    super(message, options);
    this.problem = problem;
    this.begun = options?.begun === true;
  }
}
