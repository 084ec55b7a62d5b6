import { StreamFailure } from '../../drivers/streams/stream.js';
import { PenstockError } from '../../lib/errors.js';

/** The error for a caller when a stream has failed. Other errors pass through. */
export function streamError(error: unknown): unknown {
  if (!(error instanceof StreamFailure)) return error;
  return error.kind === 'full'
    ? new PenstockError('stream-full', error.message, { headers: { 'Retry-After': '1' }, cause: error })
    : new PenstockError('stream-unavailable', error.message, {
        headers: { 'Retry-After': '5' },
        cause: error,
      });
}
