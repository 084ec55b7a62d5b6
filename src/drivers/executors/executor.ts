import type { Outcome } from '../../domain/jobs/outcome.js';
import type { Moment } from '../../domain/moment.js';
import type { Companion } from '../processes/runner.js';
import type { Receipt } from '../processes/terminate.js';

export type { Companion, Receipt };

/** What is to be run: a command whose placeholders are filled in. Paths are absolute. */
export interface ExecutorCommand {
  uuid: string;
  exec: string;
  argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  cwd: string;
  /** What stands before the program, such as `stdbuf`, with its arguments. */
  before?: readonly string[];
  /** Whom it runs as, by name; null is whoever runs the server. */
  user: string | null;
  /** Seconds between SIGTERM and SIGKILL. */
  killGrace: number;
  /** Bytes, seconds, processors, processes; null is no limit. */
  limits: {
    fileSize: number | null;
    memory: number | null;
    cpuTime: number | null;
    cpus: number | null;
    processes: number | null;
  };
}

/** Where the command's streams are. `folder` is this attempt's own, empty but for these. */
export interface ExecutorFiles {
  folder: string;
  stdin: string | null;
  stdout: string;
  stderr: string;
  /** The streams are appended to: what was written may be cut away while the program runs. */
  append?: boolean;
  /** Programs of ours that run beside it. */
  companions: readonly Companion[];
  /**
   * Where it runs, if that is another machine: the name by which the executor asks for the machine, and the folder there
   * that is this attempt's own (see `remoteFolder`). The command's paths are then those of that machine: its program
   * works in `work` of that folder. `folder`, `stdin`, `stdout` and `stderr` are here nevertheless.
   */
  place?: { host: string; folder: string };
  /** Files that are brought to that machine before the program starts. Absolute paths, from here and there. */
  send?: readonly FilePath[];
  /** Aborted when the run is not wanted any more: what is being sent is given up, and nothing is started. */
  unwanted?: AbortSignal;
  /** Files and folders that are brought back when it has ended, if they are there then: from there and here. */
  fetch?: readonly FilePath[];
}

export interface FilePath {
  from: string;
  to: string;
}

/**
 * What finds a run again, also after a restart. Plain JSON; only its executor reads it, but for `began`: when the program
 * was started, from which its time is counted.
 */
export type Handle = { folder: string; began?: Moment; [key: string]: unknown };

/**
 * How a command is run. A driver is a function from options and dependencies to one of these; the file name is the
 * word in the definition. A program that fails is an Outcome; a platform that fails is an error.
 */
export interface Executor {
  /** Starts it. Nothing is started twice for one folder, whoever asks. */
  start(command: ExecutorCommand, files: ExecutorFiles): Promise<Handle>;
  /** How it ended. Works after a restart of ours, with a handle from before it. */
  wait(handle: Handle, signal?: AbortSignal): Promise<Outcome>;
  /** Ends it and everything that it started. May be called twice, and for what has ended. */
  cancel(handle: Handle, killGrace: number): Promise<Receipt>;
  /**
   * What became of a run whose handle may never have been stored: found again, or certainly not started, now or
   * ever.
   */
  recover(uuid: string, folder: string, handle: Handle | null): Promise<Handle | 'never-started'>;
  close(): Promise<void>;
}
