import type { OperationRow } from '../../store/operations.js';
import type { DeadLetterOptions } from './dead-letters.js';
import type { House } from './operation-run.js';

export interface OperatorOptions extends House {
  /** The id of this installation: several may share a broker. */
  instance: string;
  /** Creates and removes the stream for an operation's dead letters. */
  ownStream: (row: OperationRow, name: string) => NonNullable<DeadLetterOptions['own']>;
  /** Ends a service, with every process of it. */
  stopService: (uuid: string) => Promise<unknown>;
}
