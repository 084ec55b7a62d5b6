/**
 * Does work under one key one after the other, in the order of the calls, however each ends. Keys do not wait for each
 * other, and are forgotten with their last work.
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
