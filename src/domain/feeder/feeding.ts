import { namedFiles } from '../definitions/command.js';
import type { ProcessDefinition } from '../definitions/process-definition.js';
import type { Framing } from './framing.js';

/** Why a program cannot be fed message by message, as the rest of a sentence about its definition; null if it can. */
export function whyNotFed(definition: ProcessDefinition): string | null {
  for (const end of ['input', 'output'] as const) {
    const adapter = definition[end];
    if (adapter?.type === 'folder')
      return `its ${end} is a folder, which is one document, not a stream of records`;
    if (adapter?.type === 'file' && adapter.via === 'path') {
      const others = end === 'input' ? 'STDIN, append, pipe or port' : 'STDOUT, STDERR, append, pipe or port';
      return `its ${end} is a file at a path, which is read as a whole; records can go over ${others}`;
    }
  }
  const { inputs, outputs } = namedFiles(definition);
  const [name] = [...inputs.map((one) => `input_file.${one}`), ...outputs.map((one) => `output_file.${one}`)];
  return name === undefined ? null : `it uses \${${name}}, which only a step of a pipeline has`;
}

/**
 * The command that must precede a fed program so that it does not buffer its records: stdbuf(1) with its arguments;
 * null if the program writes its records elsewhere, or buffers as it likes.
 */
export function unbuffered({ output }: ProcessDefinition, framing: Framing): string[] | null {
  if (output !== null && !(output.type === 'file' && output.via === 'stream')) return null;
  const wanted = output?.buffering ?? (framing === 'line' ? 'line' : 'none');
  if (wanted === 'program') return null;
  const stream = output?.stream === 'STDERR' ? '-e' : '-o';
  // stdbuf cannot buffer standard error by lines, so it does not buffer it at all.
  return ['stdbuf', `${stream}${wanted === 'line' && stream === '-o' ? 'L' : '0'}`];
}
