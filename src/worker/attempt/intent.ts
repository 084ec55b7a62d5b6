import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Outcome } from '../../domain/jobs/outcome.js';

const intentFile = (folder: string): string => path.join(folder, 'intent');

/**
 * Records why an attempt is being ended before any of its processes is signalled: after a crash in between, the job
 * gets that reason, and not the signal that we sent.
 *
 * @param folder the attempt's
 */
export function noteIntent(folder: string, outcome: Outcome): void {
  const file = intentFile(folder);
  writeFileSync(`${file}.part`, JSON.stringify(outcome), { mode: 0o600 });
  renameSync(`${file}.part`, file);
}

/** Why an attempt was being ended when Penstock was last stopped; null if it was not. */
export function readIntent(folder: string): Outcome | null {
  const file = intentFile(folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Outcome) : null;
}
