import { posix } from 'node:path';
import { type BaseValues, workingDirectory } from '../definitions/command.js';
import { type NamedPlaceholder, substitute } from '../definitions/placeholder.js';
import type { ProcessDefinition } from '../definitions/process-definition.js';
import type { OutputDeclaration } from './output-declaration.js';

/** Where the program leaves a declared output. */
interface OutputPlace {
  output: OutputDeclaration;
  placeholder: NamedPlaceholder;
  /** The absolute path; of several files, that of the folder where they are looked for. */
  at: string;
  /** True if the server chooses the path. */
  chosen: boolean;
}

/**
 * The places of all declared outputs but the main one, which its adapter collects, and those that are read from a log.
 *
 * @param values with those of the inputs
 * @param folder the attempt's folder on the machine that runs it, absolute
 */
export function outputPlaces(
  definition: ProcessDefinition,
  values: BaseValues,
  folder: string,
): OutputPlace[] {
  const { outputs, mainOutput } = definition;
  const from = (path: string) =>
    posix.resolve(workingDirectory(definition, values), substitute(path, values));
  return (outputs ?? [])
    .filter((output) => output.name !== mainOutput && output.from === null)
    .map((output): OutputPlace => {
      const { name, kind, fileName, path, glob } = output;
      const placeholder = `outputs.${name}` as const;
      if (kind === 'files') return { output, placeholder, at: from(staticPart(glob ?? '')), chosen: false };
      if (path !== null) return { output, placeholder, at: from(path), chosen: false };
      const own = posix.join(folder, 'outputs', name);
      return {
        output,
        placeholder,
        at: kind === 'folder' ? own : posix.join(own, fileName ?? name),
        chosen: true,
      };
    });
}

/** The folders that a pattern begins with and that hold no wildcard. */
export function staticPart(glob: string): string {
  const parts = glob.split('/');
  const first = parts.findIndex((part) => /[*?[]/.test(part));
  return parts.slice(0, first < 0 ? parts.length - 1 : first).join('/');
}
