/**
 * The terms of the benchmark: a row measures one kind of work on both sides. Its lines say what is compared
 * with what.
 */

/** A measured number, or the reason why it is missing. */
export type Figure = number | { missing: string };

/** The figures of one side, by name. */
export type Figures = Record<string, Figure>;

/** The goal of a line, in words and as a test. */
export interface Goal {
  text: string;
  /** Undefined if the goal is relative to a peer that was not measured. */
  reached(ours: number, peer: number | undefined): boolean | undefined;
}

/** One line of the printed table. `peer.figure` and `ours` are names in the row's figures. */
export interface Line {
  work: string;
  unit: string;
  peer?: { name: string; figure: string };
  ours: string;
  /** A line without a goal is for orientation only. */
  goal?: Goal;
}

/** What every row gets. */
export interface Context {
  /** Short runs, only to check that everything works. */
  quick: boolean;
  /** Whether missing peers may be installed with apt-get. */
  install: boolean;
  /** How long to measure a throughput, in seconds. */
  seconds: number;
  /** An empty temporary folder, removed at the end. */
  folder(name: string): string;
  /** A line for the reader, printed below the table. */
  note(text: string): void;
}

/** One kind of work. `name` is its name for `--only`. */
export interface Row {
  name: string;
  target: string;
  lines(context: Context): Line[];
  peer(context: Context): Promise<Figures>;
  ours(context: Context): Promise<Figures>;
}

/** At least `factor` times the peer's figure. */
export const atLeastTimes = (factor: number): Goal => ({
  text: `≥ ${factor} × peer`,
  reached: (ours, peer) => (peer === undefined ? undefined : ours >= factor * peer),
});

/** At most `factor` times the peer's figure. */
export const atMostTimes = (factor: number): Goal => ({
  text: `≤ ${factor} × peer`,
  reached: (ours, peer) => (peer === undefined ? undefined : ours <= factor * peer),
});

/** At least `limit`, whatever the peer does. */
export const atLeast = (limit: number, unit: string): Goal => ({
  text: `≥ ${limit} ${unit}`,
  reached: (ours) => ours >= limit,
});

/** Less than `limit`, whatever the peer does. */
export const under = (limit: number, unit: string): Goal => ({
  text: `< ${limit} ${unit}`,
  reached: (ours) => ours < limit,
});
