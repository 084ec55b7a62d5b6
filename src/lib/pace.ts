/** How many milliseconds a long task may run before others get a turn. */
const slice = 10;

/**
 * For loops over many items. Await the result once per item: it lets other requests have a turn whenever a slice of
 * time is over, and costs next to nothing otherwise. Awaiting the database is not enough, because its answers arrive
 * without a turn of the event loop.
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
