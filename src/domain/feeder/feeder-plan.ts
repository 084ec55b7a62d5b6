import type { Framing } from './framing.js';

/** How the feeder brings a program its input. Paths are absolute, sizes in bytes. */
export type Inlet =
  | { kind: 'pipe'; path: string; chunk: number }
  | { kind: 'port'; port: number; chunk: number }
  /** `quiet`: after so many seconds of only waiting for more, the program is told to end; null: never. */
  | { kind: 'append'; path: string; chunk: number; quiet: number | null };

/** How the feeder fetches a program's output. */
export type Outlet =
  | { kind: 'pipe'; path: string }
  | { kind: 'port'; port: number }
  /** `from`: the file before the program started, whose bytes are not output; null if there was none. */
  | { kind: 'append'; path: string; from: { key: string; size: number } | null };

/** What a feeder must do: the file `feeder.json` in an attempt's folder. At least one of `inlet` and `outlet` is present. */
export interface FeederPlan {
  inlet: Inlet | null;
  outlet: Outlet | null;
  /** The file with the input; null for an empty one, and in a fed run. */
  input: string | null;
  /** The file that the output is written to; null in a fed run. */
  output: string | null;
  /** The output's largest size; at most one byte more is written. */
  limit: number | null;
  /** Messages come, and records go, over the socket `feed.sock` in the attempt's folder. */
  feed: { framing: Framing } | null;
  /** Seconds between SIGTERM and SIGKILL. */
  killGrace: number;
}

/** What a feeder reports in the file `feeder.done` when it has finished. */
export interface FeederReport {
  /** Why it failed, as a sentence without a full stop; null if it did not. */
  problem: string | null;
  /** Seconds of quiet after which it told the program to end; null if it did not. */
  toldToEnd: number | null;
  /** The ports on which the program never listened. */
  unheard: number[];
}

/** Identifies a file, even if it has been renamed. The inode number alone is not enough: it is reused once a file is gone. */
export const fileKey = ({ ino, birthtimeNs }: { ino: bigint; birthtimeNs: bigint }): string =>
  `${ino}:${birthtimeNs}`;

export const planFile = 'feeder.json';
export const reportFile = 'feeder.done';
export const socketFile = 'feed.sock';
