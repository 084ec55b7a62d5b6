import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf } from '../../lib/errors.js';
import { basicEnvironment } from './environment.js';

/**
 * Makes named pipes, which Node cannot do itself. Only their owner may use them.
 *
 * @param paths absolute; none of them may exist yet
 */
export async function makePipes(paths: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)('mkfifo', ['-m', '600', '--', ...paths], { env: basicEnvironment });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim();
    throw new Error(`a named pipe cannot be created: ${said || messageOf(error)}`);
  }
}
