import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileKey } from '../../domain/feeder/feeder-plan.js';
import type { Program, WayIn, WayOut } from './ways.js';

/** Appends to a file that the program follows. There is no end that the program could see. */
export function appendIn(file: string): WayIn {
  let handle: FileHandle | null = null;
  return {
    async write(piece) {
      handle ??= await open(file, 'a');
      for (let done = 0; done < piece.length; ) {
        done += (await handle.write(piece, done)).bytesWritten;
      }
    },
    async end() {
      await handle?.close();
    },
  };
}

/** Milliseconds between two looks where no event of the file system tells earlier. */
const pollInterval = 100;
const pieceSize = 65_536;
/** So often are files looked at anew whose names change hands meanwhile. */
const mostLooks = 20;
/** A generation that was compressed is no longer what the program wrote; it was read before. */
const compressed = /\.(gz|bz2|xz|zst|lz4|lzma|Z|zip)$/;
/** What programs put beside their own files, and is no part of these. */
const beside = /\.(lock|lck|pid|tmp|swp|idx|offset)$/;
/** What stands between a name and its extension in the name of an older file. */
const older = /^[-._](\d|old|bak|prev|last)/i;

/** By so many of its first bytes a copy of a file is told from a new generation of it. */
const headSize = 4096;

async function headOf(handle: FileHandle, size: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0);
  return buffer.subarray(0, bytesRead);
}

/** Whether a file begins with these bytes; null if it has another name by now. */
async function beginsWith(file: { key: string; place: string }, head: Buffer): Promise<boolean | null> {
  const handle = await open(file.place, 'r').catch(() => null);
  if (handle === null) return null;
  try {
    if (fileKey(await handle.stat({ bigint: true })) !== file.key) return null;
    return (await headOf(handle, head.length)).equals(head);
  } finally {
    await handle.close();
  }
}

/** Whether a file of that name may be an older one of another: `app.log.1`, `app.log-20261122`, `app.1.log`. */
export function isGeneration(entry: string, name: string): boolean {
  if (entry === name) return true;
  if (compressed.test(entry) || beside.test(entry)) return false;
  const extension = path.extname(name);
  const stem = name.slice(0, name.length - extension.length);
  if (entry.startsWith(name)) return /^[^\p{L}\p{N}]/u.test(entry.slice(name.length));
  return entry.startsWith(stem) && entry.endsWith(extension) && older.test(entry.slice(stem.length));
}

async function keyOf(file: string): Promise<string | null> {
  const is = await stat(file, { bigint: true }).catch(() => null);
  return is === null ? null : fileKey(is);
}

/** A file and its older ones, oldest first; `isWhole` is false if one of them went elsewhere meanwhile. */
async function generations(file: string) {
  const name = path.basename(file);
  const found: { key: string; size: number; place: string; age: readonly bigint[] }[] = [];
  let isWhole = true;
  for (const entry of await readdir(path.dirname(file))) {
    if (!isGeneration(entry, name)) continue;
    const place = path.join(path.dirname(file), entry);
    const is = await stat(place, { bigint: true }).catch(() => null);
    if (is === null) isWhole = false;
    if (is === null || !is.isFile()) continue;
    // The clock of a file system stands still for some milliseconds: of two that were made then the higher number is
    // the older one. The file itself is the newest, whatever the clock says.
    const number = BigInt(/\.(\d{1,3})$/.exec(entry)?.[1] ?? 0);
    const age = [entry === name ? 1n : 0n, is.birthtimeNs, is.mtimeNs, -number];
    found.push({ key: fileKey(is), size: Number(is.size), place, age });
  }
  found.sort((one, other) => {
    const at = one.age.findIndex((value, index) => value !== other.age[index]);
    return at < 0 ? 0 : (one.age[at] ?? 0n) < (other.age[at] ?? 0n) ? -1 : 1;
  });
  return { found, isWhole };
}

/**
 * Follows a file as it grows: over rotation (it is renamed and made anew: the older ones first, each to its end) and
 * truncation (from the start again). To be called before the program starts.
 *
 * @param from the file as it was then: what it held is not told; null if there was none
 */
export async function appendOut(
  file: string,
  from: { key: string; size: number } | null,
  program: Program,
): Promise<WayOut> {
  const folder = path.dirname(file);
  /** Files that were read, or are none of the program's generations. */
  const known = new Set<string>();
  let wake = () => {};
  const something = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, program.ended.aborted ? 0 : pollInterval);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  // What lies there already is of others, but for the file itself.
  await markAll();
  if (from !== null) known.delete(from.key);
  const watcher = watchFolder(folder, () => wake());

  /** The files that may be generations of it and were not read yet, oldest first. */
  async function unread(): Promise<{ key: string; size: number; place: string }[]> {
    for (let looks = 1; ; looks += 1) {
      const before = await keyOf(file);
      const { found, isWhole } = await generations(file);
      // While names change hands one can be missed, and a later one would be read before it.
      if ((isWhole && before === (await keyOf(file))) || looks === mostLooks)
        return found.filter(({ key }) => !known.has(key));
    }
  }

  async function markAll(): Promise<void> {
    for (const { key } of await unread()) known.add(key);
  }

  /** Who copies a file and truncates it has made no new generation: what begins as it did is one that was read. */
  async function markCopies(head: Buffer): Promise<void> {
    let isWhole = head.length === 0;
    for (let looks = 1; !isWhole && looks <= mostLooks; looks += 1) {
      isWhole = true;
      for (const file of await unread()) {
        const isCopy = await beginsWith(file, head);
        if (isCopy === null) isWhole = false;
        else if (isCopy) known.add(file.key);
      }
    }
  }

  /** One file, until a later one holds bytes and this is at its end, or the program has ended. */
  async function* follow({ key, place }: { key: string; place: string }): AsyncGenerator<Buffer> {
    const handle = await open(place, 'r').catch(() => null);
    if (handle === null) return;
    try {
      // Renamed meanwhile: it is found again by its new name.
      if (fileKey(await handle.stat({ bigint: true })) !== key) return;
      known.add(key);
      const start = key === from?.key ? from.size : 0;
      let head: Buffer = await headOf(handle, Math.min(start, headSize));
      for (let at = start; ; ) {
        // Asked before the read: what was written before that is there by now.
        const last = program.ended.aborted;
        const moved = (await keyOf(file)) !== key;
        const later = moved && (await unread()).some(({ size }) => size > 0 || last);
        if ((await handle.stat()).size < at) {
          await markCopies(head);
          head = Buffer.alloc(0);
          at = 0;
        }
        const before = at;
        for (;;) {
          const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(pieceSize), 0, pieceSize, at);
          if (bytesRead === 0) break;
          at += bytesRead;
          const piece = buffer.subarray(0, bytesRead);
          if (head.length < headSize) head = Buffer.concat([head, piece]).subarray(0, headSize);
          yield piece;
        }
        if (later || (last && at === before)) return;
        if (at === before) await something();
      }
    } finally {
      await handle.close();
    }
  }

  async function* pieces(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const last = program.ended.aborted;
        const [next] = await unread();
        if (next !== undefined) yield* follow(next);
        else if (last) return;
        else await something();
      }
    } finally {
      watcher?.close();
    }
  }

  return { pieces, programEnded: () => wake() };
}

function watchFolder(folder: string, told: () => void): FSWatcher | null {
  try {
    return watch(folder, told).on('error', () => {});
  } catch {
    // Too many watches, or a file system without: a look now and then does it as well.
    return null;
  }
}
