import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileKey } from '../../domain/feeder/feeder-plan.js';
import type { Program, WayIn, WayOut } from './ways.js';

/** Appends to a file that the program follows. The program can see no end. */
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

/** Milliseconds between two checks, unless a file system event comes earlier. */
const pollInterval = 100;
const pieceSize = 65_536;
/** How many times to list files again while they are being renamed. */
const mostLooks = 20;
/** A compressed generation no longer holds what the program wrote; it was read before. */
const compressed = /\.(gz|bz2|xz|zst|lz4|lzma|Z|zip)$/;
/** Files that programs put beside their own, which are not part of the output. */
const beside = /\.(lock|lck|pid|tmp|swp|idx|offset)$/;
/** What comes between a name and its extension in the name of an older file. */
const older = /^[-._](\d|old|bak|prev|last)/i;

/** How many first bytes distinguish a copy of a file from a new generation. */
const headSize = 4096;

async function headOf(handle: FileHandle, size: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0);
  return buffer.subarray(0, bytesRead);
}

/** Whether a file begins with these bytes; null if it has been renamed. */
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

/** A file and its older generations, oldest first; `isWhole` is false if one of them was moved meanwhile. */
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
    // File system timestamps are only exact to some milliseconds: of two equal ones, the higher number is older. The
    // file itself is the newest, whatever its timestamp.
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
 * Follows a file as it grows, through rotation (it is renamed and recreated: older files come first, each to its end)
 * and truncation (from the start again). Call it before the program starts.
 *
 * @param from the file at that time: its old content is skipped; null if there was none
 */
export async function appendOut(
  file: string,
  from: { key: string; size: number } | null,
  program: Program,
): Promise<WayOut> {
  const folder = path.dirname(file);
  /** Files that were read, or are not generations of the program's file. */
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
  // Existing files belong to others, except the file itself.
  await markAll();
  if (from !== null) known.delete(from.key);
  const watcher = watchFolder(folder, () => wake());

  /** The unread files that may be generations of it, oldest first. */
  async function unread(): Promise<{ key: string; size: number; place: string }[]> {
    for (let looks = 1; ; looks += 1) {
      const before = await keyOf(file);
      const { found, isWhole } = await generations(file);
      // During a rename a file can be missed, and a later one would be read before it.
      if ((isWhole && before === (await keyOf(file))) || looks === mostLooks)
        return found.filter(({ key }) => !known.has(key));
    }
  }

  async function markAll(): Promise<void> {
    for (const { key } of await unread()) known.add(key);
  }

  /** A program that copies and truncates its file makes no new generation: a file with the same beginning was already read. */
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

  /** Reads one file until it is at its end and a later one has bytes, or the program has ended. */
  async function* follow({ key, place }: { key: string; place: string }): AsyncGenerator<Buffer> {
    const handle = await open(place, 'r').catch(() => null);
    if (handle === null) return;
    try {
      // Renamed meanwhile: it will be found by its new name.
      if (fileKey(await handle.stat({ bigint: true })) !== key) return;
      known.add(key);
      const start = key === from?.key ? from.size : 0;
      let head: Buffer = await headOf(handle, Math.min(start, headSize));
      for (let at = start; ; ) {
        // Checked before the read, so that everything written before the end is read.
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
    // Too many watches, or a file system without them: checking now and then works as well.
    return null;
  }
}
