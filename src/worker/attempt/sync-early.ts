import { fileSize, makeDurable } from '../../store/folder/job-files.js';

const interval = 200;
/** Less than this is on the disk in no time when the program has ended. */
const worthIt = 32 * 1024 * 1024;

/**
 * Brings large files to the disk while the program still writes them, so that its end has not to wait for all of
 * them at once. Short runs never get here.
 *
 * @returns ends it
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
        // What is wrong with the file shows when the output is taken, where it can be told.
      })
      .finally(() => {
        busy = false;
      });
  }, interval);
  timer.unref();
  return () => clearInterval(timer);
}
