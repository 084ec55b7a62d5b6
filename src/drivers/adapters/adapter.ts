import type { PlaceholderValues } from '../../domain/definitions/placeholder.js';
import type { PlacedRun } from '../../domain/definitions/places.js';
import type { Inlet, Outlet } from '../../domain/feeder/feeder-plan.js';
import type { Framing } from '../../domain/feeder/framing.js';
import type { PipedFiles } from '../hosts/scripts/remote-pipes.js';

/** What an adapter is told about the run that it serves. Paths are absolute; `folder` is one of this machine. */
export interface AdapterContext extends PlacedRun {
  /** The attempt's own folder on the machine that it runs on; null if it runs on this one, or has no place yet. */
  there: string | null;
  /** The job's input as received, or null if there is none. */
  input: { file: string; name: string } | null;
  /** How records are told apart if the run is fed message by message; null for a job with one input. */
  feed: { framing: Framing } | null;
  /** The user that the program runs as, if not the one that runs Penstock. */
  user: string | null;
}

/** A file's absolute paths on both machines. */
export interface FilePath {
  from: string;
  to: string;
}

/** A prepared input: values for placeholders, and the program's standard input, if that is the input. */
export interface PreparedInput {
  values: PlaceholderValues;
  stdin: string | null;
  /** How the feeder brings it, if it does. */
  inlet?: Inlet;
  /** Files to send to another machine before the program starts there. */
  send?: readonly FilePath[];
  /** The named pipe there that one of these files is written into. */
  pipe?: PipedFiles['input'];
}

/** A prepared output: values for placeholders, and streams that do not go to the logs. */
export interface PreparedOutput {
  values: PlaceholderValues;
  stdout?: string;
  stderr?: string;
  /** How the feeder fetches it, if it does. */
  outlet?: Outlet;
  /** Files to fetch from another machine when the program has ended there. */
  fetch?: readonly FilePath[];
  /** The named pipe there that is read into one of these files. */
  pipe?: PipedFiles['output'];
}

/** The output: a file in the attempt's folder; null if the program wrote none. */
export interface Taken {
  output: string | null;
  /** A note for people about it, as a sentence. */
  note?: string | null;
}

/** How input reaches a program. It is prepared before the output is. */
export interface InputAdapter {
  prepare(context: AdapterContext): Promise<PreparedInput>;
  /** Removes what was prepared for the program, whether it ran or never started, so that it does not disturb another run. */
  clear(context: AdapterContext): Promise<void>;
}

/** How a program's output is collected. */
export interface OutputAdapter {
  prepare(context: AdapterContext): Promise<PreparedOutput>;
  clear(context: AdapterContext): Promise<void>;
  /** Works from the context alone, so that it can run after a restart, and twice. */
  finish(context: AdapterContext): Promise<Taken>;
}

/** Both sides of one word in a definition. A definition combines any input with any output. */
export interface Adapter {
  input: InputAdapter;
  output: OutputAdapter;
}
