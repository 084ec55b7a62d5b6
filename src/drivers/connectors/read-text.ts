import { readFileSync } from 'node:fs';
import { messageOf } from '../../lib/errors.js';
import { ConnectorError } from './connector.js';

/**
 * The text of a file that the configuration names.
 *
 * @param what its name in messages
 */
export function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConnectorError('refused', `${what} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
