/** How many of something there are for each key; keys of which there is none are not kept. */
export function openCounts<Key>() {
  const counts = new Map<Key, number>();
  return {
    of: (key: Key): number => counts.get(key) ?? 0,
    /** One more (1) or one less (-1); gives how many there are then. */
    add(key: Key, by: 1 | -1): number {
      const count = (counts.get(key) ?? 0) + by;
      if (count > 0) counts.set(key, count);
      else counts.delete(key);
      return count;
    },
  };
}
