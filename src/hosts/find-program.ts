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
    if (!isFile(candidate)) continue;
    found = candidate;
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Perhaps a later folder has one that may be executed.
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

/** Where the way to a name cannot be gone, there is nothing of that name either. */
function isFile(name: string): boolean {
  try {
    return statSync(name).isFile();
  } catch {
    return false;
  }
}
