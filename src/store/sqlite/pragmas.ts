/** Milliseconds that the first write waits for another program's lock, in the writing thread. */
export const busyTimeout = 5000;

/**
 * WAL lets readers go on while the one writer writes. `synchronous=FULL` makes every commit survive a power failure;
 * the writer commits in groups, so that many jobs cost only one sync.
 */
export const pragmas = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA foreign_keys = ON;
  PRAGMA cache_size = -16000;
  PRAGMA temp_store = MEMORY;
  PRAGMA journal_size_limit = 67108864;
`;
