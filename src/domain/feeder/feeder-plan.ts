import type { Framing } from './framing.js';

/** How a program's input reaches it where the feeder brings it. Paths are absolute, sizes in bytes. */
export type Inlet =
  | { kind: 'pipe'; path: string; chunk: number }
  | { kind: 'port'; port: number; chunk: number }
  /** `quiet`: seconds after which a program that only waits for more is told to end; null: never. */
  | { kind: 'append'; path: string; chunk: number; quiet: number | null };

/** How a program's output comes where the feeder fetches it. */
export type Outlet =
  | { kind: 'pipe'; path: string }
  | { kind: 'port'; port: number }
  /** `from`: the file as it was before the program started, whose bytes are no output; null if there was none. */
  | { kind: 'append'; path: string; from: { key: string; size: number } | null };

/**
 * What a feeder is to do, as the file `feeder.json` of an attempt's folder says. Of `inlet` and `outlet` at least one
 * is there.
 */
export interface FeederPlan {
  inlet: Inlet | null;
  outlet: Outlet | null;
  /** The file with the input; null for an empty one, and in a fed run. */
  input: string | null;
  /** The file that the output is written to; null in a fed run. */
  output: string | null;
  /** The output's largest size; one byte more is written, no further one. */
  limit: number | null;
  /** Messages come, and records go, over the socket `feed.sock` in the attempt's folder. */
  feed: { framing: Framing } | null;
  /** Seconds between SIGTERM and SIGKILL. */
  killGrace: number;
}

/** What a feeder says of its work when it is done, in the file `feeder.done`. */
export interface FeederReport {
  /** Why it could not do it, as a sentence without a full stop. */
  problem: string | null;
  /** Seconds of quiet after which it told the program to end; null if it did not. */
  toldToEnd: number | null;
  /** The ports on which the program never listened. */
  unheard: number[];
}

/** Tells a file from any other, whatever it is called by now: the number of one that is gone is given to another. */
export const fileKey = ({ ino, birthtimeNs }: { ino: bigint; birthtimeNs: bigint }): string =>
  `${ino}:${birthtimeNs}`;

export const planFile = 'feeder.json';
export const reportFile = 'feeder.done';
export const socketFile = 'feed.sock';
