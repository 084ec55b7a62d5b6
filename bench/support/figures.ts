import { MissingPeer } from './packages.js';
import type { Figure } from './row.js';

/** Measures one of several peers of a row. If it is missing, the others still run. */
export async function measured(measure: () => Promise<number>): Promise<Figure> {
  try {
    return await measure();
  } catch (error) {
    if (error instanceof MissingPeer) return { missing: error.message };
    return { missing: `failed: ${error instanceof Error ? error.message : error}` };
  }
}
