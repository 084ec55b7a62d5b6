import type { OperationRow } from '../../store/operations.js';
import type { DeadLetterOptions } from './dead-letters.js';
import type { House } from './operation-run.js';

export interface OperatorOptions extends House {
  /** This installation: several may use one broker. */
  instance: string;
  /** A user's streams, to have one for dead letters. */
  ownStream: (row: OperationRow, name: string) => NonNullable<DeadLetterOptions['own']>;
  /** Ends a service, with every process of it. */
  stopService: (uuid: string) => Promise<unknown>;
}
