import { rmSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';

/** The lock file. */
export const lockFile = (data: string): string => path.join(data, 'lock.sqlite');

/**
 * Keeps a second server away from a data folder. The lock is SQLite's own, held on a file beside the database: the
 * kernel releases it when this process ends, however it ends.
 */
export function lockFolder(folder: string): { release: () => void } {
  const file = lockFile(folder);
  const database = new Database(file, { timeout: 0 });
  try {
    database.pragma('journal_mode = DELETE');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { code?: string }).code === 'SQLITE_BUSY') {
      throw new Error(`another server is running on the data folder ${folder}`);
    }
    throw error;
  }
  return {
    release() {
      database.exec('ROLLBACK');
      database.close();
      rmSync(file, { force: true });
    },
  };
}
