import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Outcome } from '../../domain/jobs/outcome.js';

const intentFile = (folder: string): string => path.join(folder, 'intent');

/**
 * Notes why an attempt is being ended, before anything of it is signalled: a server that is killed in between tells the
 * same reason afterwards, and not the signal that it sent itself.
 *
 * @param folder the attempt's
 */
export function noteIntent(folder: string, outcome: Outcome): void {
  const file = intentFile(folder);
  writeFileSync(`${file}.part`, JSON.stringify(outcome), { mode: 0o600 });
  renameSync(`${file}.part`, file);
}

/** Why an attempt was being ended when the server before this one ended; null if it was not. */
export function readIntent(folder: string): Outcome | null {
  const file = intentFile(folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Outcome) : null;
}
