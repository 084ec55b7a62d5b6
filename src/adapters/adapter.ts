import type { BasePlaces, Places } from '../domain/command.js';
import type { ProcessDefinition } from '../domain/process-definition.js';

/** What an adapter is told about the run that it serves. Paths are absolute. */
export interface AdapterContext {
  definition: ProcessDefinition;
  places: BasePlaces;
  /** The attempt's own folder. */
  folder: string;
  /** The job's input as it was received, or null if there is none. */
  input: { file: string; name: string } | null;
  /** The name that the output is asked to have. */
  outputName: string;
}

/** What came of preparing: values for placeholders, and what the program's streams are to be connected to. */
export interface Prepared {
  places: Places;
  stdin: string | null;
  stdout: string;
  stderr: string;
}

/** Where the output is: a file in the attempt's folder; null if the program made none. */
export interface Taken {
  output: string | null;
}

/** How input reaches a program and how its output is taken: one driver for each word in a definition. */
export interface Adapter {
  prepare(context: AdapterContext): Promise<Prepared>;
  /** Takes away what was laid out for a program that never started, lest it be in another's way. */
  clear(context: AdapterContext): Promise<void>;
  /** Works from the context alone, so that it can be done after a restart, too. */
  finish(context: AdapterContext): Promise<Taken>;
}
