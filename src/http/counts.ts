/** Counts something by key. Keys with a count of 0 are dropped. */
export function openCounts<Key>() {
  const counts = new Map<Key, number>();
  return {
    of: (key: Key): number => counts.get(key) ?? 0,
    /** Counts one more (1) or one less (-1). Returns the new count. */
    add(key: Key, by: 1 | -1): number {
      const count = (counts.get(key) ?? 0) + by;
      if (count > 0) counts.set(key, count);
      else counts.delete(key);
      return count;
    },
  };
}
