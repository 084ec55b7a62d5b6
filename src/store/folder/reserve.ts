import { randomBytes } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import { open, rename, rm, statfs } from 'node:fs/promises';
import path from 'node:path';

/** The file beside the database that is deleted when the disk is full. */
export const reserveFile = (data: string): string => path.join(data, 'reserve');

const mebibyte = 1024 * 1024;
/** Enough to end and remove hundreds of jobs. */
const usualSize = 8 * mebibyte;

/** With fewer free bytes than this, people should make room. */
export const lowRoom = 1024 ** 3;

/** Bytes that this user can still write to the file system of a folder, and the size of the whole. */
export async function roomOf(folder: string): Promise<{ free: number; total: number }> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { free: bavail * bsize, total: blocks * bsize };
}

/**
 * Reserved space on the database's disk. When the disk is full, the reserve is released, so that jobs can still be
 * ended, cancelled and removed; new data is refused until there is room for the reserve again.
 */
export class Reserve {
  readonly #file: string;
  #spent = false;
  #making: Promise<void> | null = null;

  /** @param folder on the file system of the database */
  constructor(folder: string) {
    this.#file = reserveFile(folder);
  }

  /** True from when the reserve was released, or could not be made, until it can be made again. */
  get spent(): boolean {
    return this.#spent;
  }

  /** Releases it. @returns whether there was anything to release */
  letGo(): boolean {
    this.#spent = true;
    const there = statSync(this.#file, { throwIfNoEntry: false }) !== undefined;
    if (there) rmSync(this.#file, { force: true });
    return there;
  }

  /** Makes it if it is missing and there is more than enough space. */
  make(): Promise<void> {
    this.#making ??= this.#make().finally(() => {
      this.#making = null;
    });
    return this.#making;
  }

  async #make(): Promise<void> {
    const folder = path.dirname(this.#file);
    const { free, total } = await roomOf(folder);
    const size = Math.min(usualSize, Math.floor(total / 16));
    if (statSync(this.#file, { throwIfNoEntry: false })?.size === size) {
      this.#spent = false;
      return;
    }
    if (free < 2 * size) {
      this.#spent = true;
      return;
    }
    const partial = `${this.#file}.partial`;
    try {
      await fill(partial, size);
      await rename(partial, this.#file);
      this.#spent = false;
    } catch {
      // Somebody else took the space first.
      await rm(partial, { force: true });
      this.#spent = true;
    }
  }
}

/** Random bytes: a compressing file system would reserve no space for zeros. */
async function fill(file: string, size: number): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    for (let left = size; left > 0; left -= mebibyte) {
      await handle.writeFile(randomBytes(Math.min(left, mebibyte)));
    }
    await handle.datasync();
  } finally {
    await handle.close();
  }
}
