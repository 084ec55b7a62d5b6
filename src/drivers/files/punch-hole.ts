import { execFile } from 'node:child_process';
import { basicEnvironment } from '../processes/environment.js';

/**
 * Gives the room of a part of a file back to the disk, while others write to the file. Its size stays, and so does
 * the place of every byte beyond; what was in the part reads as zeros.
 *
 * @returns false where that cannot be: the file system or the machine (util-linux) is without it
 */
export function punchHole(file: string, from: number, to: number): Promise<boolean> {
  const argv = ['--punch-hole', '--offset', String(from), '--length', String(to - from), file];
  return new Promise((resolve) => {
    execFile('fallocate', argv, { env: basicEnvironment }, (error) => resolve(error === null));
  });
}
