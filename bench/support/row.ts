/**
 * The words of the benchmark: a row measures one kind of work on both sides and says in lines what is
 * compared with what.
 */

/** A measured number, or why there is none. */
export type Figure = number | { missing: string };

/** What one side measured, by name. */
export type Figures = Record<string, Figure>;

/** What a line has to reach, in words and as a test. */
export interface Goal {
  text: string;
  /** Undefined when it cannot be told: the peer that it is relative to was not measured. */
  reached(ours: number, peer: number | undefined): boolean | undefined;
}

/** One line of the printed table. `peer.figure` and `ours` are names in the row's figures. */
export interface Line {
  work: string;
  unit: string;
  peer?: { name: string; figure: string };
  ours: string;
  /** A line without a goal is there for orientation. */
  goal?: Goal;
}

/** What every row gets to work with. */
export interface Context {
  /** Short runs: to see that everything works, not to quote. */
  quick: boolean;
  /** Whether missing peers may be installed with apt-get. */
  install: boolean;
  /** How long a throughput is measured, in seconds. */
  seconds: number;
  /** An empty temporary folder, removed at the end. */
  folder(name: string): string;
  /** A line for the reader, printed below the table. */
  note(text: string): void;
}

/** One kind of work. `name` is the word for `--only`. */
export interface Row {
  name: string;
  target: string;
  lines(context: Context): Line[];
  peer(context: Context): Promise<Figures>;
  ours(context: Context): Promise<Figures>;
}

/** At least so many times the peer's figure. */
export const atLeastTimes = (factor: number): Goal => ({
  text: `≥ ${factor} × peer`,
  reached: (ours, peer) => (peer === undefined ? undefined : ours >= factor * peer),
});

/** At most so many times the peer's figure. */
export const atMostTimes = (factor: number): Goal => ({
  text: `≤ ${factor} × peer`,
  reached: (ours, peer) => (peer === undefined ? undefined : ours <= factor * peer),
});

/** At least so much, whatever the peer does. */
export const atLeast = (limit: number, unit: string): Goal => ({
  text: `≥ ${limit} ${unit}`,
  reached: (ours) => ours >= limit,
});

/** Less than so much, whatever the peer does. */
export const under = (limit: number, unit: string): Goal => ({
  text: `< ${limit} ${unit}`,
  reached: (ours) => ours < limit,
});
