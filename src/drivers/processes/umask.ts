import { chmodSync } from 'node:fs';

/**
 * Files that Penstock makes for itself are for its own user alone: `umask 077`. Programs that it starts, and files that
 * it makes for others, get the umask that Penstock was started with.
 */
let inherited: number | null = null;

/** From now on files and folders are made for their owner only. Call it before creating any. */
export function keepToOurselves(): void {
  inherited ??= process.umask(0o077);
}

/** The umask for programs, in octal; null if it was never changed, so that they inherit it. */
export const umaskForPrograms = (): string | null => inherited?.toString(8).padStart(4, '0') ?? null;

/** Sets the mode of a new file for others to what the umask for programs would have given. */
export function openToOthers(place: string, mode: number): void {
  if (inherited !== null) chmodSync(place, mode & ~inherited);
}
