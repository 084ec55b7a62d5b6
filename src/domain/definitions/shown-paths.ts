import { posix } from 'node:path';
import {
  appendLocation,
  type BaseValues,
  inputFolder,
  inputLocation,
  namedFiles,
  outputFolder,
  outputLocation,
} from './command.js';
import type { PlaceholderValues } from './placeholder.js';
import type { ProcessDefinition } from './process-definition.js';

/** Where the input and the output of a run would be, in words or as paths, and what the placeholders would mean. */
interface ShownPaths {
  values: BaseValues;
  input: string;
  output: string;
}

/**
 * The values of a run that is not begun. A port that the server would choose stays a placeholder.
 *
 * @param folder of an attempt, absolute
 */
export function shownPaths(
  definition: ProcessDefinition,
  base: BaseValues,
  folder: string,
  names: { input: string; output: string },
): ShownPaths {
  const { input, output } = definition;
  const at = (...parts: string[]) => posix.join(folder, ...parts);
  const values: BaseValues & PlaceholderValues = { ...base };
  for (const name of namedFiles(definition).inputs) values[`input_file.${name}`] = at('inputs', name);
  for (const name of namedFiles(definition).outputs) values[`output_file.${name}`] = at('outputs', name);
  const read = inputLocation(definition, base) ?? appendLocation(definition, base, 'input');
  const written = outputLocation(definition, base) ?? appendLocation(definition, base, 'output');
  values.input_file = read?.kind === 'fixed' ? read.path : at('input', read?.fileName ?? names.input);
  values.output_file = written?.kind === 'fixed' ? written.path : at('output', names.output);
  if (input?.type === 'pipe') values.input_pipe = at('input.pipe');
  if (output?.type === 'pipe') values.output_pipe = at('output.pipe');
  if (input?.type === 'port') values.input_port = String(input.port ?? '${input_port}');
  if (output?.type === 'port') {
    const port = output.port === 'input' ? values.input_port : output.port;
    values.output_port = String(port ?? '${output_port}');
  }
  return {
    values,
    input:
      inputFolder(definition, base) ??
      values.input_pipe ??
      (values.input_port === undefined ? null : `port ${values.input_port}`) ??
      (read === null || read.kind === 'stream' ? 'STDIN' : values.input_file),
    output:
      outputFolder(definition, base) ??
      values.output_pipe ??
      (values.output_port === undefined ? null : `port ${values.output_port}`) ??
      (written === null ? 'STDOUT' : written.kind === 'stream' ? written.stream : values.output_file),
  };
}
