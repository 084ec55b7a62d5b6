import { posix } from 'node:path';
import { type BaseValues, namedFiles, workingDirectory } from './command.js';
import { type PlaceholderValues, substitute } from './placeholder.js';
import type { ProcessDefinition } from './process-definition.js';

/** Where an input or an output of a run is: a standard stream, a path, or a port of the program's machine. */
export type Place =
  | { kind: 'stream'; stream: 'STDIN' | 'STDOUT' | 'STDERR' }
  /** `chosen`: by the server, in the attempt's folder; otherwise the program insists on it. */
  | { kind: 'file'; path: string; chosen: boolean }
  | { kind: 'folder'; path: string }
  | { kind: 'pipe'; path: string }
  /** Null: one that is free when the program starts. */
  | { kind: 'port'; port: string | null };

/** What the places of a run depend on. */
export interface PlacedRun {
  definition: ProcessDefinition;
  /** For an output, with the values of the input's place. */
  values: BaseValues;
  /** The attempt's own folder on the machine that the program runs on, absolute. */
  folder: string;
  input: { name: string } | null;
  /** The requested name of the output. */
  outputName: string;
}

/** Where the program gets its input. Without an adapter that is its standard input. */
export function inputPlace(run: PlacedRun): Place {
  const { folder } = run;
  const { input } = run.definition;
  if (input?.type === 'folder') return { kind: 'folder', path: absolute(run, input.path) };
  if (input?.type === 'pipe') return { kind: 'pipe', path: posix.join(folder, 'input.pipe') };
  if (input?.type === 'port') return { kind: 'port', port: input.port === null ? null : String(input.port) };
  if (input === null || !('path' in input)) return { kind: 'stream', stream: 'STDIN' };
  if (input.path !== '${input_file}') return { kind: 'file', path: absolute(run, input.path), chosen: false };
  // A file that the program follows keeps the name in the definition, whatever name was sent.
  const [said, sent] = [input.fileName, run.input?.name];
  const name = (input.type === 'append' ? (said ?? sent) : (sent ?? said)) ?? 'input';
  return { kind: 'file', path: posix.join(folder, 'input', name), chosen: true };
}

/** Where the program leaves its output. Without an adapter that is its standard output. */
export function outputPlace(run: PlacedRun): Place {
  const { folder, outputName, values } = run;
  const { output } = run.definition;
  if (output?.type === 'folder') return { kind: 'folder', path: absolute(run, output.path) };
  if (output?.type === 'pipe') return { kind: 'pipe', path: posix.join(folder, 'output.pipe') };
  if (output?.type === 'port') {
    const port = output.port === 'input' ? values.input_port : output.port?.toString();
    return { kind: 'port', port: port ?? null };
  }
  if (output === null || !('path' in output)) return { kind: 'stream', stream: output?.stream ?? 'STDOUT' };
  if (output.path !== '${output_file}')
    return { kind: 'file', path: absolute(run, output.path), chosen: false };
  // The program may rotate the file that it appends to, so the file has a folder of its own.
  const below = output.type === 'append' ? 'grown' : 'output';
  return { kind: 'file', path: posix.join(folder, below, outputName), chosen: true };
}

/** A path of the definition made absolute; a relative path is resolved from `cwd`. */
const absolute = ({ definition, values }: PlacedRun, path: string): string =>
  posix.resolve(workingDirectory(definition, values), substitute(path, values));

/** What the placeholders of a place stand for. A port that is not known yet stays its placeholder. */
export function placeValues(end: 'input' | 'output', place: Place): PlaceholderValues {
  if (place.kind === 'file' || place.kind === 'pipe') return { [`${end}_${place.kind}`]: place.path };
  return place.kind === 'port' ? { [`${end}_port`]: place.port ?? `\${${end}_port}` } : {};
}

/** A place in words, or as its path. */
function shown(end: 'input' | 'output', place: Place): string {
  if (place.kind === 'stream') return place.stream;
  return place.kind === 'port' ? `port ${placeValues(end, place)[`${end}_port`]}` : place.path;
}

/** The values of a run that has not started, and where its input and output would be, in words or as paths. */
export function shownPlaces(run: PlacedRun): { values: BaseValues; input: string; output: string } {
  const { inputs, outputs } = namedFiles(run.definition);
  const input = inputPlace(run);
  const values: BaseValues = { ...run.values, ...placeValues('input', input) };
  for (const name of inputs) values[`input_file.${name}`] = posix.join(run.folder, 'inputs', name);
  for (const name of outputs) values[`output_file.${name}`] = posix.join(run.folder, 'outputs', name);
  const output = outputPlace({ ...run, values });
  Object.assign(values, placeValues('output', output));
  return { values, input: shown('input', input), output: shown('output', output) };
}
