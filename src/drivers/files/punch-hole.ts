import { execFile } from 'node:child_process';
import { basicEnvironment } from '../processes/environment.js';

/**
 * Frees the disk space of part of a file while others write to the file. Its size and the offsets of all other bytes
 * stay; the part reads as zeros.
 *
 * @returns false if the file system or the machine (util-linux) does not support it
 */
export function punchHole(file: string, from: number, to: number): Promise<boolean> {
  const argv = ['--punch-hole', '--offset', String(from), '--length', String(to - from), file];
  return new Promise((resolve) => {
    execFile('fallocate', argv, { env: basicEnvironment }, (error) => resolve(error === null));
  });
}
