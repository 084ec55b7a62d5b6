/** Nobody else waits for longer than this because of one piece of a long piece of work. Milliseconds. */
const slice = 10;

/**
 * For loops over what one request may hold much of. What it returns is awaited once for each item: it lets other requests
 * have their turn whenever a slice of time is over, and costs next to nothing otherwise. Awaiting the database does not do that: its
 * answers come without a turn of the event loop.
 */
export function pacer(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < slice) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        since = performance.now();
        resolve();
      });
    });
  };
}
