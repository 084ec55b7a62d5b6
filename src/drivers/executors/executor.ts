import type { Outcome } from '../../domain/jobs/outcome.js';
import type { Moment } from '../../domain/moment.js';
import type { Companion } from '../processes/runner.js';
import type { Receipt } from '../processes/terminate.js';

export type { Companion, Receipt };

/** The command to run, with its placeholders filled in. Paths are absolute. */
export interface ExecutorCommand {
  uuid: string;
  exec: string;
  argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  cwd: string;
  /** A command to put before the program, such as `stdbuf`, with its arguments. */
  before?: readonly string[];
  /** The user that it runs as, by name; null is the user that runs Penstock. */
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

/** Where the command's streams are. `folder` is this attempt's own, empty except for these. */
export interface ExecutorFiles {
  folder: string;
  stdin: string | null;
  stdout: string;
  stderr: string;
  /** The streams are opened for appending: their older parts may be cut away while the program runs. */
  append?: boolean;
  /** Our own programs that run beside it. */
  companions: readonly Companion[];
  /**
   * Where it runs, if that is another machine: the name by which the executor asks for the machine, and the folder
   * there that is this attempt's own (see `remoteFolder`). The command's paths are then those of that machine: its
   * program works in `work` of that folder. `folder`, `stdin`, `stdout` and `stderr` are still on this machine.
   */
  place?: { host: string; folder: string };
  /** Files to send to that machine before the program starts. Absolute paths, here and there. */
  send?: readonly FilePath[];
  /** Folders to make in its folder there, each a relative path. */
  folders?: readonly string[];
  /** Aborted when the run is no longer wanted: sending stops, and nothing is started. */
  unwanted?: AbortSignal;
  /** Files and folders to fetch when it has ended, if they exist: paths there and here. */
  fetch?: readonly FilePath[];
}

export interface FilePath {
  from: string;
  to: string;
}

/**
 * What finds a run again, even after a restart. Plain JSON that only its executor reads, except for `began`: when the
 * program was started, from which its time limit counts.
 */
export type Handle = { folder: string; began?: Moment; [key: string]: unknown };

/**
 * How a command is run. A driver is a function from options and dependencies to one of these; the file name is the
 * word in the definition. A program that fails is an Outcome; a platform that fails is an error.
 */
export interface Executor {
  /** Starts it. Nothing is ever started twice for one folder. */
  start(command: ExecutorCommand, files: ExecutorFiles): Promise<Handle>;
  /** How it ended. Works with a handle from before a restart. */
  wait(handle: Handle, signal?: AbortSignal): Promise<Outcome>;
  /** Ends it and everything that it started. May be called twice, and after it has ended. */
  cancel(handle: Handle, killGrace: number): Promise<Receipt>;
  /** What became of a run whose handle may never have been stored: found again, or certainly never started, now or later. */
  recover(uuid: string, folder: string, handle: Handle | null): Promise<Handle | 'never-started'>;
  close(): Promise<void>;
}
