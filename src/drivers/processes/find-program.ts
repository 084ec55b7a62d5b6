import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { PenstockError } from '../../lib/errors.js';

/**
 * The path of a program: `exec` itself, or the first of that name on PATH. Throws if it is already clear that it cannot
 * be started.
 */
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
    } catch {
      // A later folder may have an executable one.
      continue;
    }
    mustHaveInterpreter(candidate, cwd);
    return candidate;
  }
  throw new PenstockError(
    'not-found',
    found === undefined
      ? exec.includes('/')
        ? `exec: there is no program ${exec} on this machine`
        : `exec: there is no program '${exec}' on this machine's PATH (${searchPath})`
      : `exec: ${found} cannot be executed: permission denied`,
  );
}

function mustHaveInterpreter(program: string, cwd: string): void {
  const interpreter = interpreterOf(program, cwd);
  if (interpreter === null || isFile(interpreter.place)) return;
  throw new PenstockError(
    'not-found',
    // Quoted: it may end with a carriage return.
    `exec: ${program} needs the interpreter ${JSON.stringify(interpreter.name)}, which is not on this machine`,
  );
}

/** How many bytes of a file the kernel reads. */
const lineSize = 256;

/**
 * The interpreter in a script's first line, `#!`: its name there and its path; null if there is no such line, or it
 * cannot be read.
 */
export function interpreterOf(program: string, cwd: string): { name: string; place: string } | null {
  const start = Buffer.alloc(lineSize);
  let length: number;
  try {
    const file = openSync(program, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      length = readSync(file, start, 0, lineSize, 0);
    } finally {
      closeSync(file);
    }
  } catch {
    return null;
  }
  const name = /^#![ \t]*([^ \t\n\0]+)/.exec(start.toString('utf8', 0, length))?.[1];
  return name === undefined ? null : { name, place: path.resolve(cwd, name) };
}

/** A name whose path cannot be followed counts as missing. */
function isFile(name: string): boolean {
  try {
    return statSync(name).isFile();
  } catch {
    return false;
  }
}
