import { existsSync } from 'node:fs';
import path from 'node:path';
import type { AdapterContext } from '../adapters/adapter.js';
import { outputPlace } from '../domain/command.js';
import type { ProcessDefinition } from '../domain/process-definition.js';
import { fileSize } from '../store/files.js';

/** What is larger than its limit, in words; null if nothing is. */
export function oversize(
  definition: ProcessDefinition,
  { folder, places, outputName }: AdapterContext,
): string | null {
  const { outputSize, logSize } = definition.limits;
  const outputStream = definition.output?.via === 'path' ? null : (definition.output?.stream ?? 'STDOUT');
  for (const stream of ['STDOUT', 'STDERR'] as const) {
    const limit = stream === outputStream ? outputSize : logSize;
    const size = limit === null ? 0 : (fileSize(path.join(folder, stream.toLowerCase())) ?? 0);
    if (limit !== null && size > limit) {
      const name = stream === outputStream ? 'output_size' : 'log_size';
      return `Its ${stream} is larger than limits.${name}, ${limit} bytes.`;
    }
  }
  if (definition.output?.via === 'path' && outputSize !== null) {
    const wanted = outputPlace(definition, places);
    const kept = path.join(folder, 'output', outputName);
    const file = wanted?.kind === 'fixed' && !existsSync(kept) ? wanted.path : kept;
    if ((fileSize(file) ?? 0) > outputSize) {
      return `Its output is larger than limits.output_size, ${outputSize} bytes.`;
    }
  }
  return null;
}
