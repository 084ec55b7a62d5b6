import { execFile } from 'node:child_process';
import { PenstockError } from '../../lib/errors.js';
import { switchTo } from './accounts.js';
import { basicEnvironment } from './environment.js';
import { findProgram, interpreterOf } from './find-program.js';

/** Checks what a user of this machine may do by trying it as that user, which is surer than interpreting modes. */

/** How a small system command ended: `code` is null if it had to be stopped, or could not be started. */
interface Said {
  code: number | null;
  stdout: Buffer;
  stderr: string;
}

/** The longest that a command may take, since opening a pipe waits for a writer. Milliseconds. */
const patience = 10_000;

/** Runs a shell script with that prefix (see `switchTo`), with the arguments `$1`, `$2`, … */
function shell(prefix: readonly string[], script: string, argv: string[], largest = 65_536): Promise<Said> {
  const [program = '', ...words] = [...prefix, '/bin/sh', '-c', script, 'sh', ...argv];
  const options = { cwd: '/', env: { ...basicEnvironment, LC_ALL: 'C' }, encoding: 'buffer' as const };
  const bounds = { timeout: patience, killSignal: 'SIGKILL' as const, maxBuffer: largest };
  return new Promise((resolve) => {
    execFile(program, words, { ...options, ...bounds }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
      resolve({ code, stdout, stderr: stderr.toString().trim() });
    }).stdin?.end();
  });
}

/** Whether a user may write in a folder. Throws `account-unusable` if Penstock may not switch to that user. */
export async function mayWriteIn(user: string, folder: string): Promise<boolean> {
  const { code } = await shell(await switchTo(user), '[ -d "$1" ] && [ -w "$1" ] && [ -x "$1" ]', [folder]);
  return code === 0;
}

/**
 * The content of a file, read with a user's rights, so that no link leads to anything that the user may not read.
 *
 * @param prefix the result of `switchTo` for that user
 * @param largest larger files are refused
 */
export async function readAs(
  prefix: readonly string[],
  user: string,
  file: string,
  largest: number,
): Promise<Buffer> {
  const read = '[ ! -e "$1" ] || [ -f "$1" ] || exit 100; exec cat -- "$1"';
  const { code, stdout, stderr } = await shell(prefix, read, [file], largest);
  if (code === 0) return stdout;
  if (code === 100) throw new Error(`${file} is not a regular file.`);
  if (stdout.length >= largest) throw new Error(`${file} is too large for a script.`);
  // "cat: /some/file: Permission denied"
  const why = stderr.split(': ').at(-1);
  throw new Error(`${file} cannot be read as '${user}'${why ? `: ${why}` : ''}.`);
}

/**
 * Finds a program (see `findProgram`), and the prefix that makes it run as a user; null is the user that runs Penstock.
 * Throws if it is already clear that it cannot be started like this.
 */
export async function findProgramAs(
  user: string | null,
  exec: string,
  cwd: string,
  searchPath: string,
): Promise<{ program: string; prefix: string[] }> {
  const program = findProgram(exec, cwd, searchPath);
  const prefix = user === null ? [] : await switchTo(user);
  if (prefix.length === 0) return { program, prefix };
  const interpreter = interpreterOf(program, cwd);
  // A script must also be readable, for its interpreter.
  const may = '[ -x "$1" ] && { [ -z "$2" ] || { [ -r "$1" ] && [ -x "$2" ]; }; }';
  const { code } = await shell(prefix, may, [program, interpreter?.place ?? '']);
  if (code === 0) return { program, prefix };
  throw new PenstockError('not-found', `exec: ${program} cannot be executed by '${user}'`);
}
