import { exitCodes } from '../client/failure.js';

/**
 * Control-C: the first one calls `first`, the second one exits at once.
 * Returns a function that removes the handler.
 */
export function onInterrupt(first: () => void): () => void {
  let interrupted = false;
  const handler = () => {
    if (interrupted) process.exit(exitCodes.interrupted);
    interrupted = true;
    first();
  };
  process.on('SIGINT', handler);
  return () => process.off('SIGINT', handler);
}
