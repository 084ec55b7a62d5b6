import type { ProcessDefinition } from '../definitions/process-definition.js';

/**
 * How long a run may take: as the request says, or else the definition, or else the server. The server's default is for
 * programs that end by themselves, so a service has none.
 *
 * @param byDefault the server's, in seconds; null for no limit
 * @returns seconds, or null for no limit
 */
export function timeoutOf(
  definition: Pick<ProcessDefinition, 'timeout' | 'service'>,
  request: { timeout?: number },
  byDefault: number | null,
): number | null {
  return request.timeout ?? definition.timeout ?? (definition.service === null ? byDefault : null);
}
