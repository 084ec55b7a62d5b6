import { fileSize, makeDurable } from '../../store/folder/job-files.js';

const interval = 200;
/** Smaller files are on disk in no time when the program has ended. */
const worthIt = 32 * 1024 * 1024;

/**
 * Syncs large files while the program still writes them, so that its end need not wait for all of them at once. Short
 * runs never get here.
 *
 * @returns what ends it
 */
export function syncEarly(files: readonly string[]): () => void {
  const synced = new Map<string, number>();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    const grown = files.find((file) => (fileSize(file) ?? 0) - (synced.get(file) ?? 0) > worthIt);
    if (grown === undefined) return;
    busy = true;
    synced.set(grown, fileSize(grown) ?? 0);
    makeDurable(grown)
      .catch(() => {
        // A problem with the file shows again when the output is collected, and is reported there.
      })
      .finally(() => {
        busy = false;
      });
  }, interval);
  timer.unref();
  return () => clearInterval(timer);
}
