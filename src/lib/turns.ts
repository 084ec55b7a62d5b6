/**
 * Runs work with the same key one at a time, in the order of the calls, even if some of it fails. Different keys do not
 * wait for each other. A key is forgotten after its last work.
 */
export function openTurns<Key>() {
  const last = new Map<Key, Promise<unknown>>();
  return function inTurn<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const mine = (last.get(key) ?? Promise.resolve()).then(work);
    const settled = mine.then(forget, forget);
    function forget(): void {
      if (last.get(key) === settled) last.delete(key);
    }
    last.set(key, settled);
    return mine;
  };
}
