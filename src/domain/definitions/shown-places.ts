import { posix } from 'node:path';
import {
  appendPlace,
  type BasePlaces,
  inputFolder,
  inputPlace,
  namedFiles,
  outputFolder,
  outputPlace,
  type Places,
} from './command.js';
import type { ProcessDefinition } from './process-definition.js';

/** Where the input and the output of a run would be, in words or as paths, and what the placeholders would mean. */
export interface ShownPlaces {
  places: BasePlaces;
  input: string;
  output: string;
}

/**
 * The places of a run that is not begun. A port that the server would choose stays a placeholder.
 *
 * @param folder of an attempt, absolute
 */
export function shownPlaces(
  definition: ProcessDefinition,
  base: BasePlaces,
  folder: string,
  names: { input: string; output: string },
): ShownPlaces {
  const { input, output } = definition;
  const at = (...parts: string[]) => posix.join(folder, ...parts);
  const places: BasePlaces & Places = { ...base };
  for (const name of namedFiles(definition).inputs) places[`input_file.${name}`] = at('inputs', name);
  for (const name of namedFiles(definition).outputs) places[`output_file.${name}`] = at('outputs', name);
  const read = inputPlace(definition, base) ?? appendPlace(definition, base, 'input');
  const written = outputPlace(definition, base) ?? appendPlace(definition, base, 'output');
  places.input_file = read?.kind === 'fixed' ? read.path : at('input', read?.fileName ?? names.input);
  places.output_file = written?.kind === 'fixed' ? written.path : at('output', names.output);
  if (input?.type === 'pipe') places.input_pipe = at('input.pipe');
  if (output?.type === 'pipe') places.output_pipe = at('output.pipe');
  if (input?.type === 'port') places.input_port = String(input.port ?? '${input_port}');
  if (output?.type === 'port') {
    const port = output.port === 'input' ? places.input_port : output.port;
    places.output_port = String(port ?? '${output_port}');
  }
  return {
    places,
    input:
      inputFolder(definition, base) ??
      places.input_pipe ??
      (places.input_port === undefined ? null : `port ${places.input_port}`) ??
      (read === null || read.kind === 'stream' ? 'STDIN' : places.input_file),
    output:
      outputFolder(definition, base) ??
      places.output_pipe ??
      (places.output_port === undefined ? null : `port ${places.output_port}`) ??
      (written === null ? 'STDOUT' : written.kind === 'stream' ? written.stream : places.output_file),
  };
}
