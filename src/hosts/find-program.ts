import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import { PenstockError } from '../errors.js';

/** Where a program is: `exec` itself, or the first of its name on PATH. Throws if it cannot be started. */
export function findProgram(exec: string, cwd: string, searchPath: string): string {
  const candidates = exec.includes('/')
    ? [path.resolve(cwd, exec)]
    : searchPath.split(':').map((folder) => path.join(folder === '' ? cwd : folder, exec));
  let found: string | undefined;
  for (const candidate of candidates) {
    try {
      if (!statSync(candidate, { throwIfNoEntry: false })?.isFile()) continue;
      found = candidate;
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // A folder that may not be entered, or a file that may not be executed: perhaps a later one is better.
    }
  }
  throw new PenstockError(
    'not-found',
    found === undefined
      ? exec.includes('/')
        ? `exec: there is no program ${exec} on this machine`
        : `exec: there is no program '${exec}' on this machine's PATH (${searchPath})`
      : `exec: ${found} may not be executed`,
  );
}
