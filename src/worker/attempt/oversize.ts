import { existsSync } from 'node:fs';
import path from 'node:path';
import { outputPlace } from '../../domain/definitions/places.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { AdapterContext } from '../../drivers/adapters/adapter.js';
import { fileSize } from '../../store/folder/job-files.js';

/** Which limit was exceeded, in words; null if none was. */
export function oversize({ limits, output }: ProcessDefinition, setting: AdapterContext): string | null {
  const { outputSize, logSize } = limits;
  const { folder, outputName } = setting;
  const place = outputPlace(setting);
  const outputStream = place.kind === 'stream' ? place.stream : null;
  for (const stream of ['STDOUT', 'STDERR'] as const) {
    const limit = stream === outputStream ? outputSize : logSize;
    const size = limit === null ? 0 : (fileSize(path.join(folder, stream.toLowerCase())) ?? 0);
    if (limit !== null && size > limit) {
      const name = stream === outputStream ? 'output_size' : 'log_size';
      return `Its ${stream} is larger than limits.${name}, ${limit} bytes.`;
    }
  }
  if (outputStream === null && outputSize !== null) {
    const kept = path.join(folder, 'output', outputName);
    const isFixed = output?.type === 'file' && place.kind === 'file' && !place.chosen;
    const file = isFixed && !existsSync(kept) ? place.path : kept;
    if ((fileSize(file) ?? 0) > outputSize) {
      return `Its output is larger than limits.output_size, ${outputSize} bytes.`;
    }
  }
  return null;
}
