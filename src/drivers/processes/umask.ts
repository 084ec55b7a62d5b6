import { chmodSync } from 'node:fs';

/**
 * What this program makes for itself is for its own user alone: `umask 077`. What it starts or makes for others keeps
 * the umask that it was started with, as if it had been started there.
 */
let inherited: number | null = null;

/** From now on files and folders are made for their owner only. Call it before anything is made. */
export function keepToOurselves(): void {
  inherited ??= process.umask(0o077);
}

/** The umask for programs, in octal; null where it was never changed, and they get it anyway. */
export const umaskForPrograms = (): string | null => inherited?.toString(8).padStart(4, '0') ?? null;

/** Gives what was just made for others to use the mode that it would have had with the umask for programs. */
export function openToOthers(place: string, mode: number): void {
  if (inherited !== null) chmodSync(place, mode & ~inherited);
}
