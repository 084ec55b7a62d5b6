import type { PlaceholderValues } from '../../domain/definitions/placeholder.js';
import type { PlacedRun } from '../../domain/definitions/places.js';
import type { Inlet, Outlet } from '../../domain/feeder/feeder-plan.js';
import type { Framing } from '../../domain/feeder/framing.js';
import type { PipedFiles } from '../hosts/scripts/remote-pipes.js';

/** What an adapter is told about the run that it serves. Paths are absolute; `folder` is one of this machine. */
export interface AdapterContext extends PlacedRun {
  /** The attempt's own folder on the machine that it runs on; null if that is this one, or it has none yet. */
  there: string | null;
  /** The job's input as it was received, or null if there is none. */
  input: { file: string; name: string } | null;
  /** How records are told apart where the run is fed message by message; null for a job with one input. */
  feed: { framing: Framing } | null;
  /** Whom the program runs as, where that is not who runs the server. */
  user: string | null;
}

/** A file, absolute, of the one machine and of the other. */
export interface FilePath {
  from: string;
  to: string;
}

/** What came of preparing an input: values for placeholders, and the program's standard input, if it is that. */
export interface PreparedInput {
  values: PlaceholderValues;
  stdin: string | null;
  /** How the feeder brings it, where it does. */
  inlet?: Inlet;
  /** What is brought to another machine before the program starts there. */
  send?: readonly FilePath[];
  /** The named pipe there that one of these is written into. */
  pipe?: PipedFiles['input'];
}

/** What came of preparing an output: values for placeholders, and streams that go elsewhere than to the logs. */
export interface PreparedOutput {
  values: PlaceholderValues;
  stdout?: string;
  stderr?: string;
  /** How the feeder fetches it, where it does. */
  outlet?: Outlet;
  /** What is fetched from another machine when the program has ended there. */
  fetch?: readonly FilePath[];
  /** The named pipe there that is read into one of these. */
  pipe?: PipedFiles['output'];
}

/** Where the output is: a file in the attempt's folder; null if the program made none. */
export interface Taken {
  output: string | null;
  /** What people have to know of it, in a sentence. */
  note?: string | null;
}

/** How input reaches a program. It is prepared before the output is. */
export interface InputAdapter {
  prepare(context: AdapterContext): Promise<PreparedInput>;
  /** Takes away what was laid out for the program, whether it ran or never started, lest it be in another's way. */
  clear(context: AdapterContext): Promise<void>;
}

/** How a program's output is taken. */
export interface OutputAdapter {
  prepare(context: AdapterContext): Promise<PreparedOutput>;
  clear(context: AdapterContext): Promise<void>;
  /** Works from the context alone, so that it can be done after a restart, too; and twice. */
  finish(context: AdapterContext): Promise<Taken>;
}

/** Both sides of one word in a definition. A definition combines any input with any output. */
export interface Adapter {
  input: InputAdapter;
  output: OutputAdapter;
}
