import { existsSync } from 'node:fs';
import path from 'node:path';
import { outputLocation } from '../../domain/definitions/command.js';
import type { Output, ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { AdapterContext } from '../../drivers/adapters/adapter.js';
import { fileSize } from '../../store/folder/job-files.js';

/** What is larger than its limit, in words; null if nothing is. */
export function oversize(
  definition: ProcessDefinition,
  { folder, values, outputName }: AdapterContext,
): string | null {
  const { outputSize, logSize } = definition.limits;
  const outputStream = streamOf(definition.output);
  for (const stream of ['STDOUT', 'STDERR'] as const) {
    const limit = stream === outputStream ? outputSize : logSize;
    const size = limit === null ? 0 : (fileSize(path.join(folder, stream.toLowerCase())) ?? 0);
    if (limit !== null && size > limit) {
      const name = stream === outputStream ? 'output_size' : 'log_size';
      return `Its ${stream} is larger than limits.${name}, ${limit} bytes.`;
    }
  }
  if (outputStream === null && outputSize !== null) {
    const wanted = outputLocation(definition, values);
    const kept = path.join(folder, 'output', outputName);
    const file = wanted?.kind === 'fixed' && !existsSync(kept) ? wanted.path : kept;
    if ((fileSize(file) ?? 0) > outputSize) {
      return `Its output is larger than limits.output_size, ${outputSize} bytes.`;
    }
  }
  return null;
}

/** The stream that the output is; null where it is files. */
function streamOf(output: Output | null): 'STDOUT' | 'STDERR' | null {
  if (output === null) return 'STDOUT';
  return output.type === 'file' && output.via === 'stream' ? output.stream : null;
}
